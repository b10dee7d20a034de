/**
 * The newest entries, kept in memory so that whoever reads near the head of the log never touches the disk. A contiguous run that
 * ends at the log's last entry (or is empty), bounded by bytes.
 */
import type { Entry, LogIndex } from "../types.js";

/** What an entry costs beside its payload, roughly, so that many small ones are bounded too. */
const ENTRY_OVERHEAD_BYTES = 128;
/** Let-go slots at the front are cleared away when there are this many and more than half. */
const SLACK_MAX = 1024;

export class RecentEntries {
  readonly #bytesMax: number;
  /** Slots before `#head` were let go. */
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Index of the oldest entry that is kept; Infinity when none is. */
  get first(): LogIndex {
    return this.#entries[this.#head]?.index ?? Number.POSITIVE_INFINITY;
  }

  /** Adds the entry after the newest. */
  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.data.byteLength + ENTRY_OVERHEAD_BYTES;
    while (this.#bytes > this.#bytesMax && this.#head < this.#entries.length) this.#letGoOfOldest();
  }

  /** Forgets entry `from` and all after it. */
  cutFrom(from: LogIndex): void {
    const { first } = this;
    while (this.#entries.length > this.#head && first + (this.#entries.length - this.#head) > from) {
      const entry = this.#entries.pop();
      if (entry !== undefined) this.#bytes -= entry.data.byteLength + ENTRY_OVERHEAD_BYTES;
    }
  }

  /** Forgets entry `through` and all before it. */
  dropThrough(through: LogIndex): void {
    while (this.first <= through) this.#letGoOfOldest();
  }

  /** The entry, which must be kept. */
  at(index: LogIndex): Entry | undefined {
    return this.#entries[this.#head + (index - this.first)];
  }

  #letGoOfOldest(): void {
    const oldest = this.#entries[this.#head];
    if (oldest === undefined) return;
    this.#bytes -= oldest.data.byteLength + ENTRY_OVERHEAD_BYTES;
    this.#entries[this.#head] = undefined;
    this.#head += 1;
    if (this.#head < SLACK_MAX || this.#head * 2 < this.#entries.length) return;
    this.#entries.splice(0, this.#head);
    this.#head = 0;
  }
}
