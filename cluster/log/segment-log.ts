/**
 * The Raft log on disk. One append is one checksummed frame, written by one asynchronous write on an O_DSYNC descriptor over space
 * that is already allocated; nothing else is synced on the way. Appends and markers take turns, so that only the last frame can
 * ever be unfinished. The newest entries stay in memory; of all others only term and place.
 */
import { join } from "node:path";
import { assertInvariant, type ClusterError } from "../errors.js";
import type { Entry, GroupId, LogIndex, SnapshotMeta, Term } from "../types.js";
import { type Disk, toDiskError, writeFully } from "./disk.js";
import { EndMark } from "./end-mark.js";
import { ByteBudget, readEntries } from "./entry-reader.js";
import { FRAME_HEADER_BYTES, FrameEncoder } from "./frame.js";
import { checkAppend, checkCompact, checkRange, LogState } from "./log-state.js";
import type { LogAppend, LogStore, RecoveredLog } from "./log-store.js";
import { nodeDisk } from "./node-disk.js";
import { RecentEntries } from "./recent-entries.js";
import { type LogRecord, measureRecord } from "./record.js";
import { recoverLog } from "./recovery.js";
import {
  capacityFor,
  createSegment,
  type Durability,
  type SegmentFile,
  segmentName,
} from "./segment-file.js";
import { SegmentPool } from "./segment-pool.js";

export interface SegmentLogOptions {
  /** The log's own directory; created when it is not there. */
  readonly dir: string;
  readonly group: GroupId;
  /** Size of a segment, the step of compaction: 4 KiB to 1 GiB. */
  readonly segmentBytes: number;
  /** "os": writes are left to the operating system and are lost when the power fails. */
  readonly durability: Durability;
  readonly disk?: Disk;
  /** Newest entries kept in memory. */
  readonly cacheBytesMax?: number;
}

const MIB = 1024 * 1024;
const SEGMENT_BYTES_MIN = 4096;
const SEGMENT_BYTES_MAX = 1024 * MIB;
const CACHE_BYTES_MAX = 32 * MIB;
/** The log's end is written down when nothing was appended for so long, or after so many times that. */
const END_REST_MS = 100;
const END_RESTS_MAX = 10;
/** The body's length is 32 bits wide; nothing near it makes sense. */
const FRAME_BYTES_MAX = 1024 * MIB;

export class SegmentLog implements LogStore {
  readonly #options: SegmentLogOptions;
  readonly #disk: Disk;
  readonly #pool: SegmentPool;
  readonly #recent: RecentEntries;
  readonly #encoder = new FrameEncoder();
  /** Oldest first, numbers without holes; the last is appended to. */
  #segments: SegmentFile[] = [];
  #state = new LogState();
  #nextSequence = 1;
  /** Whoever appends waits for the one before. */
  #turn: Promise<void> = Promise.resolve();
  /** Dropping of old segments: one after the other, oldest first, beside the appends. */
  #dropping: Promise<void> = Promise.resolve();
  #failure: ClusterError | null = null;
  /** `null` where writes are left to the operating system: nothing is known to be on the disk then. */
  #endMark: EndMark | null = null;
  #isProving = false;
  #isClosed = false;

  constructor(options: SegmentLogOptions) {
    const { dir, segmentBytes } = options;
    assertInvariant(
      segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX,
      "a log segment has 4 KiB to 1 GiB",
    );
    this.#options = options;
    this.#disk = options.disk ?? nodeDisk;
    this.#pool = new SegmentPool(this.#disk, dir, segmentBytes);
    this.#recent = new RecentEntries(options.cacheBytesMax ?? CACHE_BYTES_MAX);
  }

