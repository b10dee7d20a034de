/**
 * Port: the small state (topics, retained messages, idempotency, applied index) as keys and values, changed in one
 * transaction with the applied index. Implementations: lmdb-state-store.ts (disk) and memory-state-store.ts (twin).
 */

/** One key of the small state; `null` deletes it. Keys are at most 511 bytes. */
export interface StateChange {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** The whole small state as of one commit, read while later commits go on. */
export interface StateView {
  /** Every key and value, ordered by key, in chunks small enough not to hold up the event loop. */
  entries(): AsyncIterable<readonly { readonly key: string; readonly value: Uint8Array }[]>;
  release(): void;
}

export interface StateStore {
  /** Opens; throws `FatalError` `store_corrupt` or `disk_failed`. Its host has locked the directory. */
  open(): Promise<void>;
  /** Every key and value, ordered by key. Called at start. */
  load(): Iterable<{ readonly key: string; readonly value: Uint8Array }>;
  /** One transaction, all or nothing; resolves when it is durable. One at a time. */
  commit(changes: readonly StateChange[]): Promise<void>;
  /** Holds still what the last finished commit left. */
  view(): StateView;
  /** Throws everything away and takes these instead, in one transaction (a snapshot is being installed). */
  replace(
    entries: AsyncIterable<readonly { readonly key: string; readonly value: Uint8Array }[]>,
  ): Promise<void>;
  close(): Promise<void>;
}
