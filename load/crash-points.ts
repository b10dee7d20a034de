/**
 * `npm run test:crash-points [-- --passings 1,3,20 --publishes 1500 --seed N --record]`: a process that dies at each named moment, the nth time
 * that it comes there, under load; everything acknowledged is checked after each start. Exit code 1 for a violation and for a moment
 * that was never reached.
 */
import { type CampaignReport, runCampaign } from "./crash/campaign.js";
import { type CrashMoment, MOMENTS, nameOf, preloadFor } from "./crash-points/points.js";
import { Options } from "./lib/options.js";
import { builtFile } from "./lib/paths.js";
import { keepDirectory, removeDirectory, runMain, setDeadline, temporaryDirectory } from "./lib/support.js";
import { formatNumber, renderText } from "./lib/table.js";
import { currentCommit, recordRun } from "./reliability/record.js";

const ROUND_SECONDS_MAX = 120;
/** Small: snapshots and cuts come every few thousand publishes. */
const FLAGS = ["--snapshot-log-bytes", "1MiB"];

interface Result {
  readonly moment: CrashMoment;
  readonly report: CampaignReport;
}

async function runMoment(
  moment: CrashMoment,
  passings: readonly number[],
  publishes: number,
  seed: number,
): Promise<Result> {
  const armedFile = builtFile("load", "crash-points", "armed.js");
  const dataDir = temporaryDirectory("crash-points");
  const report = await runCampaign({
    rounds: passings.length,
    publishes,
    seed,
    dataDir,
    flags: FLAGS,
    armed: (round) => preloadFor(armedFile, moment, passings[round - 1] ?? 1),
    log: () => undefined,
  });
  if (report.violations.length === 0) removeDirectory(dataDir);
  else keepDirectory(dataDir);
  return { moment, report };
}

const COLUMNS = ["", "rounds", "died there", "acknowledged", "stored, never answered", "violations"];

function row({ moment, report }: Result): readonly string[] {
  const { restartMs, diedIn, acknowledged, storedUnanswered, violations } = report;
  return [
    nameOf(moment),
    formatNumber(restartMs.length),
    formatNumber(diedIn.length),
    formatNumber(acknowledged),
    formatNumber(storedUnanswered),
    formatNumber(violations.length),
  ];
}

async function main(): Promise<number> {
  const given = new Options(["passings", "publishes", "seed"], ["record"]);
  const passings = given.numbers("passings", [1, 3, 20]);
  const publishes = given.number("publishes", 1_500);
  const seed = given.number("seed", Math.floor(Math.random() * 2 ** 32), 0);
  const commit = given.has("record") ? currentCommit() : "";
  const begunMs = performance.now();
  setDeadline(MOMENTS.length * passings.length * ROUND_SECONDS_MAX * 1_000, "crash points");
  const results: Result[] = [];
  for (const moment of MOMENTS) {
    const result = await runMoment(moment, passings, publishes, seed);
    results.push(result);
    console.log(row(result).join("  "));
    for (const { kind, detail } of result.report.violations.slice(0, 5)) console.log(`  ${kind}: ${detail}`);
  }
  console.log(
    `\n${renderText({ title: `crash points, seed ${seed}`, columns: COLUMNS, rows: results.map(row) })}`,
  );
  if (given.has("record")) {
    const rows = results.map(({ moment, report }) => ({
      name: nameOf(moment),
      rounds: report.diedIn.length,
      violations: report.violations.length,
      figures: { acknowledged: report.acknowledged, "stored, never answered": report.storedUnanswered },
    }));
    const seconds = (performance.now() - begunMs) / 1_000;
    recordRun("crash-points", { command: "npm run test:crash-points", commit, seconds, rows });
  }
  const isGood = ({ report }: Result): boolean => report.violations.length === 0 && report.diedIn.length > 0;
  return results.every(isGood) ? 0 : 1;
}

runMain(main);
