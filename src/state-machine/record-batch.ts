/**
 * Gathers records one after the other in one buffer: a checkpoint of many small records costs one allocation, not one each.
 */
import { ByteWriter } from "../commands/codec/byte-writer.js";

/** One key of the state; `null` deletes it. The same shape as the state store's changes. */
export interface StateChange {
  readonly key: string;
  readonly value: Uint8Array | null;
}

const CAPACITY_HINT = 16 * 1024;

export class RecordBatch {
  /** Where the next record's value is written, before `put` gives it its key. */
  readonly writer = new ByteWriter(CAPACITY_HINT);
  readonly #chunkBytes: number;
  readonly #onChunk: (changes: readonly StateChange[]) => void;
  #keys: string[] = [];
  /** Where each record begins; -1 for a deletion. */
  #starts: number[] = [];
  #written = 0;

  /** With `chunkBytes`, `onChunk` gets what was gathered whenever it is that much. */
  constructor(
    chunkBytes = Number.POSITIVE_INFINITY,
    onChunk: (changes: readonly StateChange[]) => void = () => undefined,
  ) {
    this.#chunkBytes = chunkBytes;
    this.#onChunk = onChunk;
  }

  /** What was written since the last `put` is the value of `key`. */
  put(key: string): void {
    this.#keys.push(key);
    this.#starts.push(this.#written);
    this.#written = this.writer.length;
    if (this.#written >= this.#chunkBytes) this.#onChunk(this.take());
  }

  remove(key: string): void {
    this.#keys.push(key);
    this.#starts.push(-1);
  }

  /** Everything gathered, in order; the batch is empty again. */
  take(): readonly StateChange[] {
    const bytes = this.writer.take();
    const starts = this.#starts;
    const changes: StateChange[] = new Array(this.#keys.length);
    let end = bytes.length;
    for (let i = starts.length - 1; i >= 0; i -= 1) {
      const key = this.#keys[i] ?? "";
      const start = starts[i] ?? -1;
      changes[i] = { key, value: start === -1 ? null : bytes.subarray(start, end) };
      if (start !== -1) end = start;
    }
    this.#keys = [];
    this.#starts = [];
    this.#written = 0;
    return changes;
  }
}
