/** `npm run test:crash -- [--rounds 10] [--publishes 50000] [--seed N]`: the kill -9 campaign; exit code 1 for a violation. */
import { type CampaignReport, runCampaign } from "./crash/campaign.js";
import { Options } from "./lib/options.js";
import { median } from "./lib/statistics.js";
import { keepDirectory, runMain, setDeadline, temporaryDirectory } from "./lib/support.js";
import { formatMs, formatNumber, renderText } from "./lib/table.js";

const ROUND_SECONDS_MAX = 400;
const VIOLATIONS_SHOWN = 20;

function print(report: CampaignReport, seed: number): void {
  const rows = [
    ["publishes attempted", formatNumber(report.attempted)],
    ["acknowledged", formatNumber(report.acknowledged)],
    ...[...report.acknowledgedByKind].map(([kind, count]) => [
      `  by ${kind} publishers`,
      formatNumber(count),
    ]),
    ["refused", formatNumber(report.refused)],
    ["stored", formatNumber(report.stored)],
    ["stored and never answered (allowed)", formatNumber(report.storedUnanswered)],
    ["kills", formatNumber(report.restartMs.length)],
    ["restart, median", formatMs(median(report.restartMs))],
    ["restart, longest", formatMs(Math.max(...report.restartMs))],
    ["violations", formatNumber(report.violations.length)],
  ];
  console.log(`\n${renderText({ title: `kill -9 campaign, seed ${seed}`, columns: ["", ""], rows })}`);
  for (const { kind, detail } of report.violations.slice(0, VIOLATIONS_SHOWN)) {
    console.log(`${kind}: ${detail}`);
  }
}

async function main(): Promise<number> {
  const given = new Options(["rounds", "publishes", "seed"]);
  const rounds = given.number("rounds", 10);
  const publishes = given.number("publishes", 50_000);
  const seed = given.number("seed", Math.floor(Math.random() * 2 ** 32), 0);
  setDeadline(rounds * ROUND_SECONDS_MAX * 1000, "crash campaign");
  console.log(`kill -9 campaign: ${rounds} rounds of ${publishes} acknowledged publishes, --seed ${seed}`);
  const dataDir = temporaryDirectory("crash");
  const report = await runCampaign({ rounds, publishes, seed, dataDir, log: (line) => console.log(line) });
  print(report, seed);
  if (report.violations.length === 0) return 0;
  keepDirectory(dataDir);
  console.log(`the data directory is kept: ${dataDir}`);
  return 1;
}

runMain(main);
