/**
 * Port: what replication drives. Opaque bytes come in one agreed order; the application turns them into state.
 * The Ready loop is the only caller of `apply` and `restore`, one call at a time.
 */
import type { SnapshotSink, SnapshotSource } from "./log/snapshot-store.js";
import type { LogIndex, Term } from "./types.js";

/** A committed entry as the state machine sees it. `data` is empty for a new leader's entry and for membership changes. */
export interface CommittedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly data: Uint8Array;
}

/** The whole state as of one index, held still while it is written out. */
export interface PinnedState {
  /** Every entry up to this one is in the pinned state, and is durable without the log. */
  readonly index: LogIndex;
  /** Writes the pinned state; `apply` may go on meanwhile. */
  write(sink: SnapshotSink): Promise<void>;
  /** Lets go of it. Called once, whether or not `write` worked. */
  release(): void;
}

export interface StateMachine {
  /** The last entry whose effect is there after a restart; entries above it are applied again. Asked once, at start. */
  readonly durableIndex: LogIndex;

  /**
   * Applies committed entries, in order, each exactly once, synchronously. What a command cannot do is a result, not an
   * exception; an exception stops the node. `data` never changes after the call: it may be kept without a copy.
   */
  apply(entries: readonly CommittedEntry[]): void;

  /**
   * Whether `apply` can read this payload. A leader asks before it appends what a peer hands it: a payload that cannot be read would
   * stop every node of the group, at each of its starts. Never throws, changes nothing; `data` may be kept as in `apply`.
   */
  canRead(data: Uint8Array): boolean;

  /** Makes what is applied durable and holds it still for a snapshot. One pin at a time. */
  pin(): Promise<PinnedState>;

  /** Replaces the whole state by a snapshot's. `apply` is not called until it resolves. Throws `snapshot_corrupt`. */
  restore(source: SnapshotSource): Promise<void>;
}
