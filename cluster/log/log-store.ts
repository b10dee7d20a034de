/**
 * Port: the durable Raft log. One writer (the Ready loop), one append at a time; reads are synchronous because
 * the engine asks for terms and entries in the middle of a step. Implementations: segment-log.ts (disk),
 * memory-log.ts (twin). One contract suite runs on both.
 */
import type { Entry, HardState, LogIndex, SnapshotMeta, Term } from "../types.js";

/** What one Ready makes durable, all of it or none of it (one checksummed frame on disk). */
export interface LogAppend {
  /** New entries, contiguous. The first may be at or below `lastIndex()`: it and all after it are then replaced. */
  readonly entries: readonly Entry[];
  /** Present when it changed. */
  readonly hardState?: HardState;
  /** Present when a snapshot was installed: the log then restarts behind it, all earlier entries gone. */
  readonly snapshot?: SnapshotMeta;
}

/** What the log held when it was opened. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /** The newest snapshot marker: the log's base. `null` in a directory that was never bootstrapped. */
  readonly snapshot: SnapshotMeta | null;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Bytes of an unfinished last write that were cut away (never acknowledged), 0 when there were none. */
  readonly tornBytes: number;
}

export interface LogStore {
  /**
   * Scans and checks the whole log; cuts a torn tail. Called once, before anything else.
   * Throws `log_corrupt` on a bad record in the middle (never truncating it), `log_version` on a newer format.
   */
  open(): Promise<RecoveredLog>;

  /** Index of the first entry that can be read; `lastIndex() + 1` when there is none. */
  firstIndex(): LogIndex;

  /** Index of the last entry, or of the snapshot marker when no entry follows it. */
  lastIndex(): LogIndex;

  /** Term of entry `index`, for `firstIndex() - 1` to `lastIndex()`. Throws `log_compacted` below, `log_unavailable` above. */
  term(index: LogIndex): Term;

  /**
   * Entries `lo` (included) to `hi` (excluded), at least one, then as many as fit in `bytesMax` payload bytes.
   * Throws `log_compacted` when `lo < firstIndex()`, `log_unavailable` when `hi > lastIndex() + 1`.
   */
  entries(lo: LogIndex, hi: LogIndex, bytesMax: number): readonly Entry[];

  /**
   * Makes `batch` durable: resolves after fsync. Rejects with `disk_full` or `disk_failed`; the node must then stop: every later
   * append and compaction is refused, reads still give what was acknowledged. Rejects with `invariant`, writing nothing, for
   * a hole, an entry at or below the base, or a commit beyond the end.
   */
  append(batch: LogAppend): Promise<void>;

  /**
   * Lets go of entries up to and including `marker.index`, which a durable snapshot covers; keeps that entry's term.
   * The marker becomes the log's base. Never past `lastIndex()`.
   */
  compact(marker: SnapshotMeta): Promise<void>;

  /** Payload and framing bytes of the entries above the base, for metrics and for deciding on snapshots. 0 when there are none. */
  bytes(): number;

  /** Finishes what is being written and closes. Nothing may be called after. */
  close(): Promise<void>;
}
