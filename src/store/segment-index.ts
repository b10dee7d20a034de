/**
 * What is where in one segment: per topic a summary and its blocks, and the groups by position. This file has the port and the
 * index of the segment that is being written: columns of numbers that grow, no object per block.
 */
import type { BlockEntry, GroupHead } from "./block.js";

/** What a segment holds of one topic. */
export interface TopicSummary {
  readonly messages: number;
  /** Payload bytes. */
  readonly bytes: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  /** Newest timestamp of the topic's first block in the segment. */
  readonly firstTimestampMs: number;
  readonly newestTimestampMs: number;
}

export interface SegmentIndex {
  topicIds(): Iterable<number>;
  readonly topicCount: number;
  summary(topicId: number): TopicSummary | undefined;
  /** The topic's blocks with messages above `after`, oldest first, until they hold `messagesMax` messages or there are no more. */
  blocks(topicId: number, after: number, messagesMax: number): Promise<readonly BlockEntry[]>;
  readonly groupCount: number;
  /** Number of the group that holds `position` (or the first above it); `groupCount` when all are below. */
  groupAt(position: number): number;
  groupOffset(group: number): number;
  /** Reads the blocks of all topics at once and keeps them until let go: for a round over many topics. */
  preload(): Promise<void>;
  unload(): void;
}

/** Columns of a block, in one row of doubles. */
const ROW = 7;
const ROWS_MIN = 256;

/** A column of numbers that grows by doubling. */
class Column {
  #values = new Float64Array(ROWS_MIN);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Float64Array(this.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.length] = value;
    this.length += 1;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }
}

/** The first index from 0 to `count` for which `isPast` holds; `isPast` must not go back to false. */
export function lowerBound(count: number, isPast: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isPast(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

export class GrowingIndex implements SegmentIndex {
  /** By topic, its place among the topics' rows: first block, last block, messages, bytes. */
  readonly #places = new Map<number, number>();
  readonly #topics = new Column();
  readonly #rows = new Column();
  /** Of each block, the one of the same topic before it; -1 for none. */
  readonly #previous = new Column();
  readonly #groupFirst = new Column();
  readonly #groupOffset = new Column();
  #lastPosition = 0;

  get topicCount(): number {
    return this.#places.size;
  }

  get blockCount(): number {
    return this.#previous.length;
  }

  get groupCount(): number {
    return this.#groupFirst.length;
  }

  addGroup(group: GroupHead, offset: number): void {
    this.#groupFirst.push(group.firstPosition);
    this.#groupOffset.push(offset);
    this.#lastPosition = group.lastPosition;
  }

  addBlock(block: BlockEntry): void {
    const rows = this.#rows;
    const topics = this.#topics;
    const number = this.blockCount;
    rows.push(block.offset);
    rows.push(block.length);
    rows.push(block.messages);
    rows.push(block.bytes);
    rows.push(block.firstPosition);
    rows.push(block.lastPosition);
    rows.push(block.newestTimestampMs);
    const place = this.#places.get(block.topicId);
    if (place === undefined) {
      this.#places.set(block.topicId, topics.length);
      this.#previous.push(-1);
      topics.push(number);
      topics.push(number);
      topics.push(block.messages);
      topics.push(block.bytes);
      return;
    }
    this.#previous.push(topics.at(place + 1));
    topics.set(place + 1, number);
    topics.set(place + 2, topics.at(place + 2) + block.messages);
    topics.set(place + 3, topics.at(place + 3) + block.bytes);
  }

  topicIds(): Iterable<number> {
    return this.#places.keys();
  }

  summary(topicId: number): TopicSummary | undefined {
    const place = this.#places.get(topicId);
    if (place === undefined) return undefined;
    const first = this.#topics.at(place) * ROW;
    const last = this.#topics.at(place + 1) * ROW;
    return {
      messages: this.#topics.at(place + 2),
      bytes: this.#topics.at(place + 3),
      firstPosition: this.#rows.at(first + 4),
      lastPosition: this.#rows.at(last + 5),
      firstTimestampMs: this.#rows.at(first + 6),
      newestTimestampMs: this.#rows.at(last + 6),
    };
  }

  /** A topic's blocks with messages above `after`, oldest first. Goes back from the newest: most readers are near it. */
  blocksAbove(topicId: number, after: number): BlockEntry[] {
    const blocks: BlockEntry[] = [];
    const place = this.#places.get(topicId);
    let block = place === undefined ? -1 : this.#topics.at(place + 1);
    while (block !== -1 && this.#rows.at(block * ROW + 5) > after) {
      blocks.push(this.#entry(topicId, block));
      block = this.#previous.at(block);
    }
    return blocks.reverse();
  }

  blocks(topicId: number, after: number, messagesMax: number): Promise<readonly BlockEntry[]> {
    let messages = 0;
    return Promise.resolve(
      this.blocksAbove(topicId, after).filter((block) => {
        const isWanted = messages < messagesMax;
        messages += block.messages;
        return isWanted;
      }),
    );
  }

  groupAt(position: number): number {
    if (position > this.#lastPosition) return this.groupCount;
    return Math.max(0, lowerBound(this.groupCount, (i) => this.#groupFirst.at(i) > position) - 1);
  }

  groupFirst(group: number): number {
    return this.#groupFirst.at(group);
  }

  groupOffset(group: number): number {
    return this.#groupOffset.at(group);
  }

  preload(): Promise<void> {
    return Promise.resolve();
  }

  unload(): void {}

  #entry(topicId: number, block: number): BlockEntry {
    const at = block * ROW;
    const rows = this.#rows;
    return {
      topicId,
      offset: rows.at(at),
      length: rows.at(at + 1),
      messages: rows.at(at + 2),
      bytes: rows.at(at + 3),
      firstPosition: rows.at(at + 4),
      lastPosition: rows.at(at + 5),
      newestTimestampMs: rows.at(at + 6),
    };
  }
}
