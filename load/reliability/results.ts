/** What recorded runs say together: the newest of each row, and all simulated seeds. */
import type { CampaignRow, CampaignRun } from "./record.js";

/** Runs by campaign, oldest first. */
export type Results = ReadonlyMap<string, readonly CampaignRun[]>;

/** What there is to be tried, by campaign; a campaign that is not in it tries what it finds. */
export type NamesByCampaign = ReadonlyMap<string, readonly string[]>;

/** A row with the commit of its run. */
export interface DatedRow extends CampaignRow {
  readonly commit: string;
  /** Of that run; where rounds were added up, of all runs that had them. */
  readonly commands: readonly string[];
}

/** The results without what is not there to be tried any more. */
export function resultsOf(names: NamesByCampaign, results: Results): Results {
  const known = [...results].map(([campaign, runs]): [string, readonly CampaignRun[]] => {
    const there = names.get(campaign);
    if (there === undefined) return [campaign, runs];
    const kept = runs.map((run) => ({ ...run, rows: run.rows.filter(({ name }) => there.includes(name)) }));
    return [campaign, kept.filter(({ rows }) => rows.length > 0)];
  });
  return new Map(known);
}

/** What is there to be tried and was not, or was not recorded. */
export function untried(names: NamesByCampaign, results: Results, campaign: string): readonly string[] {
  const rows = newestRows(results, campaign);
  return (names.get(campaign) ?? []).filter((name) => !rows.some((row) => row.name === name));
}

/** The newest of every row of a campaign, in the order in which the rows first came. */
export function newestRows(results: Results, campaign: string): readonly DatedRow[] {
  const rows = new Map<string, DatedRow>();
  for (const run of results.get(campaign) ?? []) {
    for (const row of run.rows) {
      rows.set(row.name, { ...row, commit: run.commit, commands: [run.command] });
    }
  }
  return [...rows.values()];
}

/**
 * The newest of every row, with the rounds of all runs since the last one in which something was found: a long campaign is run in parts.
 * What was run twice with one seed counts once, as it was run the last time.
 */
export function addedRows(results: Results, campaign: string): readonly DatedRow[] {
  const soundByName = new Map<string, Map<string, { readonly rounds: number; readonly command: string }>>();
  for (const run of results.get(campaign) ?? []) {
    for (const { name, rounds, violations } of run.rows) {
      const sound = soundByName.get(name) ?? new Map();
      soundByName.set(name, sound);
      if (violations === 0) sound.set(streamOf(run), { rounds, command: run.command });
      else sound.clear();
    }
  }
  return newestRows(results, campaign).map((row) => {
    const parts = [...(soundByName.get(row.name)?.values() ?? [])];
    // Where the newest found something, that one stands alone.
    if (parts.length === 0) return row;
    const rounds = parts.reduce((sum, part) => sum + part.rounds, 0);
    return { ...row, rounds, commands: parts.map(({ command }) => command) };
  });
}

/** What decides a run's random inputs: its seed, or all that was typed where that names none. */
function streamOf({ command }: CampaignRun): string {
  return /--seed "?(\d+)/.exec(command)?.[1] ?? command;
}

/** Runs of the simulator on the commit of the newest one. */
export function newestSimulations(results: Results): readonly CampaignRun[] {
  const runs = results.get("sim") ?? [];
  const newest = runs.at(-1)?.commit;
  return runs.filter(({ commit }) => commit === newest);
}

/** A figure over runs; 0 where it is nowhere. */
export function sumOf(runs: readonly CampaignRun[], of: (row: CampaignRow) => number): number {
  return runs.reduce((sum, run) => sum + run.rows.reduce((total, row) => total + of(row), 0), 0);
}

/** A figure of a row as a number; 0 where it has none. */
export function figureOf(row: CampaignRow, name: string): number {
  return Number(row.figures[name] ?? 0);
}
