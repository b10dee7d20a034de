/**
 * Reads by cursor: from the segments what memory has let go of, then from memory. A few topics are read by their index, merged by
 * position; many are read by going through whole groups.
 */
import { JangadaError } from "../errors.js";
import type { StoredMessage } from "../state-machine/effects.js";
import { type BlockEntry, decodeBlock, decodeBlockEntry, type Scratch } from "./block.js";
import { openGroup, readBlocks, readBytes } from "./block-reader.js";
import { diskError } from "./disk.js";
import type { ReadPage, ReadQuery, TopicSelection } from "./message-store.js";
import { PageBuilder } from "./page.js";
import type { RecentMessages } from "./recent-messages.js";
import type { Segment, SegmentCatalog, SegmentHandle } from "./segment-catalog.js";
import type { SegmentIndex } from "./segment-index.js";
import { NOTHING_VISIBLE, visibleAbove } from "./selection.js";
import type { TopicTable } from "./topic-table.js";

/** Bytes of groups fetched in one read. */
const GROUPS_BYTES = 512 * 1024;
/** A wildcard is read topic by topic when it selects at most this many of a segment's topics, and those are quick to go through. */
const TOPICS_BY_INDEX_MAX = 16;
const TOPICS_TRIED_MAX = 2_048;
/** A read during which retention took something away is done again, so that what it reports is of one moment. */
const ATTEMPTS_MAX = 4;

/** One read: what it wants, and the page it fills. */
interface Reading {
  readonly topics: TopicSelection;
  /** What lies between these two is looked at. */
  readonly start: number;
  readonly through: number;
  /** Something was trimmed up to here; at or below the query's `after` there is no gap. */
  readonly gap: number;
  readonly page: PageBuilder;
  readonly visibleAbove: (topicId: number) => number;
}

export class SegmentReader {
  readonly #catalog: SegmentCatalog;
  readonly #table: TopicTable;
  readonly #recent: RecentMessages;

  constructor(catalog: SegmentCatalog, table: TopicTable, recent: RecentMessages) {
    this.#catalog = catalog;
    this.#table = table;
    this.#recent = recent;
  }

  /** A page from memory, `null` when a part of it would have to come from the disk. */
  readRecent(query: ReadQuery): ReadPage | null {
    const reading = this.#begin(query);
    const { start, through } = reading;
    if (start < through && start + 1 < this.#recent.firstPosition) return null;
    return reading.page.finish(this.#takeRecent(reading, start, through), reading.gap);
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    for (let attempt = 1; ; attempt += 1) {
      const version = this.#version();
      try {
        const page = await this.#readOnce(query);
        if (version === this.#version() || attempt === ATTEMPTS_MAX) return page;
      } catch (error) {
        if (error instanceof JangadaError) throw error;
        if (version === this.#version() || attempt === ATTEMPTS_MAX)
          throw diskError(error, "reading messages");
      }
    }
  }

  #version(): number {
    return this.#catalog.version + this.#table.version;
  }

  async #readOnce(query: ReadQuery): Promise<ReadPage> {
    const reading = this.#begin(query);
    const { through, page } = reading;
    let next = reading.start;
    while (next < through && !page.full) {
      if (next + 1 >= this.#recent.firstPosition) next = this.#takeRecent(reading, next, through);
      else next = await this.#takeDisk(reading, next, Math.min(through, this.#recent.firstPosition - 1));
    }
    return page.finish(next, reading.gap);
  }

  #begin(query: ReadQuery): Reading {
    const { topics, after } = query;
    const through = Math.max(after, Math.min(query.through, this.#recent.lastPosition));
    const gap = Math.min(this.#table.trimmedThrough(topics, after), through);
    const start = this.#skip(topics, after, through);
    const visible = visibleAbove(topics, this.#table);
    return { topics, start, through, gap, page: new PageBuilder(query), visibleAbove: visible };
  }

  /** Skips to before the first message that there can be of these topics, `through` when there can be none. */
  #skip(topics: TopicSelection, after: number, through: number): number {
    if (!("ids" in topics)) return after;
    let first = through + 1;
    for (const id of topics.ids) {
      const state = this.#table.get(id);
      if (state === undefined || state.messages === 0 || state.lastPosition <= after) continue;
      first = Math.min(first, Math.max(after + 1, state.firstPosition));
    }
    return Math.max(after, first - 1);
  }

  #takeRecent(reading: Reading, after: number, through: number): number {
    const { page, visibleAbove: visible } = reading;
    let topicId = -1;
    let floor = NOTHING_VISIBLE;
    for (let position = after + 1; position <= through; position += 1) {
      const message = this.#recent.at(position);
      if (message.topic.id !== topicId) {
        topicId = message.topic.id;
        floor = visible(topicId);
      }
      if (position > floor && !page.add(message)) return position;
    }
    return through;
  }

  async #takeDisk(reading: Reading, after: number, through: number): Promise<number> {
    let next = after;
    while (next < through && !reading.page.full) {
      const segment = this.#catalog.firstAbove(next);
      if (segment === null || segment.basePosition >= through) return through;
      const from = Math.max(next, segment.basePosition);
      const limit = Math.min(through, segment.lastPosition);
      next = await this.#catalog.use(segment, (handle) =>
        this.#takeSegment(reading, segment, handle, from, limit),
      );
    }
    return next;
  }

  #takeSegment(
    reading: Reading,
    segment: Segment,
    handle: SegmentHandle,
    after: number,
    through: number,
  ): Promise<number> {
    const ids = topicsByIndex(reading, handle.index);
    if (ids === null) return this.#takeGroups(reading, segment, handle, after, through);
    return this.#takeTopics(reading, handle, ids, after, through);
  }

  /** A few topics: their blocks by index, as many as the page can need. */
  async #takeTopics(
    reading: Reading,
    handle: SegmentHandle,
    ids: readonly number[],
    after: number,
    through: number,
  ): Promise<number> {
    const { page } = reading;
    let next = after;
    while (next < through && !page.full) {
      const { blocks, horizon } = await pick(reading, handle.index, ids, next, through);
      const messages: StoredMessage[] = [];
      const from = next;
      await readBlocks(handle, blocks, (bytes, at, block) => {
        const above = Math.max(from, reading.visibleAbove(block.topicId));
        this.#decode(bytes, at, block.topicId, above, horizon, (message) => messages.push(message));
      });
      if (ids.length > 1) messages.sort((a, b) => a.position - b.position);
      next = horizon;
      for (const message of messages) {
        if (!page.add(message)) {
          next = message.position;
          break;
        }
      }
    }
    return next;
  }

