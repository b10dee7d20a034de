/**
 * The newest messages, in memory: what readers near the head are given without touching the disk, and the only place of what
 * is not written yet. Positions are contiguous, so a position is an index. Holding a message holds the log buffer that its payload
 * is a view of; as the messages here are contiguous, those buffers are little more than the payloads.
 */
import { assertInvariant } from "../errors.js";
import { bodyBytes, type StoredMessage } from "../state-machine/effects.js";

/** What a message costs beside its payload: the object, its view and its slot. */
const MESSAGE_OVERHEAD_BYTES = 200;
/** Slots before the first message are given back when there are this many and they are the greater part. */
const SPARE_SLOTS_MAX = 4_096;

export class RecentMessages {
  readonly #bytesMax: number;
  /** Slots before `#head` are empty; the message of position p is at `p - #first + #head`. */
  #slots: (StoredMessage | undefined)[] = [];
  #head = 0;
  #first: number;
  #bytes = 0;

  /** `bytesMax` counts `bodyBytes` and overhead; `lastPosition` is the position before the first message to come. */
  constructor(bytesMax: number, lastPosition: number) {
    this.#bytesMax = bytesMax;
    this.#first = lastPosition + 1;
  }

  /** Position of the oldest message here; `lastPosition + 1` when there is none. */
  get firstPosition(): number {
    return this.#first;
  }

  get lastPosition(): number {
    return this.#first + this.#slots.length - this.#head - 1;
  }

  /** Adds messages that follow `lastPosition`; gives their `bodyBytes`. */
  append(messages: readonly StoredMessage[]): number {
    const slots = this.#slots;
    let bytes = 0;
    for (let i = 0; i < messages.length; i += 1) {
      const message = messages[i];
      if (message === undefined) continue;
      slots.push(message);
      bytes += bodyBytes(message);
    }
    this.#bytes += bytes + messages.length * MESSAGE_OVERHEAD_BYTES;
    return bytes;
  }

  /** The message at a position from `firstPosition` to `lastPosition`. */
  at(position: number): StoredMessage {
    const message = this.#slots[position - this.#first + this.#head];
    assertInvariant(message !== undefined, "the position is among the recent messages");
    return message;
  }

  /** Lets go of the oldest while there is too much, but of nothing above `through`: the disk has what is up to there. */
  evict(through: number): void {
    while (this.#bytes > this.#bytesMax && this.#first <= through) {
      const message = this.#slots[this.#head];
      if (message === undefined) break;
      this.#bytes -= bodyBytes(message) + MESSAGE_OVERHEAD_BYTES;
      this.#slots[this.#head] = undefined;
      this.#head += 1;
      this.#first += 1;
    }
    if (this.#head > SPARE_SLOTS_MAX && this.#head > this.#slots.length / 2) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
  }
}
