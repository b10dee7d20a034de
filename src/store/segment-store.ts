/**
 * The messages on disk: append-only segments shared by all topics, written behind the log, with the newest messages in memory.
 * This file is the port's face; writing, reading, recovery and retention are each a file of their own.
 *
 * A snapshot is restored by `replace`, which only puts its files aside, and `open` at its mark, which swaps them in: until then the
 * old messages can be read.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { assertInvariant, FatalError } from "../errors.js";
import { limits } from "../limits.js";
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";
import { type Disk, diskError, nodeDisk, writeAside } from "./disk.js";
import { type CheckedFile, checkStoreFile } from "./file-check.js";
import type {
  HoldAbove,
  MessageStore,
  ReadPage,
  ReadQuery,
  RetentionOutcome,
  RetentionPolicy,
  StoreMark,
  TopicSelection,
  TopicStats,
} from "./message-store.js";
import { RecentMessages } from "./recent-messages.js";
import { Recovery } from "./recovery.js";
import { CURRENT, settleReplacement, stageReplacement } from "./replacement.js";
import { type Consent, type RetentionPlan, RetentionRound } from "./retention.js";
import { SegmentCatalog } from "./segment-catalog.js";
import { storeFileName } from "./segment-format.js";
import { SegmentReader } from "./segment-reader.js";
import { SegmentWriter } from "./segment-writer.js";
import { TopicTable } from "./topic-table.js";
import { type Drops, encodeTrims, withDropped } from "./trims.js";

export interface SegmentStoreOptions {
  /** The store keeps to `messages/` in it, and to `messages.incoming/` while a snapshot is taken over. */
  readonly dir: string;
  readonly segmentBytes?: number;
  readonly recentBytesMax?: number;
  readonly disk?: Disk;
}

/** Offsets in a segment are 32 bits on disk. */
const SEGMENT_BYTES_MAX = 2 ** 31;

const NOTHING_LOST: RetentionOutcome = { lostMessages: 0, lost: new Map() };

const NOTHING_HELD: HoldAbove = () => Number.POSITIVE_INFINITY;

/** All that exists while the store is open. */
interface Opened {
  readonly catalog: SegmentCatalog;
  readonly table: TopicTable;
  readonly recent: RecentMessages;
  readonly writer: SegmentWriter;
  readonly reader: SegmentReader;
  /** What the list of trims on disk says of segments, its file's number (0 for none) and size. */
  kept: { readonly drops: Drops; readonly number: number; readonly bytes: number };
}

export class SegmentStore implements MessageStore {
  readonly #options: Required<SegmentStoreOptions>;
  readonly #directory: string;
  #opened: Opened | null = null;
  #isOpening = false;
  #holds = 0;
  /** Files that go once no snapshot needs them. */
  #removals: string[] = [];
  #removing: Promise<void> = Promise.resolve();
  #retaining: Promise<RetentionOutcome> | null = null;

  constructor(options: SegmentStoreOptions) {
    this.#options = {
      segmentBytes: limits.messageSegmentBytes,
      recentBytesMax: limits.recentMessageBytesMax,
      disk: nodeDisk,
      ...options,
    };
    this.#directory = `${options.dir}/${CURRENT}`;
    assertInvariant(this.#options.segmentBytes < SEGMENT_BYTES_MAX, "a segment is smaller than 2 GiB");
  }

