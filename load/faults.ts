/**
 * `npm run test:faults -- [--rounds 10] [--only kill-leader,...] [--seed N] [--hold-ms 5000] [--pause-ms 10] [--bulk-mib 1907] [--json FILE]
 * [--record]`: three nodes under load and everything that may befall them; exit code 1 for a violation, for a scenario that could not run
 * here, and for a tool that does not bite.
 */
import { writeFileSync } from "node:fs";
import { CATALOGUE, type CampaignConditions, SCENARIO_NAMES, type ScenarioName } from "./faults/catalogue.js";
import type { ScenarioReport } from "./faults/scenario.js";
import { Options } from "./lib/options.js";
import { median } from "./lib/statistics.js";
import { runMain, seededRandom, setDeadline } from "./lib/support.js";
import { formatMs, formatNumber, renderText } from "./lib/table.js";
import { type CampaignRow, currentCommit, recordRun } from "./reliability/record.js";

const SCENARIO_SECONDS_MAX = 600;
const ROUND_SECONDS_MAX = 300;
const HOLD_MS = 5_000;
const AFTERMATH_MS = 2_000;
const BULK_BYTES = 2_000_000_000;
const MIB = 1024 * 1024;
/** What a fault may cost: issue 3 of the project. */
const STALL_MEDIAN_MS_MAX = 1_000;
const STALL_WORST_MS_MAX = 2_000;

interface Result {
  readonly name: ScenarioName;
  /** Why it did not run; null when it did. */
  readonly notRun: string | null;
  readonly report: ScenarioReport | null;
}

async function runOne(name: ScenarioName, conditions: CampaignConditions): Promise<Result> {
  const entry = CATALOGUE[name];
  const unavailable = entry.unavailable();
  if (unavailable !== null) return { name, notRun: unavailable, report: null };
  const unproven = await entry.prove();
  if (unproven.length > 0) return { name, notRun: unproven.join("; "), report: null };
  try {
    return { name, notRun: null, report: await entry.run(conditions) };
  } catch (error) {
    return { name, notRun: error instanceof Error ? error.message : String(error), report: null };
  }
}

function row({ name, report }: Result): readonly string[] {
  if (report === null) return [name, "0", "-", "-", "-", "-", "-", "not run"];
  const { stallsMs, oneNodeStallsMs, violations } = report;
  const longest = (values: readonly number[]): string =>
    formatMs(values.length === 0 ? Number.NaN : Math.max(...values));
  return [
    name,
    formatNumber(report.rounds),
    formatNumber(report.acknowledged),
    formatNumber(report.attempted - report.acknowledged),
    formatMs(median(stallsMs)),
    longest(stallsMs),
    longest(oneNodeStallsMs),
    formatNumber(violations.length),
  ];
}

const FAULTS_WITH_TARGET: ReadonlySet<ScenarioName> = new Set([
  "kill-leader",
  "kill-follower",
  "pause-leader",
  "partition",
  "partition-one-way",
]);

function notesOf({ name, notRun, report }: Result): readonly string[] {
  if (report === null) return [`${name}: not run: ${notRun}`];
  const { stallsMs } = report;
  const [middle, worst] = [median(stallsMs), Math.max(...stallsMs)];
  const missed = middle >= STALL_MEDIAN_MS_MAX || worst >= STALL_WORST_MS_MAX;
  const target =
    FAULTS_WITH_TARGET.has(name) && missed
      ? [`stall target missed: median ${formatMs(middle)}, worst ${formatMs(worst)}`]
      : [];
  const cut = report.roundsNotRun > 0 ? [`${report.roundsNotRun} rounds not run`] : [];
  return [...report.notes, ...target, ...cut].map((note) => `${name}: ${note}`);
}

const COLUMNS = [
  "",
  "rounds",
  "acknowledged",
  "not acknowledged",
  "stall median",
  "worst",
  "of one node",
  "violations",
];

/** One that did not run is a violation of the campaign's own. */
function recorded({ name, notRun, report }: Result): CampaignRow {
  if (report === null) return { name, rounds: 0, violations: 1, figures: { "not run": notRun ?? "" } };
  const { rounds, violations, stallsMs, acknowledged, attempted, figures } = report;
  const stalls =
    stallsMs.length === 0
      ? {}
      : { "stall median, ms": Math.round(median(stallsMs)), "worst, ms": Math.round(Math.max(...stallsMs)) };
  const own = Object.entries(figures).map(([key, value]) => [key, Math.round(value)] as const);
  return {
    ...{ name, rounds, violations: violations.length },
    figures: { acknowledged, attempted, ...stalls, ...Object.fromEntries(own) },
  };
}

async function main(): Promise<number> {
  const given = new Options(
    ["rounds", "only", "seed", "json", "hold-ms", "pause-ms", "bulk-mib"],
    ["record"],
  );
  const startedMs = performance.now();
  const commit = given.has("record") ? currentCommit() : "";
  const rounds = given.number("rounds", 10);
  const names = given.words("only", SCENARIO_NAMES);
  const seed = given.number("seed", Math.floor(Math.random() * 2 ** 32), 0);
  setDeadline(names.length * (SCENARIO_SECONDS_MAX + rounds * ROUND_SECONDS_MAX) * 1000, "fault campaign");
  console.log(`fault campaign: ${names.join(", ")}; ${rounds} rounds each, --seed ${seed}`);
  const conditions: CampaignConditions = {
    rounds,
    random: seededRandom(seed),
    log: (line) => console.log(line),
    holdMs: given.number("hold-ms", HOLD_MS),
    aftermathMs: AFTERMATH_MS,
    pauseMs: given.number("pause-ms", 10, 0),
    bulkBytes: given.has("bulk-mib") ? given.number("bulk-mib", 0) * MIB : BULK_BYTES,
  };
  const results: Result[] = [];
  for (const name of names) {
    console.log(`${name}:`);
    results.push(await runOne(name, conditions));
  }
  const rows = results.map(row);
  const notes = results.flatMap(notesOf);
  console.log(`\n${renderText({ title: `fault campaign, seed ${seed}`, columns: COLUMNS, rows, notes })}`);
  const file = given.text("json", "");
  if (file !== "") writeFileSync(file, `${JSON.stringify({ seed, rounds, results }, null, 2)}\n`);
  if (given.has("record")) {
    const chosen = given.chosenToo(["hold-ms", "pause-ms", "bulk-mib"]);
    const command = `npm run test:faults -- --rounds ${rounds} --only ${names.join(",")} --seed ${seed}${chosen}`;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    console.log(recordRun("faults", { command, commit, seconds, rows: results.map(recorded) }));
  }
  const clean = results.every(({ report }) => report !== null && report.violations.length === 0);
  return clean ? 0 : 1;
}

runMain(main);
