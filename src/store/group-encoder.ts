/**
 * Turns a run of recent messages into one group: sorts them by topic with a linked list of indexes (no object per message or
 * topic), then writes a block per topic. First `plan`, which says how much room is needed, then `encode`.
 */
import { assertInvariant } from "../errors.js";
import type { StoredMessage } from "../state-machine/effects.js";
import {
  BLOCK_HEADER_BYTES,
  encodeBlock,
  encodeGroupHeader,
  GROUP_HEADER_BYTES,
  RECORD_BYTES_MAX,
  RECORD_EXTRA_BYTES_MAX,
  type Scratch,
} from "./block.js";

/** UTF-8 takes at most three bytes for each of JavaScript's units. */
const UTF8_BYTES_PER_UNIT = 3;

export class GroupEncoder {
  readonly #messageAt: (position: number) => StoredMessage;
  readonly #bytesMax: number;
  #next = new Int32Array(1024);
  /** Index of each topic's first and newest message in this group, and the topic's place in the two. */
  #heads: number[] = [];
  #tails: number[] = [];
  readonly #places = new Map<number, number>();
  #first = 0;
  #last = 0;
  #roomBytes = 0;

  /** A group is closed once it has `bytesMax` bytes of records; a single message may be larger. */
  constructor(messageAt: (position: number) => StoredMessage, bytesMax: number) {
    this.#messageAt = messageAt;
    this.#bytesMax = bytesMax;
  }

  /** Position of the last message of the planned group. */
  get lastPosition(): number {
    return this.#last;
  }

  /** Bytes that the planned group takes at most. */
  get roomBytes(): number {
    return this.#roomBytes;
  }

  /** Plans a group of the messages from `first` on, up to `last` at most; at least one message is in it. */
  plan(first: number, last: number): void {
    this.#places.clear();
    this.#heads.length = 0;
    this.#tails.length = 0;
    this.#first = first;
    let recordBytes = 0;
    let topicId = -1;
    let place = -1;
    let position = first;
    for (; position <= last && (recordBytes < this.#bytesMax || position === first); position += 1) {
      const message = this.#messageAt(position);
      recordBytes +=
        message.payload.length + message.contentType.length * UTF8_BYTES_PER_UNIT + RECORD_BYTES_MAX;
      if (message.publisher !== 0 || message.properties.length > 0) {
        recordBytes += message.properties.length + RECORD_EXTRA_BYTES_MAX;
      }
      if (message.topic.id !== topicId) {
        topicId = message.topic.id;
        place = this.#places.get(topicId) ?? -1;
      }
      place = this.#link(position - first, topicId, place);
    }
    this.#last = position - 1;
    this.#roomBytes = GROUP_HEADER_BYTES + this.#heads.length * BLOCK_HEADER_BYTES + recordBytes;
  }

  /** Appends a message to its topic's chain; gives the topic's place. */
  #link(index: number, topicId: number, place: number): number {
    if (index >= this.#next.length) {
      const grown = new Int32Array(this.#next.length * 2);
      grown.set(this.#next);
      this.#next = grown;
    }
    this.#next[index] = -1;
    if (place === -1) {
      assertInvariant(topicId <= 0xffff_ffff, "topic ids have 32 bits on disk");
      this.#places.set(topicId, this.#heads.length);
      this.#heads.push(index);
      return this.#tails.push(index) - 1;
    }
    this.#next[this.#tails[place] ?? 0] = index;
    this.#tails[place] = index;
    return place;
  }

  /** Writes the planned group at `start`, where `roomBytes` are free; gives its end. */
  encode(to: Scratch, start: number): number {
    const first = this.#first;
    const messageAt = (index: number): StoredMessage => this.#messageAt(first + index);
    let at = start + GROUP_HEADER_BYTES;
    for (const head of this.#heads) at = encodeBlock(to, at, messageAt, head, this.#next);
    encodeGroupHeader(to, start, {
      bytes: at - start,
      blocks: this.#heads.length,
      firstPosition: first,
      lastPosition: this.#last,
    });
    return at;
  }
}