  async open(mark: StoreMark, resolve: (topicId: number) => TopicRef | undefined): Promise<void> {
    const { disk, recentBytesMax, segmentBytes, dir } = this.#options;
    const before = this.#opened;
    // No round of retention begins any more: it would write into what comes in place of this.
    this.#isOpening = true;
    await before?.writer.idle();
    await this.#removing;
    this.#removals = [];
    const catalog = new SegmentCatalog(this.#directory, disk);
    try {
      await settleReplacement(disk, dir, mark);
      await disk.makeDirectory(this.#directory);
      // Its name too, or everything in it would go with it; and what was cleared away does not come back.
      await disk.syncDirectory(dir);
      // And the names in it, before anything is removed that was there before them.
      await disk.syncDirectory(this.#directory);
      const recovery = new Recovery(catalog, mark);
      const { trims, number, bytes } = await recovery.segments();
      const table = new TopicTable(resolve, mark.position);
      table.restoreFloors(trims.floors, mark.position);
      await recovery.count(table);
      const recent = new RecentMessages(recentBytesMax, mark.position);
      const writer = new SegmentWriter({ catalog, table, recent, segmentBytes, mark });
      const reader = new SegmentReader(catalog, table, recent);
      const kept = { drops: trims, number, bytes };
      this.#opened = { catalog, table, recent, writer, reader, kept };
    } catch (error) {
      await catalog.close();
      throw diskError(error, `opening ${this.#directory}`);
    } finally {
      this.#isOpening = false;
    }
    await before?.catalog.close();
  }

  append(messages: readonly StoredMessage[]): void {
    const first = messages[0];
    const last = messages.at(-1);
    if (first === undefined || last === undefined) return;
    const { recent, writer } = this.#state;
    const follows = first.position === recent.lastPosition + 1;
    assertInvariant(
      follows && last.position - first.position === messages.length - 1,
      "appended positions are contiguous",
    );
    writer.appended(messages.length, recent.append(messages));
  }

  sync(): Promise<StoreMark> {
    return this.#state.writer.sync();
  }

  get lastPosition(): number {
    return this.#state.recent.lastPosition;
  }

  /** Bytes appended and not written yet, in memory on top of the recent messages' ceiling when the disk is slow. */
  get unwrittenBytes(): number {
    return this.#state.writer.unwrittenBytes;
  }

  readRecent(query: ReadQuery): ReadPage | null {
    return this.#counted().reader.readRecent(query);
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    return this.#counted().reader.read(query);
  }

  stats(topicId: number): TopicStats {
    const state = this.#counted().table.get(topicId);
    if (state === undefined) return { messages: 0, bytes: 0, firstPosition: 0 };
    return { messages: state.messages, bytes: state.bytes, firstPosition: state.firstPosition };
  }

  trimmedThrough(topics: TopicSelection): number {
    return this.#state.table.trimmedThrough(topics, 0);
  }

  /** A round that comes while one is under way waits for that one instead. */
  retain(policy: RetentionPolicy): Promise<RetentionOutcome> {
    this.#retaining ??= this.#retainInTurns(policy).finally(() => {
      this.#retaining = null;
    });
    return this.#retaining;
  }

  forget(topicId: number): void {
    // Counting first: a message that is counted later would bring the topic back.
    this.#counted().table.forget(topicId);
  }

  bytes(): number {
    return this.#state.catalog.bytes();
  }

  files(
    mark: StoreMark,
  ): readonly { readonly name: string; readonly path: string; readonly bytes: number }[] {
    const { catalog, kept } = this.#state;
    const files: { name: string; path: string; bytes: number }[] = [];
    const add = (number: number, kind: "seg" | "idx" | "trims", bytes: number): void => {
      files.push({ name: storeFileName(number, kind), path: catalog.path(number, kind), bytes });
    };
    for (const { number, bytes, indexBytes } of catalog.sealed) {
      if (number > mark.segment) break;
      add(number, "seg", number === mark.segment ? mark.bytes : bytes);
      if (number < mark.segment) add(number, "idx", indexBytes);
    }
    if (catalog.active?.number === mark.segment) add(mark.segment, "seg", mark.bytes);
    if (kept.number > 0) add(kept.number, "trims", kept.bytes);
    return files;
  }

  async check(file: CheckedFile): Promise<void> {
    try {
      await checkStoreFile(this.#options.disk, file);
    } catch (error) {
      throw diskError(error, `checking ${file.path}`);
    }
  }

  hold(): () => void {
    this.#holds += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holds -= 1;
      this.#removeFiles();
    };
  }

  async replace(
    files: readonly { readonly name: string; readonly bytes: number }[],
    read: (name: string, offset: number, length: number) => Promise<Uint8Array>,
    link: (name: string, path: string) => Promise<boolean> = async () => false,
  ): Promise<void> {
    try {
      await stageReplacement(this.#options.disk, this.#options.dir, files, { read, link });
    } catch (error) {
      throw diskError(error, "taking over a snapshot");
    }
  }

  async close(): Promise<void> {
    if (this.#opened === null) return;
    const { catalog, writer } = this.#opened;
    await this.#retaining?.catch(() => undefined);
    await writer.sync().catch(() => undefined);
    await writer.idle();
    this.#opened = null;
    await this.#removing;
    this.#removals = [];
    await catalog.close();
  }

  get #state(): Opened {
    if (this.#opened === null) throw new FatalError("invariant", "the message store is not open");
    return this.#opened;
  }

  /** The state with every appended message counted. */
  #counted(): Opened {
    const opened = this.#state;
    opened.table.countThrough(opened.recent, opened.recent.lastPosition);
    return opened;
  }

  /** What is held is asked between two turns of the writer: it may take a while, and messages are to be written meanwhile. */
  async #retainInTurns(policy: RetentionPolicy): Promise<RetentionOutcome> {
    const opened = this.#state;
    const { writer } = opened;
    let consent: Consent | null = null;
    if (policy.holds !== undefined) {
      const { plan, lastPosition } = await writer.exclusive(async () => ({
        plan: await this.#plan(opened, policy, null),
        // The newest that the plan can have looked at: others may have been appended meanwhile.
        lastPosition: writer.writtenThrough,
      }));
      if (plan === null) return NOTHING_LOST;
      const holdAbove = plan.moved.size === 0 ? NOTHING_HELD : await policy.holds(plan.moved);
      consent = { plan, lastPosition, holdAbove };
    }
    const outcome = await writer.exclusive(() => this.#retain(opened, policy, consent));
    await this.#removing;
    return outcome;
  }

  /** `null` when the store is being opened anew. */
  async #plan(
    opened: Opened,
    policy: RetentionPolicy,
    consent: Consent | null,
  ): Promise<RetentionPlan | null> {
    if (this.#isOpening || opened !== this.#opened) return null;
    const { catalog, table } = this.#counted();
    const round = new RetentionRound(catalog, table, policy, consent, nextTurn);
    for (const topicId of await round.begin()) this.forget(topicId);
    return round.plan();
  }

  async #retain(opened: Opened, policy: RetentionPolicy, consent: Consent | null): Promise<RetentionOutcome> {
    const plan = await this.#plan(opened, policy, consent);
    if (plan === null) return NOTHING_LOST;
    if (plan.drops.size + plan.moved.size > 0) await this.#persist(plan);
    this.#apply(plan);
    return { lostMessages: plan.lostMessages, lost: plan.lost };
  }

  /** Writes down what goes before anything does. */
  async #persist(plan: RetentionPlan): Promise<void> {
    const opened = this.#state;
    const { catalog, table, writer, kept } = opened;
    if (catalog.active !== null && plan.drops.has(catalog.active.number)) await writer.seal();
    const drops = withDropped(kept.drops, plan.drops);
    const bytes = encodeTrims({ floors: table.floors(plan.trims), ...drops });
    const number = kept.number + 1;
    await writeAside(this.#options.disk, this.#directory, storeFileName(number, "trims"), bytes);
    opened.kept = { drops, number, bytes: bytes.length };
    if (kept.number > 0) this.#removals.push(catalog.path(kept.number, "trims"));
  }

  #apply(plan: RetentionPlan): void {
    const { catalog, table, recent, writer } = this.#counted();
    const unwritten = new Set<number>();
    for (const [topicId, trim] of plan.trims) {
      const { state } = trim;
      state.messages -= trim.messages;
      state.bytes -= trim.bytes;
      state.firstPosition = trim.firstPosition;
      state.firstTimestampMs = trim.firstTimestampMs;
      table.setFloor(state, trim.floor);
      if (state.messages > 0 && trim.firstPosition === 0) unwritten.add(topicId);
    }
    // What was appended since the round began: those topics' oldest messages are not written yet.
    for (let at = writer.writtenThrough + 1; at <= recent.lastPosition && unwritten.size > 0; at += 1) {
      const { topic, position, timestampMs } = recent.at(at);
      const state = unwritten.delete(topic.id) ? table.get(topic.id) : undefined;
      if (state === undefined) continue;
      state.firstPosition = position;
      state.firstTimestampMs = timestampMs;
    }
    if (plan.drops.size === 0) return;
    catalog.drop(plan.drops);
    for (const number of plan.drops)
      this.#removals.push(catalog.path(number, "idx"), catalog.path(number, "seg"));
    this.#removeFiles();
  }

  /** Removes what was dropped, unless a snapshot holds it. What a crash leaves behind goes at the next start. */
  #removeFiles(): void {
    if (this.#holds > 0 || this.#opened === null) return;
    const paths = this.#removals.splice(0);
    this.#removing = this.#removing.then(async () => {
      for (const path of paths) await this.#options.disk.remove(path).catch(() => undefined);
    });
  }
}
