/**
 * Batches kept in memory for subscribers that are a little behind, of all topic brokers together: a ceiling on bytes, the
 * oldest out first. Whoever finds his batch here costs neither a read of the store nor an encoding.
 */
import { bodyBytes } from "../state-machine/effects.js";
import type { KeptBatches } from "./kept-batches.js";
import type { DeliveryBatch } from "./subscriber.js";

/** What a message costs beside its payload and properties: the object, its place in arrays, its header in an encoding. */
export const MESSAGE_OVERHEAD_BYTES = 160;

/** What a batch costs beside its messages: objects, maps, buffer heads. It bounds how many there can be, too. */
const BATCH_OVERHEAD_BYTES = 1_024;

/** One batch that is kept, a link of the chain from the oldest to the newest. */
export interface Kept {
  readonly batch: DeliveryBatch;
  /** 0, or what retention trimmed before the batch's messages, as in `ReadPage`. */
  readonly trimmedThrough: number;
  readonly home: KeptBatches;
  readonly budget: RecentBatches;
  /** Memory that its payloads are views of. */
  readonly buffers: readonly ArrayBufferLike[];
  /** One encoding. */
  readonly encodingBytes: number;
  /** What it counts for, without `buffers`. */
  bytes: number;
  older: Kept | null;
  newer: Kept | null;
}

export class RecentBatches {
  readonly #bytesMax: number;
  #bytes = 0;
  #oldest: Kept | null = null;
  #newest: Kept | null = null;
  /**
   * A small payload is a view of a whole log entry and keeps all of it in memory: entries are counted, once each however
   * many batches hold a part.
   */
  readonly #holders = new Map<ArrayBufferLike, number>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Estimated memory of everything that is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a batch as the newest; its home calls `reweigh` once it can find it. */
  add(home: KeptBatches, batch: DeliveryBatch, trimmedThrough: number): Kept {
    const kept: Kept = {
      batch,
      trimmedThrough,
      home,
      budget: this,
      buffers: buffersOf(batch),
      encodingBytes: encodingBytesOf(batch),
      bytes: 0,
      older: this.#newest,
      newer: null,
    };
    if (this.#newest === null) this.#oldest = kept;
    else this.#newest.newer = kept;
    this.#newest = kept;
    for (const buffer of kept.buffers) this.#hold(buffer);
    return kept;
  }

  /** Counts a batch anew with the encodings it has by now; lets go of the oldest when all together are too much. */
  reweigh(kept: Kept): void {
    const bytes =
      BATCH_OVERHEAD_BYTES +
      kept.batch.messages.length * MESSAGE_OVERHEAD_BYTES +
      kept.encodingBytes * kept.batch.encodings;
    this.#bytes += bytes - kept.bytes;
    kept.bytes = bytes;
    while (this.#bytes > this.#bytesMax && this.#oldest !== null) this.#oldest.home.remove(this.#oldest);
  }

  /** Called by the home that gives it up. */
  remove(kept: Kept): void {
    if (kept.older === null) this.#oldest = kept.newer;
    else kept.older.newer = kept.newer;
    if (kept.newer === null) this.#newest = kept.older;
    else kept.newer.older = kept.older;
    this.#bytes -= kept.bytes;
    for (const buffer of kept.buffers) this.#letGo(buffer);
  }

  #hold(buffer: ArrayBufferLike): void {
    const holders = this.#holders.get(buffer) ?? 0;
    if (holders === 0) this.#bytes += buffer.byteLength;
    this.#holders.set(buffer, holders + 1);
  }

  #letGo(buffer: ArrayBufferLike): void {
    const holders = (this.#holders.get(buffer) ?? 0) - 1;
    if (holders > 0) {
      this.#holders.set(buffer, holders);
      return;
    }
    this.#bytes -= buffer.byteLength;
    this.#holders.delete(buffer);
  }
}

/** Neighbours mostly share theirs, so comparing with the one before finds nearly all repeats; the count is right in any case. */
function buffersOf(batch: DeliveryBatch): ArrayBufferLike[] {
  const buffers: ArrayBufferLike[] = [];
  let last: ArrayBufferLike | null = null;
  for (const { payload } of batch.messages) {
    if (payload.buffer === last) continue;
    last = payload.buffer;
    buffers.push(last);
  }
  return buffers;
}

function encodingBytesOf(batch: DeliveryBatch): number {
  let bytes = 0;
  for (const message of batch.messages) bytes += bodyBytes(message) + MESSAGE_OVERHEAD_BYTES;
  return bytes;
}
