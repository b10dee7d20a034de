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
  /** Per topic, the numbers of its blocks, oldest first. */
  readonly #topics = new Map<number, number[]>();
  readonly #rows = new Column();
  readonly #groupFirst = new Column();
  readonly #groupOffset = new Column();
  #blockCount = 0;
  #lastPosition = 0;

  get topicCount(): number {
    return this.#topics.size;
  }

  get blockCount(): number {
    return this.#blockCount;
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
    rows.push(block.offset);
    rows.push(block.length);
    rows.push(block.messages);
    rows.push(block.bytes);
    rows.push(block.firstPosition);
    rows.push(block.lastPosition);
    rows.push(block.newestTimestampMs);
    const blocks = this.#topics.get(block.topicId);
    if (blocks === undefined) this.#topics.set(block.topicId, [this.#blockCount]);
    else blocks.push(this.#blockCount);
    this.#blockCount += 1;
  }

  topicIds(): Iterable<number> {
    return this.#topics.keys();
  }

  /** A topic's blocks, oldest first. */
  blocksOf(topicId: number): BlockEntry[] {
    return (this.#topics.get(topicId) ?? []).map((block) => this.#entry(topicId, block));
  }

  summary(topicId: number): TopicSummary | undefined {
    const blocks = this.#topics.get(topicId);
    const first = blocks?.[0];
    const last = blocks?.at(-1);
    if (blocks === undefined || first === undefined || last === undefined) return undefined;
    let messages = 0;
    let bytes = 0;
    for (const block of blocks) {
      messages += this.#rows.at(block * ROW + 2);
      bytes += this.#rows.at(block * ROW + 3);
    }
    return {
      messages,
      bytes,
      firstPosition: this.#rows.at(first * ROW + 4),
      lastPosition: this.#rows.at(last * ROW + 5),
      firstTimestampMs: this.#rows.at(first * ROW + 6),
      newestTimestampMs: this.#rows.at(last * ROW + 6),
    };
  }

  /** Whether the topic has messages above `after`, without a summary's sums. */
  reaches(topicId: number, after: number): boolean {
    const last = this.#topics.get(topicId)?.at(-1);
    return last !== undefined && this.#rows.at(last * ROW + 5) > after;
  }

  blocks(topicId: number, after: number, messagesMax: number): Promise<readonly BlockEntry[]> {
    const blocks = this.#topics.get(topicId) ?? [];
    const from = lowerBound(blocks.length, (i) => this.#rows.at((blocks[i] ?? 0) * ROW + 5) > after);
    const found: BlockEntry[] = [];
    let messages = 0;
    for (let i = from; i < blocks.length && messages < messagesMax; i += 1) {
      const entry = this.#entry(topicId, blocks[i] ?? 0);
      found.push(entry);
      messages += entry.messages;
    }
    return Promise.resolve(found);
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
