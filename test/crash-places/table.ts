/**
 * What came of all rounds, point by point, of one node and of one of three; and which of the product's named points no round came to: a
 * point that nobody dies at proves nothing, so that it is told as loudly as a violation.
 */
import { CRASH_POINTS, type CrashPoint } from "../../cluster/ready-loop.js";
import type { CampaignRow } from "../../load/reliability/record.js";

export type Scope = "one node" | "one of three";

export class Table {
  readonly #rows = new Map<string, { rounds: number; hits: number; violations: number }>();

  add(scope: Scope, point: string, hit: boolean, violations: number): void {
    const name = `${scope}: ${point}`;
    const row = this.#rows.get(name) ?? { rounds: 0, hits: 0, violations: 0 };
    this.#rows.set(name, row);
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

  /** The named points that no round of a scope came to. */
  unreached(scope: Scope): readonly CrashPoint[] {
    return CRASH_POINTS.filter((point) => (this.#rows.get(`${scope}: ${point}`)?.hits ?? 0) === 0);
  }
}
