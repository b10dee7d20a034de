/**
 * What a share could give to nobody yet, in position order. New messages come at the end; those of a member that left come back near the
 * front. It is kept in chunks, a record each, so that a checkpoint writes what changed and not all of it.
 */
import type { RecordBatch } from "./record-batch.js";
import { encodeWaiting } from "./shared-records.js";

/** Items of a chunk: a chunk that changes is written again as a whole. */
const CHUNK_ITEMS = 256;

/** A message that waits for a member. */
export interface Waiting {
  readonly position: number;
  readonly topicId: number;
  /** Of the message; what a member gets is limited by its subscription. */
  readonly qos: 1 | 2;
  /** Number of the session that had it last and did not acknowledge it; 0 for none. */
  readonly holder: number;
}

interface Chunk {
  readonly number: number;
  items: Waiting[];
  /** Items before this one are gone. */
  start: number;
}

export class SharedBacklog {
  /** None is empty. */
  #chunks: Chunk[] = [];
  #size = 0;
  #nextChunk = 1;
  /** Numbers of chunks that changed or are gone since the last checkpoint. */
  readonly #changed = new Set<number>();

  get size(): number {
    return this.#size;
  }

  /** Number that the next chunk gets; set once, before anything is loaded. */
  get nextChunk(): number {
    return this.#nextChunk;
  }

  set nextChunk(number: number) {
    this.#nextChunk = number;
  }

  get first(): Waiting | undefined {
    const chunk = this.#chunks[0];
    return chunk?.items[chunk.start];
  }

  /** Puts it where its position says, which no other item has. */
  add(item: Waiting): void {
    this.#size += 1;
    const last = this.#chunks.at(-1);
    if (last === undefined || (lastPosition(last) < item.position && count(last) >= CHUNK_ITEMS)) {
      this.#chunks.push(this.#newChunk([item]));
    } else if (lastPosition(last) < item.position) {
      last.items.push(item);
      this.#changed.add(last.number);
    } else this.#insert(item);
  }

  shift(): Waiting | undefined {
    const chunk = this.#chunks[0];
    const item = chunk?.items[chunk.start];
    if (chunk === undefined || item === undefined) return undefined;
    this.#size -= 1;
    this.#changed.add(chunk.number);
    chunk.start += 1;
    if (chunk.start === chunk.items.length) this.#chunks.shift();
    else if (chunk.start === CHUNK_ITEMS) {
      chunk.items = chunk.items.slice(chunk.start);
      chunk.start = 0;
    }
    return item;
  }

  clear(): void {
    for (const { number } of this.#chunks) this.#changed.add(number);
    this.#chunks = [];
    this.#size = 0;
  }

  /** `keyOf` gives the key of a chunk by its number. */
  writeChanges(out: RecordBatch, keyOf: (chunk: number) => string): void {
    if (this.#changed.size === 0) return;
    for (const chunk of this.#chunks) {
      if (this.#changed.delete(chunk.number)) writeChunk(out, keyOf, chunk);
    }
    for (const number of this.#changed) out.remove(keyOf(number));
    this.#changed.clear();
  }

  writeAll(out: RecordBatch, keyOf: (chunk: number) => string): void {
    for (const chunk of this.#chunks) writeChunk(out, keyOf, chunk);
  }

  /** Takes loaded chunks, in any order; none is empty. Returns whether they fit together. */
  load(chunks: readonly { readonly number: number; readonly items: Waiting[] }[]): boolean {
    this.#chunks = chunks
      .map(({ number, items }) => ({ number, items, start: 0 }))
      .sort((a, b) => (a.items[0]?.position ?? 0) - (b.items[0]?.position ?? 0));
    let position = 0;
    for (const chunk of this.#chunks) {
      this.#size += chunk.items.length;
      if (chunk.number >= this.#nextChunk || (chunk.items[0]?.position ?? 0) <= position) return false;
      position = lastPosition(chunk);
    }
    return true;
  }

  #newChunk(items: Waiting[]): Chunk {
    const number = this.#nextChunk;
    this.#nextChunk += 1;
    this.#changed.add(number);
    return { number, items, start: 0 };
  }

  /** Not behind everything: what comes back belongs near the front. */
  #insert(item: Waiting): void {
    const at = this.#chunks.findIndex((chunk) => lastPosition(chunk) > item.position);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const { items } = chunk;
    let index = chunk.start;
    while ((items[index]?.position ?? Number.POSITIVE_INFINITY) < item.position) index += 1;
    items.splice(index, 0, item);
    this.#changed.add(chunk.number);
    if (count(chunk) < 2 * CHUNK_ITEMS) return;
    const middle = chunk.start + CHUNK_ITEMS;
    this.#chunks.splice(at + 1, 0, this.#newChunk(items.slice(middle)));
    items.length = middle;
  }
}

function count(chunk: Chunk): number {
  return chunk.items.length - chunk.start;
}

function lastPosition(chunk: Chunk): number {
  return chunk.items.at(-1)?.position ?? 0;
}

function writeChunk(out: RecordBatch, keyOf: (chunk: number) => string, chunk: Chunk): void {
  encodeWaiting(out.writer, chunk.start === 0 ? chunk.items : chunk.items.slice(chunk.start));
  out.put(keyOf(chunk.number));
}
