/**
 * A script that makes a log do everything it can, with a model beside it: what was acknowledged, and what the one call that
 * was under way would have made of it.
 */
import type { LogAppend, LogStore } from "../../../../cluster/log/log-store.js";
import {
  EMPTY_HARD_STATE,
  type Entry,
  type HardState,
  type SnapshotMeta,
} from "../../../../cluster/types.js";
import { entry, marker, plain, readAll } from "../../../contracts/log-store.contract.js";

/** What a log should hold. */
export interface Contents {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta | null;
  readonly entries: readonly Entry[];
}

export const NOTHING: Contents = { hardState: EMPTY_HARD_STATE, snapshot: null, entries: [] };

/** One call of the script. */
export type Step = LogAppend | { readonly compact: SnapshotMeta };

function after(before: Contents, step: Step): Contents {
  if ("compact" in step) {
    const { index } = step.compact;
    return {
      ...before,
      snapshot: step.compact,
      entries: before.entries.filter((each) => each.index > index),
    };
  }
  const kept = step.snapshot === undefined ? before.entries : [];
  const first = step.entries[0]?.index ?? Number.POSITIVE_INFINITY;
  return {
    hardState: step.hardState ?? before.hardState,
    snapshot: step.snapshot ?? before.snapshot,
    entries: [...kept.filter((each) => each.index < first), ...step.entries],
  };
}

/** Appends of many sizes, replaced entries, compactions, segments that fill up and are used again, an installed snapshot. */
export function script(): Step[] {
  const steps: Step[] = [
    { entries: [], hardState: { term: 1, vote: "1", commit: 1 }, snapshot: marker(1, 1) },
  ];
  let index = 2;
  const append = (count: number, bytes: number, term: number): void => {
    const entries = Array.from({ length: count }, (_, nth) =>
      entry(index + nth, term, Buffer.alloc(bytes, index + nth)),
    );
    index += count;
    steps.push({ entries, hardState: { term, vote: "1", commit: index - count - 1 } });
  };
  for (let nth = 0; nth < 8; nth += 1) append(1 + (nth % 3), 300 + nth * 50, 1);
  index -= 1;
  append(2, 700, 2);
  steps.push({ compact: marker(6, 1) });
  for (let nth = 0; nth < 6; nth += 1) append(2, 600, 2);
  steps.push({ compact: marker(index - 3, 2) });
  append(1, 9000, 2);
  for (let nth = 0; nth < 8; nth += 1) append(1, 900, 2);
  index += 10;
  steps.push({
    entries: [],
    hardState: { term: 3, vote: "", commit: index - 1 },
    snapshot: marker(index - 1, 3),
  });
  for (let nth = 0; nth < 8; nth += 1) append(1, 800, 3);
  steps.push({ compact: marker(index - 1, 3) });
  append(3, 10, 3);
  return steps;
}

/** What running the script to its end, or to its first failure, came to. */
export interface Outcome {
  readonly acknowledged: Contents;
  /** What the failed call would have made of it; the same as `acknowledged` when none failed. */
  readonly underWay: Contents;
  readonly error: unknown;
}

export async function runScript(log: LogStore, steps: readonly Step[]): Promise<Outcome> {
  let acknowledged = NOTHING;
  for (const step of steps) {
    const underWay = after(acknowledged, step);
    try {
      if ("compact" in step) await log.compact(step.compact);
      else await log.append(step);
    } catch (error) {
      return { acknowledged, underWay, error };
    }
    acknowledged = underWay;
  }
  return { acknowledged, underWay: acknowledged, error: null };
}

/** What a log holds, in the model's words and ready to be compared. */
export function contentsOf(
  log: LogStore,
  found: { hardState: HardState; snapshot: SnapshotMeta | null },
): object {
  return comparable({ hardState: found.hardState, snapshot: found.snapshot, entries: readAll(log) });
}

export function comparable(contents: Contents): object {
  return { ...contents, entries: plain(contents.entries) };
}
