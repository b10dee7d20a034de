/**
 * What the log's directory holds after whatever happened to it. Every frame is read and checked, oldest segment first. The first
 * frame that does not check is the torn end of the last write if nothing valid follows it (one append is in flight at a time, so
 * only the last frame can be unfinished), and damage if anything does, or if the mark of the log's end says that it was complete: then
 * the log refuses to open and nothing is changed.
 *
 * A segment has its name only when its header is durable, is named only when the one before it is complete, and is dropped only oldest
 * first. So holes in the numbers, bad headers and sequences that do not go on are damage, at whatever moment a crash came.
 */
import { join } from "node:path";
import { ClusterError } from "../errors.js";
import type { GroupId } from "../types.js";
import { type Disk, toDiskError } from "./disk.js";
import { END_MARK_NAME, provenSequence } from "./end-mark.js";
import { FrameReader } from "./frame-reader.js";
import { LogState } from "./log-state.js";
import { type RecordView, readRecord } from "./record.js";
import { type Durability, readHeader, type SegmentFile, segmentName, segmentNumber } from "./segment-file.js";
import type { ReadHeader } from "./segment-header.js";
import { isSpareName } from "./segment-pool.js";
import { repairTail, type Tail, tailOf } from "./torn-tail.js";

export interface RecoveryOptions {
  readonly disk: Disk;
  readonly dir: string;
  readonly group: GroupId;
  readonly durability: Durability;
}

export interface Recovery {
  /** Oldest first, without holes; the last is open for appending. Empty in a new directory. */
  readonly segments: SegmentFile[];
  readonly state: LogState;
  readonly nextSequence: number;
  readonly tornBytes: number;
  /** Whether there is a mark of the log's end already. */
  readonly hasEndMark: boolean;
  /** Files of the pool. */
  readonly spareNames: readonly string[];
}

/** Large enough to stream, small enough to stay in the processor's cache. */
const WINDOW_BYTES = 1024 * 1024;

/** Damage. Says where, and that nothing was touched. */
export function logCorrupt(path: string, offset: number, why: string): ClusterError {
  return new ClusterError(
    "log_corrupt",
    `${path}: ${why} (offset ${offset}). Nothing was changed; replace this node or restore its directory from a backup`,
  );
}

/** Opens, checks and repairs. Throws `log_corrupt`, `log_version`, `disk_full`, `disk_failed`. */
export async function recoverLog(options: RecoveryOptions): Promise<Recovery> {
  const { disk, dir } = options;
  const scan = new Scan(options);
  try {
    await disk.makeDirectory(dir);
    const names = await disk.list(dir);
    const numbers = segmentNumbers(dir, names);
    for (const number of numbers) await scan.readSegment(number, number === numbers.at(-1));
    scan.finish();
    const hasEndMark = names.includes(END_MARK_NAME);
    if (hasEndMark) scan.checkEnd(await provenSequence(disk, dir));
    const tornBytes = await repairTail(options, scan.segments, scan.tail);
    return {
      segments: scan.segments,
      state: scan.state,
      nextSequence: scan.nextSequence,
      tornBytes,
      hasEndMark,
      spareNames: names.filter(isSpareName),
    };
  } catch (error) {
    for (const segment of scan.segments) await segment.file.close().catch(() => undefined);
    throw toDiskError(error, `opening the log in ${dir}`);
  }
}

/** The numbers of the segments in a directory, in order. Throws `log_corrupt` when one is missing or oddly named. */
function segmentNumbers(directory: string, names: readonly string[]): number[] {
  const numbers: number[] = [];
  for (const name of names) {
    const number = segmentNumber(name);
    if (number !== null) numbers.push(number);
    else if (name.endsWith(".seg")) {
      throw logCorrupt(join(directory, name), 0, "this is not the name of a segment");
    }
  }
  numbers.sort((a, b) => a - b);
  const first = numbers[0] ?? 0;
  const hole = numbers.findIndex((number, nth) => number !== first + nth);
  if (hole >= 0) throw logCorrupt(join(directory, segmentName(first + hole)), 0, "the segment is missing");
  return numbers;
}

