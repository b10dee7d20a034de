/**
 * One topic broker's part of the recent batches: disjoint ranges of positions in order, some flushed live, some read for a
 * subscriber further back. Finds the one that goes on after a cursor.
 */
import type { Kept, RecentBatches } from "./recent-batches.js";
import type { DeliveryBatch } from "./subscriber.js";

/** Most brokers keep nothing at a time: no array of their own for that. */
const NONE: Kept[] = [];

export class KeptBatches {
  #ranges = NONE;
  #isClosed = false;

  /** The batch that holds what comes next after the cursor; `null` when it is not in memory. */
  find(cursor: number): Kept | null {
    const kept = this.#ranges[this.#indexAfter(cursor) - 1];
    return kept !== undefined && cursor < kept.batch.through ? kept : null;
  }

  /** Where the next kept batch above the cursor starts: a read need not go further. */
  nextStart(cursor: number): number {
    return this.#ranges[this.#indexAfter(cursor)]?.batch.after ?? Number.POSITIVE_INFINITY;
  }

  /** Keeps a batch, unless a part of its range is kept already. */
  add(batch: DeliveryBatch, trimmedThrough: number, budget: RecentBatches): void {
    if (this.#isClosed) return;
    const index = this.#indexAfter(batch.after);
    const before = this.#ranges[index - 1]?.batch;
    const next = this.#ranges[index]?.batch;
    if (before !== undefined && before.through > batch.after) return;
    if (next !== undefined && next.after < batch.through) return;
    const kept = budget.add(this, batch, trimmedThrough);
    if (this.#ranges.length === 0) this.#ranges = [kept];
    else this.#ranges.splice(index, 0, kept);
    budget.reweigh(kept);
  }

  /** A batch may have been encoded in another format since it was kept. */
  reweigh(batch: DeliveryBatch): void {
    const kept = this.#ranges[this.#indexAfter(batch.after) - 1];
    if (kept?.batch === batch) kept.budget.reweigh(kept);
  }

  /** Lets go of one batch. */
  remove(kept: Kept): void {
    if (this.#ranges.length === 1) this.#ranges = NONE;
    else this.#ranges.splice(this.#indexAfter(kept.batch.after) - 1, 1);
    kept.budget.remove(kept);
  }

  /** Lets go of everything and takes nothing more. */
  close(): void {
    this.#isClosed = true;
    const ranges = this.#ranges;
    this.#ranges = NONE;
    for (const kept of ranges) kept.budget.remove(kept);
  }

  /** How many batches start at or below the position. */
  #indexAfter(position: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.batch.after ?? 0) > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
