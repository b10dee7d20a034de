/**
 * `npm run test:crash-places -- [--ordinals 1,2,10] [--only TEXT] [--seed N] [--skip-single] [--skip-group] [--record]`: a node killed at every point that
 * it passes, alone and as one of three; ends with 1 for a violation, and for a named point that no round came to.
 */
import { CRASH_POINTS } from "../../cluster/ready-loop.js";
import { Options } from "../../load/lib/options.js";
import {
  removeDirectory,
  runMain,
  seededRandom,
  settleDirectory,
  temporaryDirectory,
} from "../../load/lib/support.js";
import { currentCommit, recordRun } from "../../load/reliability/record.js";
import type { Aim } from "./armed.js";
import { ArmedTerrain, type GroupConditions, pointsOfGroup, runGroup } from "./group.js";
import { SingleNode } from "./single.js";
import { type Scope, Table } from "./table.js";

const DISCOVERY_MS = 5_000;
/** All that was acknowledged is read after each round: a group that gets old takes minutes for one. */
const AIMS_A_GROUP = 8;

function log(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Each pair has a directory of its own (so the first passings are those of a founding), and then one more round on what is left. */
async function alone(table: Table, only: string, ordinals: readonly number[]): Promise<void> {
  const first = temporaryDirectory("crash-places");
  const node = new SingleNode(first);
  const passed = await node.passedPoints(DISCOVERY_MS);
  const points = [...new Set([...CRASH_POINTS, ...passed])].filter((point) => point.includes(only));
  removeDirectory(first);
  log(`one node: ${points.length} points`);
  for (const point of points) {
    for (const ordinal of ordinals) await oneDirectory(table, { point, ordinal });
  }
}

/** A directory on which something was violated is left as it is. */
async function oneDirectory(table: Table, aim: Aim): Promise<void> {
  const directory = temporaryDirectory("crash-places");
  const node = new SingleNode(directory);
  let found = 0;
  for (const when of ["founding", "again"]) {
    const { hit, acknowledged, violations } = await node.crashAt(aim);
    found = violations.length;
    table.add("one node", aim.point, hit, found);
    log(
      `  ${when}: ${aim.point} ${aim.ordinal}: ${hit ? "died" : "not reached"}, ${acknowledged} acknowledged, ${found} violations`,
    );
    for (const { kind, detail } of violations.slice(0, 5)) log(`    ${kind}: ${detail}`);
    if (found > 0) break;
  }
  settleDirectory(directory, found, log);
}

async function ofThree(table: Table, only: string, ordinals: readonly number[], seed: number): Promise<void> {
  const conditions = { random: seededRandom(seed), log, holdMs: 0, aftermathMs: 0, pauseMs: 4 };
  const directory = temporaryDirectory("crash-places");
  const { points: passed, report } = await pointsOfGroup(conditions, new ArmedTerrain(directory));
  const { length: found } = report.violations;
  if (found > 0) table.add("one of three", "unarmed", true, found);
  settleDirectory(directory, found, log);
  const points = [...new Set([...CRASH_POINTS, ...passed])].filter((point) => point.includes(only));
  const aims: Aim[] = points.flatMap((point) => ordinals.map((ordinal) => ({ point, ordinal })));
  log(`one of three: ${points.length} points`);
  // A group ends with the round of a violation; the aims behind it are the next one's.
  for (let at = 0; at < aims.length; ) {
    const group = aims.slice(at, at + AIMS_A_GROUP);
    at += (await oneGroup(table, conditions, group)) || group.length;
  }
}

/** Gives how many of the aims had their round. */
async function oneGroup(table: Table, conditions: GroupConditions, aims: readonly Aim[]): Promise<number> {
  const directory = temporaryDirectory("crash-places");
  const { report, hits, begun } = await runGroup(conditions, new ArmedTerrain(directory), aims);
  const { length: found } = report.violations;
  for (const [at, aim] of aims.slice(0, begun).entries()) {
    const isLast = at === begun - 1;
    table.add("one of three", aim.point, hits.includes(aim), isLast ? found : 0);
  }
  if (begun === 0) table.add("one of three", "no group", true, found);
  settleDirectory(directory, found, log);
  return begun;
}

/** Says which named points no round came to; gives how many. */
function tellUnreached(table: Table, scope: Scope): number {
  const unreached = table.unreached(scope);
  for (const point of unreached) log(`${scope}: no round came to "${point}"`);
  return unreached.length;
}

async function main(): Promise<number> {
  const given = new Options(["ordinals", "only", "seed"], ["skip-single", "skip-group", "record"]);
  const [begunMs, commit] = [performance.now(), currentCommit()];
  const ordinals = given.numbers("ordinals", [1, 2, 10]);
  const only = given.text("only", " ").trim();
  const seed = given.number("seed", 1);
  const table = new Table();
  const scopes: Scope[] = [];
  if (!given.has("skip-single")) {
    await alone(table, only, ordinals);
    scopes.push("one node");
  }
  if (!given.has("skip-group")) {
    await ofThree(table, only, ordinals, seed);
    scopes.push("one of three");
  }
  const rows = table.rows();
  for (const { name, rounds, violations } of rows) log(`${name}: ${rounds} rounds, ${violations} violations`);
  // A part of the points was chosen: of the others nothing is known.
  const unreached = only === "" ? scopes.reduce((sum, scope) => sum + tellUnreached(table, scope), 0) : 0;
  if (given.has("record")) {
    const skipped = ["skip-single", "skip-group"].filter((one) => given.has(one)).map((one) => ` --${one}`);
    const chosen = only === "" ? "" : ` --only "${only}"`;
    const command = `npm run test:crash-places -- --ordinals ${ordinals.join(",")} --seed ${seed}${chosen}${skipped.join("")}`;
    log(
      recordRun("crash-places", {
        command,
        commit,
        seconds: Math.round((performance.now() - begunMs) / 1000),
        rows,
      }),
    );
  }
  return unreached > 0 || rows.some(({ violations }) => violations > 0) ? 1 : 0;
}

runMain(main);
