/** What recorded runs say together: the newest of each row, and all simulated seeds. */
import type { CampaignRow, CampaignRun } from "./record.js";

/** Runs by campaign, oldest first. */
export type Results = ReadonlyMap<string, readonly CampaignRun[]>;

/** A row with the commit of its run. */
export interface DatedRow extends CampaignRow {
  readonly commit: string;
}

/** The newest of every row of a campaign, in the order in which the rows first came. */
export function newestRows(results: Results, campaign: string): readonly DatedRow[] {
  const rows = new Map<string, DatedRow>();
  for (const run of results.get(campaign) ?? []) {
    for (const row of run.rows) rows.set(row.name, { ...row, commit: run.commit });
  }
  return [...rows.values()];
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
