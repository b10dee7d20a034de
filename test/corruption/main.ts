/**
 * `npm run test:corruption [-- --rounds 1 --only TEXT --seed N --record]`: every kind of file damaged in every way on one of three nodes, `rounds`
 * times each; ends with 1 for a violation.
 */
import { runCourse } from "../../load/faults/scenario.js";
import { Options } from "../../load/lib/options.js";
import { runMain, seededRandom, settleDirectory, temporaryDirectory } from "../../load/lib/support.js";
import { type CampaignRow, currentCommit, recordRun } from "../../load/reliability/record.js";
import { ArmedTerrain } from "../crash-places/group.js";
import { type Damage, damagesOf, FILE_KINDS, type FileKind } from "./damage.js";
import { corruptionRound, type Outcome } from "./round.js";
import { trimOnAll } from "./trimmed.js";

/** So much is there before the first damage: segments that are closed, and snapshots. */
const FILLED = 4_000;
/** However slow the machine is: nothing has befallen anybody yet. */
const FILLED_TIMEOUT_MS = 300_000;

function log(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function runKind(
  kind: FileKind,
  damages: readonly Damage[],
  rounds: number,
  seed: number,
): Promise<CampaignRow[]> {
  const counts = new Map<Damage, Record<Outcome, number>>();
  const plan = damages.flatMap((damage) => Array.from({ length: rounds }, () => damage));
  /** Where a violation was: the course ends with its round. */
  let last = plan[0];
  // Small files, unarmed.
  const directory = temporaryDirectory("corruption");
  const terrain = new ArmedTerrain(directory);
  const conditions = {
    terrain,
    rounds: plan.length,
    random: seededRandom(seed),
    log,
    holdMs: 0,
    aftermathMs: 0,
    pauseMs: 1,
  };
  const report = await runCourse(conditions, async (course, round) => {
    const damage = plan[round - 1];
    last = damage;
    if (damage === undefined) throw new Error(`there is no damage for round ${round}`);
    if (round === 1) await course.trial.waitForAcknowledged(FILLED, FILLED_TIMEOUT_MS);
    if (kind === "list of trims") await trimOnAll(course);
    const { outcome, told } = await corruptionRound(course, round, kind, damage);
    const count = counts.get(damage) ?? { "no such file": 0, "went on": 0, stopped: 0, "refused reads": 0 };
    counts.set(damage, count);
    count[outcome] += 1;
    return told;
  });
  for (const { kind: violation, detail } of report.violations) log(`  ${violation}: ${detail}`);
  settleDirectory(directory, report.violations.length, log);
  return damages.map((damage) => {
    const figures = counts.get(damage) ?? { "no such file": 0, "went on": 0, stopped: 0, "refused reads": 0 };
    const tried = figures["went on"] + figures.stopped + figures["refused reads"];
    const violations = damage === last ? report.violations.length : 0;
    return { name: `${kind}: ${damage}`, rounds: tried, violations, figures };
  });
}

async function main(): Promise<number> {
  const given = new Options(["rounds", "only", "seed"], ["record"]);
  const [begunMs, commit] = [performance.now(), currentCommit()];
  const rounds = given.number("rounds", 1);
  const seed = given.number("seed", Math.floor(Math.random() * 2 ** 32));
  const only = given.text("only", " ").trim();
  const rows: CampaignRow[] = [];
  for (const kind of Object.keys(FILE_KINDS) as FileKind[]) {
    const damages = damagesOf(kind).filter((damage) => `${kind}: ${damage}`.includes(only));
    if (damages.length === 0) continue;
    log(`${kind}, --seed ${seed}:`);
    rows.push(...(await runKind(kind, damages, rounds, seed)));
  }
  const done = rows.filter(({ rounds: tried, violations }) => tried > 0 || violations > 0);
  for (const { name, figures } of rows.filter((row) => !done.includes(row))) {
    const isTried = figures["no such file"] !== 0;
    log(
      `${name}: never done: ${isTried ? "there was no file that it can be done to" : "an earlier round ended in a violation"}`,
    );
  }
  for (const { name, rounds: tried, violations, figures } of done) {
    const told = Object.entries(figures).map(([key, value]) => `${key} ${value}`);
    log(`${name}: ${tried} rounds, ${violations} violations (${told.join(", ")})`);
  }
  if (given.has("record")) {
    const chosen = only === "" ? "" : ` --only "${only}"`;
    const command = `npm run test:corruption -- --rounds ${rounds} --seed ${seed}${chosen}`;
    log(
      recordRun("corruption", {
        command,
        commit,
        seconds: Math.round((performance.now() - begunMs) / 1000),
        rows: done,
      }),
    );
  }
  return rows.some(({ violations }) => violations > 0) ? 1 : 0;
}

runMain(main);
