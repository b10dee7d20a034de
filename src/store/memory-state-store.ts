/**
 * Memory twin of the state store. What a crash would leave lives in an image that a new store can be opened on: the result of
 * the last commit that resolved.
 */
import { assertInvariant } from "../errors.js";
import { checkChanges, firstChunk } from "./state-entries.js";
import type { StateChange, StateStore, StateView } from "./state-store.js";

/** More than a chunk has. */
const SLICE = 1_000;

interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** What is durable. */
export interface MemoryStateImage {
  entries: ReadonlyMap<string, Uint8Array>;
}

export class MemoryStateStore implements StateStore {
  readonly #image: MemoryStateImage;
  #isOpen = false;
  #busy = false;

  constructor(image: MemoryStateImage = { entries: new Map() }) {
    this.#image = image;
  }

  async open(): Promise<void> {
    this.#isOpen = true;
  }

  load(): Iterable<Entry> {
    return sorted(this.#image.entries);
  }

  commit(changes: readonly StateChange[]): Promise<void> {
    checkChanges(changes);
    return this.#transaction(async () => {
      const entries = new Map(this.#image.entries);
      for (const { key, value } of changes) {
        if (value === null) entries.delete(key);
        else entries.set(key, value.slice());
      }
      return entries;
    });
  }

  view(): StateView {
    assertInvariant(this.#isOpen, "the state store is open");
    const entries = sorted(this.#image.entries);
    return {
      async *entries() {
        for (let at = 0; at < entries.length; ) {
          const chunk = firstChunk(entries.slice(at, at + SLICE));
          at += chunk.length;
          yield chunk;
        }
      },
      release: () => undefined,
    };
  }

  replace(chunks: AsyncIterable<readonly Entry[]>): Promise<void> {
    return this.#transaction(async () => {
      const entries = new Map<string, Uint8Array>();
      for await (const chunk of chunks) {
        checkChanges(chunk);
        for (const { key, value } of chunk) entries.set(key, value.slice());
      }
      return entries;
    });
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  async #transaction(change: () => Promise<ReadonlyMap<string, Uint8Array>>): Promise<void> {
    assertInvariant(this.#isOpen && !this.#busy, "one transaction of an open state store at a time");
    this.#busy = true;
    try {
      this.#image.entries = await change();
    } finally {
      this.#busy = false;
    }
  }
}

/** In order of the keys' UTF-8 bytes, which is not that of JavaScript's strings. */
function sorted(entries: ReadonlyMap<string, Uint8Array>): Entry[] {
  const rows = [...entries].map(([key, value]) => ({ bytes: Buffer.from(key), key, value }));
  rows.sort((a, b) => a.bytes.compare(b.bytes));
  return rows.map(({ key, value }) => ({ key, value }));
}