  async open(): Promise<RecoveredLog> {
    const { dir, group, durability } = this.#options;
    const found = await recoverLog({ disk: this.#disk, dir, group, durability });
    this.#segments = found.segments;
    this.#state = found.state;
    this.#nextSequence = found.nextSequence;
    try {
      await this.#pool.adopt(found.spareNames);
      if (this.#segments.length === 0) await this.#roll(0);
      if (durability === "fsync") this.#endMark = await EndMark.open(this.#disk, dir, found.hasEndMark);
      this.#proveSoon();
    } catch (error) {
      const opened = this.#segments;
      // Closed here, and not once more by whoever closes what did not open: the numbers may be other files' by then.
      this.#segments = [];
      for (const segment of opened) await segment.file.close().catch(() => undefined);
      throw toDiskError(error, `opening the log in ${dir}`);
    }
    return {
      hardState: this.#state.hardState,
      snapshot: this.#state.snapshot,
      firstIndex: this.firstIndex(),
      lastIndex: this.lastIndex(),
      tornBytes: found.tornBytes,
    };
  }

  firstIndex(): LogIndex {
    return this.#state.firstIndex;
  }

  lastIndex(): LogIndex {
    return this.#state.lastIndex;
  }

  term(index: LogIndex): Term {
    return this.#state.term(index);
  }

  entries(lo: LogIndex, hi: LogIndex, bytesMax: number): readonly Entry[] {
    checkRange(lo, hi, this.firstIndex(), this.lastIndex());
    const entries: Entry[] = [];
    const budget = new ByteBudget(bytesMax);
    const cached = Math.min(hi, Math.max(lo, this.#recent.first));
    if (lo < cached) {
      if (!this.#readOld({ lo, hi: cached }, bytesMax, budget, entries)) return entries;
    }
    for (let index = cached; index < hi; index += 1) {
      const entry = this.#recent.at(index);
      assertInvariant(entry !== undefined, `entry ${index} is not among the recent ones`);
      if (!budget.take(entry.data.byteLength)) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Adds what memory has let go of; false when the budget did not allow all. Throws `log_corrupt`, `disk_failed`. */
  #readOld(
    range: { readonly lo: LogIndex; readonly hi: LogIndex },
    bytesMax: number,
    budget: ByteBudget,
    entries: Entry[],
  ): boolean {
    try {
      return readEntries(this.#state.index, this.#segments, range, bytesMax, budget, entries);
    } catch (error) {
      throw toDiskError(error, `reading the log in ${this.#options.dir}`);
    }
  }

  append(batch: LogAppend): Promise<void> {
    return this.#exclusive(async () => {
      checkAppend(this.#state, batch);
      const { entries, hardState, snapshot } = batch;
      await this.#write({
        entries,
        ...(hardState === undefined ? {} : { hardState }),
        ...(snapshot === undefined ? {} : { marker: snapshot, installs: true }),
      });
      // Entries of an abandoned history may have indexes above the snapshot's: all older segments go.
      if (snapshot !== undefined) void this.#drop(this.#segments.length - 1).catch(() => undefined);
      this.#prepareAhead();
      this.#proveSoon();
    });
  }

  async compact(marker: SnapshotMeta): Promise<void> {
    let dropped: Promise<void> = Promise.resolve();
    await this.#exclusive(async () => {
      if (!checkCompact(this.#state, marker, (index) => this.term(index))) return;
      await this.#write({ entries: [], marker, installs: false });
      const kept = this.#segments.findIndex((segment) => segment.indexMax > marker.index);
      const last = this.#segments.length - 1;
      dropped = this.#drop(kept < 0 ? last : Math.min(kept, last));
    });
    await dropped;
  }

  bytes(): number {
    const { index } = this.#state;
    if (index.first >= index.next) return 0;
    const number = index.segment(index.first);
    let bytes = -index.offset(index.first);
    for (const segment of this.#segments) {
      if (segment.number === number) bytes += segment.end;
      else if (segment.number > number) bytes += segment.end - segment.headerBytes;
    }
    return bytes;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    await this.#prove();
    await this.#endMark?.close();
    await this.#dropping.catch(() => undefined);
    await this.#pool.stop();
    for (const segment of this.#segments) await segment.file.close();
  }

  /** Runs `task` when those before it are done. */
  #exclusive(task: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(() => {
      if (this.#failure !== null) throw this.#failure;
      return task();
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Makes one frame durable, then takes it into the state. After a failure nothing is written any more. */
  async #write(record: LogRecord): Promise<void> {
    const measured = measureRecord(record);
    const bytes = FRAME_HEADER_BYTES + measured.bodyBytes;
    assertInvariant(bytes <= FRAME_BYTES_MAX, `an append of ${bytes} bytes`);
    let segment = this.#segments.at(-1);
    try {
      if (segment === undefined || segment.end + bytes > segment.capacity) segment = await this.#roll(bytes);
      await writeFully(
        segment.file,
        this.#encoder.encode(measured, this.#nextSequence, segment.seed),
        segment.end,
      );
    } catch (error) {
      throw this.#fail(error, `appending to the log in ${this.#options.dir}`);
    }
    this.#take(record, segment);
    segment.end += bytes;
    this.#nextSequence += 1;
  }

  #take(record: LogRecord, segment: SegmentFile): void {
    const { entries, hardState, marker } = record;
    if (hardState !== undefined) this.#state.hardState = hardState;
    if (marker !== undefined && record.installs === true) {
      this.#state.install(marker);
      this.#recent.cutFrom(0);
    } else if (marker !== undefined) {
      this.#state.compact(marker);
      this.#recent.dropThrough(marker.index);
    }
    const first = entries[0]?.index;
    if (first === undefined) return;
    this.#state.cutFrom(first);
    this.#recent.cutFrom(first);
    for (const entry of entries) {
      this.#state.index.push(entry.term, segment.number, segment.end);
      this.#recent.push(entry);
    }
    segment.indexMax = Math.max(segment.indexMax, this.#state.lastIndex);
  }

  /** Begins a new segment with room for a frame of `frameBytes`. */
  async #roll(frameBytes: number): Promise<SegmentFile> {
    const { dir, group, durability } = this.#options;
    const { hardState, snapshot, lastIndex } = this.#state;
    const previous = this.#segments.at(-1);
    const spare = await this.#pool.take(
      capacityFor({ hardState, snapshot }, frameBytes),
      previous === undefined,
    );
    const number = (previous?.number ?? 0) + 1;
    const header = {
      group,
      number,
      salt: this.#disk.salt(),
      capacity: spare.capacity,
      recycled: spare.recycled,
      firstSequence: this.#nextSequence,
      lastIndex,
      hardState,
      snapshot,
    } as const;
    const path = join(dir, segmentName(number));
    const segment = await createSegment(this.#disk, spare, path, header, durability);
    this.#segments.push(segment);
    return segment;
  }

  /** A quarter of the newest segment is used: time to think of the next. */
  #prepareAhead(): void {
    const newest = this.#segments.at(-1);
    if (newest !== undefined && newest.end > newest.capacity / 4) this.#pool.prepareSoon();
  }

  /** Writes down how far the log is complete, some time from now: behind the appends, and beside them. */
  #proveSoon(): void {
    if (this.#isProving || this.#endMark === null) return;
    this.#isProving = true;
    void this.#proveAfterRest().finally(() => {
      this.#isProving = false;
    });
  }

  async #proveAfterRest(): Promise<void> {
    for (let proven = 0; proven < this.#nextSequence - 1; ) {
      let seen = 0;
      for (let rests = 0; rests < END_RESTS_MAX && seen !== this.#nextSequence; rests += 1) {
        seen = this.#nextSequence;
        await this.#disk.idle(END_REST_MS);
        if (this.#isClosed) return;
      }
      proven = this.#nextSequence - 1;
      if (!(await this.#prove())) return;
    }
  }

  /** False when it could not be: what was written down before still holds, and no harm is done. */
  async #prove(): Promise<boolean> {
    if (this.#failure !== null || this.#endMark === null) return false;
    return this.#endMark.write(this.#nextSequence - 1).then(
      () => true,
      () => false,
    );
  }

  /** Lets go of the `count` oldest segments, oldest first, each durably gone before the next: a crash leaves no hole. */
  #drop(count: number): Promise<void> {
    const dropped = this.#segments.splice(0, count);
    this.#dropping = this.#dropping.then(async () => {
      try {
        for (const segment of dropped) {
          await segment.file.close();
          await this.#pool.recycle(segment.path, segment.capacity);
        }
      } catch (error) {
        throw this.#fail(error, `dropping old segments in ${this.#options.dir}`);
      }
    });
    return this.#dropping;
  }

  #fail(error: unknown, doing: string): ClusterError {
    this.#failure ??= toDiskError(error, doing);
    return this.#failure;
  }
}
