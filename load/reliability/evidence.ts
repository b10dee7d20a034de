/** How often a fault was injected and what came of it, by its evidence. */
import { formatNumber } from "../lib/table.js";
import type { Evidence } from "./faults.js";
import { figureOf, newestRows, newestSimulations, type Results, sumOf } from "./results.js";

/** One piece of evidence in words. */
export interface Shown {
  readonly where: string;
  readonly rounds: string;
  readonly result: string;
  /** Of the runs that are shown; none where every commit is tried. */
  readonly commits: readonly string[];
}

function verdict(violations: number): string {
  return violations === 0 ? "no violation" : `${formatNumber(violations)} violations`;
}

/** Throws when there is nothing to show: no row of the page is empty. */
export function show(fault: string, evidence: Evidence, results: Results): Shown {
  if (evidence.kind === "test") {
    return { where: `\`${evidence.file}\``, rounds: "every `npm test`", result: "asserted", commits: [] };
  }
  if (evidence.kind === "simulated") return showSimulated(fault, evidence.faults, results);
  const { campaign, rows: names } = evidence;
  const rows = newestRows(results, campaign).filter(({ name }) => names === null || names.includes(name));
  const rounds = rows.reduce((sum, row) => sum + row.rounds, 0);
  const missing = (names ?? []).filter((name) => !rows.some((row) => row.name === name));
  if (rounds === 0 || missing.length > 0) {
    throw new Error(`no result of ${campaign} ${missing.join(", ")} for "${fault}": run it with --record`);
  }
  const violations = rows.reduce((sum, row) => sum + row.violations, 0);
  const what = names === null ? "" : ` (${names.join(", ")})`;
  return {
    where: `${commandOf(campaign)}${what}`,
    rounds: formatNumber(rounds),
    result: verdict(violations),
    commits: [...new Set(rows.map(({ commit }) => commit))],
  };
}

function showSimulated(fault: string, kinds: readonly string[], results: Results): Shown {
  const runs = newestSimulations(results);
  const times = sumOf(runs, (row) => kinds.reduce((sum, kind) => sum + figureOf(row, `fault: ${kind}`), 0));
  if (times === 0)
    throw new Error(`no simulated ${kinds.join(", ")} for "${fault}": npm run sim -- --record`);
  const violations = sumOf(runs, (row) => row.violations);
  return {
    where: `${commandOf("sim")} (${kinds.join(", ")})`,
    rounds: formatNumber(times),
    result: verdict(violations),
    commits: [...new Set(runs.map(({ commit }) => commit))],
  };
}

const COMMANDS: Readonly<Record<string, string>> = {
  sim: "npm run sim",
  mutants: "npm run sim:mutants",
  faults: "npm run test:faults",
  fuzz: "npm run fuzz",
  soak: "npm run soak",
};

/** How a campaign is run. */
export function commandOf(campaign: string): string {
  return `\`${COMMANDS[campaign] ?? `npm run test:${campaign}`}\``;
}