  /** Many topics: whole groups, in order of position. */
  async #takeGroups(
    reading: Reading,
    segment: Segment,
    handle: SegmentHandle,
    after: number,
    through: number,
  ): Promise<number> {
    const { index } = handle;
    let next = after;
    let group = index.groupAt(after + 1);
    while (next < through && !reading.page.full) {
      const count = index.groupCount;
      const end = segment.bytes;
      const endOf = (g: number): number => (g + 1 < count ? index.groupOffset(g + 1) : end);
      if (group >= count) return through;
      const start = index.groupOffset(group);
      let last = group;
      while (last + 1 < count && endOf(last + 1) - start <= GROUPS_BYTES) last += 1;
      const bytes = await readBytes(handle, start, endOf(last));
      for (let at = 0; group <= last && next < through && !reading.page.full; group += 1) {
        const { head, blocks } = openGroup(handle, bytes, at, start);
        next = this.#takeGroup(
          reading,
          bytes,
          blocks,
          head.firstPosition,
          next,
          Math.min(through, head.lastPosition),
        );
        at += head.bytes;
      }
    }
    return next;
  }

  #takeGroup(
    reading: Reading,
    bytes: Scratch,
    blocks: readonly number[],
    firstPosition: number,
    after: number,
    through: number,
  ): number {
    const slots: (StoredMessage | undefined)[] = new Array(through - firstPosition + 1);
    for (const at of blocks) {
      const { topicId } = decodeBlockEntry(bytes, at, 0);
      const above = Math.max(after, reading.visibleAbove(topicId));
      this.#decode(bytes, at, topicId, above, through, (message) => {
        slots[message.position - firstPosition] = message;
      });
    }
    for (const message of slots) {
      if (message !== undefined && !reading.page.add(message)) return message.position;
    }
    return through;
  }

  #decode(
    bytes: Scratch,
    at: number,
    topicId: number,
    above: number,
    through: number,
    take: (message: StoredMessage) => void,
  ): void {
    const state = this.#table.get(topicId);
    if (state === undefined || above >= through) return;
    decodeBlock(bytes, at, state.ref, above, through, take);
  }
}

/** The topics to read by index; `null` when there are so many that reading everything is quicker. */
function topicsByIndex(reading: Reading, index: SegmentIndex): readonly number[] | null {
  const { topics } = reading;
  if ("ids" in topics) {
    return [...new Set(topics.ids)].filter((id) => reading.visibleAbove(id) !== NOTHING_VISIBLE);
  }
  if (index.topicCount > TOPICS_TRIED_MAX) return null;
  const ids: number[] = [];
  for (const id of index.topicIds()) {
    if (reading.visibleAbove(id) === NOTHING_VISIBLE) continue;
    if (ids.push(id) > TOPICS_BY_INDEX_MAX) return null;
  }
  return ids;
}

/**
 * The blocks that the rest of the page needs, in order of offset, and the position up to which they are all that there is.
 * At least one message above `after` is among them up to there, unless there is none up to `through`.
 */
async function pick(
  reading: Reading,
  index: SegmentIndex,
  ids: readonly number[],
  after: number,
  through: number,
): Promise<{ readonly blocks: BlockEntry[]; readonly horizon: number }> {
  const { messagesLeft, bytesLeft } = reading.page;
  let horizon = through;
  const found: BlockEntry[] = [];
  for (const id of ids) {
    const list = await index.blocks(id, Math.max(after, reading.visibleAbove(id)), messagesLeft);
    let messages = 0;
    for (const block of list) {
      messages += block.messages;
      found.push(block);
    }
    if (messages >= messagesLeft) horizon = Math.min(horizon, list.at(-1)?.lastPosition ?? horizon);
  }
  if (ids.length > 1) found.sort((a, b) => a.firstPosition - b.firstPosition);
  let messages = 0;
  let bytes = 0;
  let count = 0;
  for (const block of found) {
    if (block.firstPosition > horizon) break;
    if (messages >= messagesLeft || bytes >= bytesLeft) {
      horizon = Math.min(horizon, block.firstPosition - 1);
      break;
    }
    count += 1;
    // What a page before this one may have had a part of does not count: some of it must still be ahead.
    if (block.firstPosition <= after) continue;
    messages += block.messages;
    // All of it: properties count, and the index knows the bytes of payloads alone.
    bytes += block.length;
  }
  const blocks = found.slice(0, count).sort((a, b) => a.offset - b.offset);
  return { blocks, horizon };
}
