/**
 * `npm run test:crash-places -- [--ordinals 1,2,10] [--only TEXT] [--seed N] [--skip-single] [--skip-group] [--record]`: a node killed at every point that
 * it passes, alone and as one of three; ends with 1 for a violation.
 */
import { CRASH_POINTS } from "../../cluster/ready-loop.js";
import { Options } from "../../load/lib/options.js";
import { removeDirectory, runMain, seededRandom, temporaryDirectory } from "../../load/lib/support.js";
import { type CampaignRow, currentCommit, recordRun } from "../../load/reliability/record.js";
import type { Aim } from "./armed.js";
import { ArmedTerrain, type GroupConditions, pointsOfGroup, runGroup } from "./group.js";
import { SingleNode } from "./single.js";

const DISCOVERY_MS = 5_000;
/** All that was acknowledged is read after each round: a group that gets old takes minutes for one. */
const AIMS_A_GROUP = 8;

class Table {
  readonly #rows = new Map<string, { rounds: number; hits: number; violations: number }>();

  add(point: string, hit: boolean, violations: number): void {
    const row = this.#rows.get(point) ?? { rounds: 0, hits: 0, violations: 0 };
    this.#rows.set(point, row);
    row.rounds += 1;
    row.hits += Number(hit);
    row.violations += violations;
  }

  /** Rounds that did not come to their point are no rounds. */
  rows(): readonly CampaignRow[] {
    return [...this.#rows].map(([name, { rounds, hits, violations }]) => ({
      ...{ name, rounds: hits, violations },
      figures: { "not reached": rounds - hits },
    }));
  }
}

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
    for (const ordinal of ordinals) {
      const directory = temporaryDirectory("crash-places");
      const one = new SingleNode(directory);
      for (const when of ["founding", "again"]) {
        const { hit, acknowledged, violations } = await one.crashAt({ point, ordinal });
        table.add(`one node: ${point}`, hit, violations.length);
        log(
          `  ${when}: ${point} ${ordinal}: ${hit ? "died" : "not reached"}, ${acknowledged} acknowledged, ${violations.length} violations`,
        );
        for (const { kind, detail } of violations.slice(0, 5)) log(`    ${kind}: ${detail}`);
      }
      removeDirectory(directory);
    }
  }
}

async function ofThree(table: Table, only: string, ordinals: readonly number[], seed: number): Promise<void> {
  const conditions = { random: seededRandom(seed), log, holdMs: 0, aftermathMs: 0, pauseMs: 4 };
  const { points, report } = await pointsOfGroup(
    conditions,
    new ArmedTerrain(temporaryDirectory("crash-places")),
  );
  if (report.violations.length > 0) table.add("three nodes: unarmed", true, report.violations.length);
  const aims: Aim[] = [...points]
    .filter((point) => point.includes(only))
    .flatMap((point) => ordinals.map((ordinal) => ({ point, ordinal })));
  log(`one of three: ${points.size} points`);
  for (let at = 0; at < aims.length; at += AIMS_A_GROUP) {
    await oneGroup(table, conditions, aims.slice(at, at + AIMS_A_GROUP));
  }
}

async function oneGroup(table: Table, conditions: GroupConditions, aims: readonly Aim[]): Promise<void> {
  const directory = temporaryDirectory("crash-places");
  const run = await runGroup(conditions, new ArmedTerrain(directory), aims);
  const { violations } = run.report;
  for (const [at, aim] of aims.slice(0, run.begun).entries()) {
    // The course ends with the round of a violation.
    const isLast = at === run.begun - 1;
    table.add(`one of three: ${aim.point}`, run.hits.includes(aim), isLast ? violations.length : 0);
  }
  if (run.begun === 0) table.add("one of three: no group", true, violations.length);
  if (violations.length === 0) removeDirectory(directory);
  else log(`  data and logs are kept in ${directory}`);
}

async function main(): Promise<number> {
  const given = new Options(["ordinals", "only", "seed"], ["skip-single", "skip-group", "record"]);
  const [begunMs, commit] = [performance.now(), currentCommit()];
  const ordinals = given.numbers("ordinals", [1, 2, 10]);
  const only = given.text("only", " ").trim();
  const seed = given.number("seed", 1);
  const table = new Table();
  if (!given.has("skip-single")) await alone(table, only, ordinals);
  if (!given.has("skip-group")) await ofThree(table, only, ordinals, seed);
  const rows = table.rows();
  for (const { name, rounds, violations } of rows) log(`${name}: ${rounds} rounds, ${violations} violations`);
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
  return rows.some(({ violations }) => violations > 0) ? 1 : 0;
}

runMain(main);
