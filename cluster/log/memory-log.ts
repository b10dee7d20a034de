/**
 * Memory twin of the Raft log. What a crash would leave lives in an image that a new log can be opened on; what is being written is
 * not in it until its sync, which a test or the simulator may hold back or fail.
 */
import type { ClusterError } from "../errors.js";
import {
  EMPTY_HARD_STATE,
  type Entry,
  type HardState,
  type LogIndex,
  type SnapshotMeta,
  type Term,
} from "../types.js";
import { toDiskError } from "./disk.js";
import { ByteBudget } from "./entry-reader.js";
import { checkAppend, checkCompact, checkRange, checkTerm } from "./log-state.js";
import type { LogAppend, LogStore, RecoveredLog } from "./log-store.js";

/** What is durable. `entries` follow the snapshot marker without a hole. */
export interface MemoryLogImage {
  hardState: HardState;
  snapshot: SnapshotMeta | null;
  readonly entries: Entry[];
}

/** The image of a log that holds nothing yet. */
export function emptyLogImage(): MemoryLogImage {
  return { hardState: EMPTY_HARD_STATE, snapshot: null, entries: [] };
}

/** Framing of an entry, about what the disk's is. */
const ENTRY_BYTES = 16;

function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += ENTRY_BYTES + entry.data.byteLength;
  return bytes;
}

export class MemoryLog implements LogStore {
  readonly #image: MemoryLogImage;
  readonly #sync: () => Promise<void>;
  #bytes: number;
  #turn: Promise<void> = Promise.resolve();
  #failure: ClusterError | null = null;

  /** `sync` stands for the disk: an append is durable when it resolves, the log has failed when it rejects. */
  constructor(image: MemoryLogImage = emptyLogImage(), sync: () => Promise<void> = async () => undefined) {
    this.#image = image;
    this.#sync = sync;
    this.#bytes = bytesOf(image.entries);
  }

  async open(): Promise<RecoveredLog> {
    const { hardState, snapshot } = this.#image;
    return {
      hardState,
      snapshot,
      firstIndex: this.firstIndex(),
      lastIndex: this.lastIndex(),
      tornBytes: 0,
    };
  }

  firstIndex(): LogIndex {
    return (this.#image.snapshot?.index ?? 0) + 1;
  }

  lastIndex(): LogIndex {
    return this.firstIndex() - 1 + this.#image.entries.length;
  }

  term(index: LogIndex): Term {
    const first = this.firstIndex();
    checkTerm(index, first, this.lastIndex());
    return this.#image.entries[index - first]?.term ?? this.#image.snapshot?.term ?? 0;
  }

  entries(lo: LogIndex, hi: LogIndex, bytesMax: number): readonly Entry[] {
    const first = this.firstIndex();
    checkRange(lo, hi, first, this.lastIndex());
    const budget = new ByteBudget(bytesMax);
    const wanted = this.#image.entries.slice(lo - first, hi - first);
    const over = wanted.findIndex((entry) => !budget.take(entry.data.byteLength));
    return over < 0 ? wanted : wanted.slice(0, over);
  }

  append(batch: LogAppend): Promise<void> {
    return this.#exclusive(async () => {
      const { hardState, snapshot, entries } = batch;
      checkAppend({ ...this.#image, lastIndex: this.lastIndex() }, batch);
      await this.#durably(() => {
        if (hardState !== undefined) this.#image.hardState = hardState;
        if (snapshot !== undefined) {
          this.#image.snapshot = snapshot;
          this.#remove(0, this.#image.entries.length);
        }
        const from = entries[0]?.index;
        if (from === undefined) return;
        this.#remove(from - this.firstIndex(), this.#image.entries.length);
        for (const entry of entries) this.#image.entries.push(entry);
        this.#bytes += bytesOf(entries);
      });
    });
  }

  compact(marker: SnapshotMeta): Promise<void> {
    return this.#exclusive(async () => {
      const bounds = { ...this.#image, lastIndex: this.lastIndex() };
      if (!checkCompact(bounds, marker, (index) => this.term(index))) return;
      await this.#durably(() => {
        this.#remove(0, marker.index - this.firstIndex() + 1);
        this.#image.snapshot = marker;
      });
    });
  }

  bytes(): number {
    return this.#bytes;
  }

  async close(): Promise<void> {
    await this.#turn;
  }

  #remove(from: number, to: number): void {
    this.#bytes -= bytesOf(this.#image.entries.splice(from, to - from));
  }

  #exclusive(task: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(() => {
      if (this.#failure !== null) throw this.#failure;
      return task();
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Changes the image when the sync worked. */
  async #durably(change: () => void): Promise<void> {
    try {
      await this.#sync();
    } catch (error) {
      this.#failure = toDiskError(error, "appending to the log in memory");
      throw this.#failure;
    }
    change();
  }
}