class Scan {
  readonly segments: SegmentFile[] = [];
  state = new LogState();
  nextSequence = 1;
  /** What follows the last frame. */
  tail: Tail = { lastFrameOffset: 0, lastFrameBytes: 0, tornBytes: 0 };
  readonly #options: RecoveryOptions;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Reads one segment, the next in order. `last`: it is the one that is appended to. */
  async readSegment(number: number, last: boolean): Promise<void> {
    const { disk, dir, durability } = this.#options;
    const path = join(dir, segmentName(number));
    const file = await disk.open(path, !last ? "read" : durability === "fsync" ? "update-durable" : "update");
    const previous = this.segments.at(-1);
    const segment: SegmentFile = {
      path,
      file,
      number,
      capacity: 0,
      recycled: false,
      headerBytes: 0,
      seed: 0,
      end: 0,
      indexMax: 0,
    };
    this.segments.push(segment);
    const header = readHeader(file, path);
    this.#checkHeader(path, number, header, await file.size());
    this.#checkChain(path, header, previous);
    const { capacity, recycled, headerBytes, seed } = header;
    const known = { ...segment, capacity, recycled, headerBytes, seed, end: headerBytes };
    this.segments[this.segments.length - 1] = known;
    const reader = new FrameReader(file, seed, { end: capacity, windowBytes: WINDOW_BYTES, reuse: true });
    const lastFrameBytes = this.#readFrames(known, reader);
    if (!last) return;
    const later = reader.findLaterFrame(known.end, this.nextSequence);
    if (later >= 0) {
      throw logCorrupt(path, known.end, `a frame is damaged, and there is a later one at ${later}`);
    }
    this.tail = tailOf(known, reader, this.nextSequence, lastFrameBytes);
  }

  /** The end state must be one that the log can have reached. */
  finish(): void {
    const { state } = this;
    const path = this.segments.at(-1)?.path ?? this.#options.dir;
    if (state.index.first > state.base + 1) {
      throw logCorrupt(
        this.segments[0]?.path ?? path,
        0,
        `entries ${state.base + 1} to ${state.index.first - 1} are missing`,
      );
    }
    if (state.hardState.commit > state.lastIndex) {
      const why = `entry ${state.hardState.commit} was committed and the log ends at ${state.lastIndex}`;
      throw logCorrupt(path, this.segments.at(-1)?.end ?? 0, why);
    }
  }

  /** What was complete once is there. */
  checkEnd(proven: number): void {
    if (proven < this.nextSequence) return;
    const newest = this.segments.at(-1);
    throw logCorrupt(
      newest?.path ?? this.#options.dir,
      newest?.end ?? 0,
      `frame ${this.nextSequence} is damaged or missing, and the log was complete up to frame ${proven}`,
    );
  }

  #checkHeader(path: string, number: number, header: ReadHeader, size: number): void {
    if (header.number !== number)
      throw logCorrupt(path, 0, `the file is segment ${header.number} under another name`);
    if (header.group !== this.#options.group)
      throw logCorrupt(path, 0, `the file belongs to group ${header.group}`);
    if (size < header.capacity) {
      throw logCorrupt(path, size, `the file was cut short, it had ${header.capacity} bytes`);
    }
  }

  /** A segment goes on where the one before it ended. The oldest says itself where it goes on. */
  #checkChain(path: string, header: ReadHeader, previous: SegmentFile | undefined): void {
    if (previous === undefined) {
      this.state = new LogState(header.hardState, header.snapshot, header.lastIndex);
      this.nextSequence = header.firstSequence;
      return;
    }
    if (header.firstSequence !== this.nextSequence) {
      const why = `frame ${this.nextSequence} is damaged or missing, the next segment goes on at ${header.firstSequence}`;
      throw logCorrupt(previous.path, previous.end, why);
    }
    if (header.lastIndex !== this.state.lastIndex) {
      throw logCorrupt(
        path,
        0,
        `the segment goes on after entry ${header.lastIndex}, the log is at ${this.state.lastIndex}`,
      );
    }
  }

  /** Takes every good frame of a segment; gives the length of the last. Leaves `segment.end` where the first bad one would be. */
  #readFrames(segment: SegmentFile, reader: FrameReader): number {
    let lastFrameBytes = 0;
    for (;;) {
      const frame = reader.frame(segment.end);
      if (frame === null || frame.sequence !== this.nextSequence) return lastFrameBytes;
      const record = readRecord(frame.body);
      if (record === null) throw logCorrupt(segment.path, segment.end, "a frame cannot be read");
      this.#take(record, segment);
      segment.end += frame.bytes;
      this.nextSequence += 1;
      lastFrameBytes = frame.bytes;
    }
  }

  #take(record: RecordView, segment: SegmentFile): void {
    const { state } = this;
    const { marker, firstIndex, count } = record;
    if (record.hardState !== null) state.hardState = record.hardState;
    if (marker !== null && record.installs) state.install(marker);
    else if (marker !== null) {
      if (marker.index > state.lastIndex)
        throw logCorrupt(segment.path, segment.end, "a marker lies beyond the log");
      state.compact(marker);
    }
    if (count === 0) return;
    if (firstIndex <= state.base || firstIndex > state.lastIndex + 1) {
      const why = `entry ${firstIndex} cannot follow ${state.lastIndex} (base ${state.base})`;
      throw logCorrupt(segment.path, segment.end, why);
    }
    state.cutFrom(firstIndex);
    for (let nth = 0; nth < count; nth += 1) state.index.push(record.term(nth), segment.number, segment.end);
    segment.indexMax = Math.max(segment.indexMax, state.lastIndex);
  }
}
