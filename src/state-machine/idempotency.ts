/**
 * Idempotency keys with the first answer each got, so that a repeated request is answered and not done again. They age by
 * the log's time and are forgotten oldest first, alike on every node.
 */
import type { Published } from "./effects.js";
import type { RecordBatch } from "./record-batch.js";
import { encodeIdempotency, type IdempotencyRecord, recordKey } from "./records.js";

/** Forgotten for their age in one envelope: more wait for the next, so that a long silence does not end in a long pause. */
const EXPIRED_PER_ENVELOPE_MAX = 512;

export class IdempotencyTable {
  readonly #keysMax: number;
  readonly #ageMs: number;
  /** Entries are numbered as they come, so that the lowest number is the oldest. */
  readonly #byNumber = new Map<number, IdempotencyRecord>();
  /** Topic id to key to number. */
  readonly #byTopic = new Map<number, Map<string, number>>();
  #nextNumber = 1;
  /** No entry has a lower number. */
  #oldest = 1;
  /** Entries from here on are in no checkpoint yet. */
  #firstUnwritten = 1;
  /** Entries that are in a checkpoint and are gone since. */
  #forgotten: number[] = [];

  constructor(keysMax: number, ageMs: number) {
    this.#keysMax = keysMax;
    this.#ageMs = ageMs;
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** The number that the next entry gets; set once, before anything is loaded. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  set nextNumber(number: number) {
    this.#nextNumber = number;
    this.#oldest = number;
    this.#firstUnwritten = number;
  }

  /** The entry of a key, if it is not past its age at `nowMs`. */
  find(topicId: number, key: string, nowMs: number): IdempotencyRecord | undefined {
    const number = this.#byTopic.get(topicId)?.get(key);
    const entry = number === undefined ? undefined : this.#byNumber.get(number);
    return entry !== undefined && entry.timestampMs + this.#ageMs > nowMs ? entry : undefined;
  }

  /** Remembers the answer to a key that `find` did not find. */
  remember(topicId: number, key: string, digest: string, answer: Published): void {
    const aged = this.#byTopic.get(topicId)?.get(key);
    if (aged !== undefined) this.#forget(aged);
    const { count, firstPosition, firstOffset, timestampMs } = answer;
    const entry = { topicId, key, digest, count, firstPosition, firstOffset, timestampMs };
    this.#add(this.#nextNumber, entry);
    this.#nextNumber += 1;
    while (this.#byNumber.size > this.#keysMax) this.#forgetOldest();
  }

  /** Forgets entries past their age at `nowMs`, the oldest first. */
  expire(nowMs: number): void {
    for (let i = 0; i < EXPIRED_PER_ENVELOPE_MAX && this.#byNumber.size > 0; i += 1) {
      this.#skipHoles();
      const oldest = this.#byNumber.get(this.#oldest);
      if (oldest === undefined || oldest.timestampMs + this.#ageMs > nowMs) return;
      this.#forget(this.#oldest);
    }
  }

  forgetTopic(topicId: number): void {
    const numbers = this.#byTopic.get(topicId);
    if (numbers === undefined) return;
    for (const number of [...numbers.values()]) this.#forget(number);
  }

  writeChanges(out: RecordBatch): void {
    for (const number of this.#forgotten) out.remove(recordKey("i", number));
    this.#skipHoles();
    for (let number = Math.max(this.#firstUnwritten, this.#oldest); number < this.#nextNumber; number += 1) {
      const entry = this.#byNumber.get(number);
      if (entry !== undefined) writeEntry(out, number, entry);
    }
    this.#forgotten = [];
    this.#firstUnwritten = this.#nextNumber;
  }

  writeAll(out: RecordBatch): void {
    for (const [number, entry] of this.#byNumber) writeEntry(out, number, entry);
  }

  /** Takes a loaded record; they have to come in the order of their numbers. */
  load(number: number, entry: IdempotencyRecord): void {
    if (this.#byNumber.size === 0) this.#oldest = number;
    this.#add(number, entry);
  }

  #add(number: number, entry: IdempotencyRecord): void {
    this.#byNumber.set(number, entry);
    const ofTopic = this.#byTopic.get(entry.topicId);
    if (ofTopic === undefined) this.#byTopic.set(entry.topicId, new Map([[entry.key, number]]));
    else ofTopic.set(entry.key, number);
  }

  #forgetOldest(): void {
    this.#skipHoles();
    this.#forget(this.#oldest);
  }

  /** Each number is passed over once in the table's life: the walk costs nothing on average. */
  #skipHoles(): void {
    while (this.#oldest < this.#nextNumber && !this.#byNumber.has(this.#oldest)) this.#oldest += 1;
  }

  #forget(number: number): void {
    const entry = this.#byNumber.get(number);
    if (entry === undefined) return;
    this.#byNumber.delete(number);
    const ofTopic = this.#byTopic.get(entry.topicId);
    ofTopic?.delete(entry.key);
    if (ofTopic?.size === 0) this.#byTopic.delete(entry.topicId);
    if (number < this.#firstUnwritten) this.#forgotten.push(number);
  }
}

function writeEntry(out: RecordBatch, number: number, entry: IdempotencyRecord): void {
  encodeIdempotency(out.writer, entry);
  out.put(recordKey("i", number));
}
