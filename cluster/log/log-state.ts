/**
 * What the log holds, in memory: hard state, base, and term and place of each entry. Recovery and append drive it with the same
 * calls; it does no I/O. The checks here are those that both twins of the log make.
 */
import { assertInvariant, ClusterError } from "../errors.js";
import { EMPTY_HARD_STATE, type HardState, type LogIndex, type SnapshotMeta, type Term } from "../types.js";
import { EntryIndex } from "./entry-index.js";
import type { LogAppend } from "./log-store.js";

/** The part of a log that its checks are about. */
export interface LogBounds {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta | null;
  readonly lastIndex: LogIndex;
}

function baseOf(snapshot: SnapshotMeta | null): LogIndex {
  return snapshot?.index ?? 0;
}

/** Refuses what no correct caller appends: holes, entries below the base, a commit beyond the end. Throws `invariant`. */
export function checkAppend(log: LogBounds, batch: LogAppend): void {
  const { entries, hardState, snapshot } = batch;
  const base = baseOf(snapshot ?? log.snapshot);
  let last = snapshot?.index ?? log.lastIndex;
  const first = entries[0]?.index;
  if (first !== undefined) {
    assertInvariant(first > base, `entry ${first} is appended at or below the log's base ${base}`);
    assertInvariant(first <= last + 1, `entry ${first} is appended after ${last}: a hole`);
    last = first - 1;
    for (const entry of entries) {
      last += 1;
      assertInvariant(entry.index === last, `entry ${entry.index} is appended where ${last} belongs`);
    }
  }
  const commit = hardState?.commit ?? log.hardState.commit;
  assertInvariant(commit <= last, `entry ${commit} is committed and the log ends at ${last}`);
}

/** True when there is something to compact; throws `invariant` for a marker that no snapshot of this log can have. */
export function checkCompact(log: LogBounds, marker: SnapshotMeta, term: (index: LogIndex) => Term): boolean {
  if (marker.index <= baseOf(log.snapshot)) return false;
  assertInvariant(
    marker.index <= log.lastIndex,
    `the log ends at ${log.lastIndex}, before the marker ${marker.index}`,
  );
  assertInvariant(term(marker.index) === marker.term, `the marker at ${marker.index} has another term`);
  return true;
}

/** Throws `log_compacted` below `firstIndex - 1`, `log_unavailable` above `lastIndex`. */
export function checkTerm(index: LogIndex, firstIndex: LogIndex, lastIndex: LogIndex): void {
  if (index < firstIndex - 1) {
    throw new ClusterError("log_compacted", `entry ${index} was compacted: the log begins at ${firstIndex}`);
  }
  if (index > lastIndex) {
    throw new ClusterError("log_unavailable", `entry ${index} is not in the log, which ends at ${lastIndex}`);
  }
}

/** Throws `log_compacted` or `log_unavailable` when not all entries from `lo` to `hi` (excluded) are there. */
export function checkRange(lo: LogIndex, hi: LogIndex, firstIndex: LogIndex, lastIndex: LogIndex): void {
  assertInvariant(lo <= hi, `entries from ${lo} to ${hi} were asked for`);
  if (lo < firstIndex) {
    throw new ClusterError("log_compacted", `entry ${lo} was compacted: the log begins at ${firstIndex}`);
  }
  if (hi > lastIndex + 1) {
    throw new ClusterError(
      "log_unavailable",
      `entry ${hi - 1} is not in the log, which ends at ${lastIndex}`,
    );
  }
}

export class LogState implements LogBounds {
  hardState: HardState;
  snapshot: SnapshotMeta | null;
  /** Entries above the base; while recovery reads the oldest segments it may begin higher. */
  readonly index: EntryIndex;

  constructor(
    hardState: HardState = EMPTY_HARD_STATE,
    snapshot: SnapshotMeta | null = null,
    lastIndex: LogIndex = 0,
  ) {
    this.hardState = hardState;
    this.snapshot = snapshot;
    this.index = new EntryIndex(lastIndex + 1);
  }

  get base(): LogIndex {
    return baseOf(this.snapshot);
  }

  get firstIndex(): LogIndex {
    return this.base + 1;
  }

  get lastIndex(): LogIndex {
    return this.index.next - 1;
  }

  /** Throws `log_compacted`, `log_unavailable`. */
  term(index: LogIndex): Term {
    checkTerm(index, this.firstIndex, this.lastIndex);
    return index === this.base ? (this.snapshot?.term ?? 0) : this.index.term(index);
  }

  /** A snapshot was installed: nothing before it counts any more. */
  install(snapshot: SnapshotMeta): void {
    this.snapshot = snapshot;
    this.index.reset(snapshot.index + 1);
  }

  /** The base moves up to `marker`; entries above it stay. */
  compact(marker: SnapshotMeta): void {
    this.snapshot = marker;
    this.index.dropThrough(marker.index);
  }

  /** Entry `first` and all after it are about to be replaced. */
  cutFrom(first: LogIndex): void {
    if (first < this.index.first) this.index.reset(first);
    else this.index.cutFrom(first);
  }
}
