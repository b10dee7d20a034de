/**
 * Old entries, read back from the segments at once: the engine asks for them in the middle of a step. Whole frames are read and both
 * checksums compared, so that damage that came after the start is found and not sent to a follower.
 */
import { assertInvariant, ClusterError } from "../errors.js";
import type { Entry, LogIndex } from "../types.js";
import type { EntryIndex } from "./entry-index.js";
import { FrameReader } from "./frame-reader.js";
import { type RecordView, readRecord } from "./record.js";
import type { SegmentFile } from "./segment-file.js";

const WINDOW_BYTES_MIN = 64 * 1024;
const WINDOW_BYTES_MAX = 1024 * 1024;

/** A budget of payload bytes: the first entry always fits. */
export class ByteBudget {
  #left: number;
  #empty = true;

  constructor(bytesMax: number) {
    this.#left = bytesMax;
  }

  /** Takes `bytes` out of the budget; false when they are not in it any more. */
  take(bytes: number): boolean {
    if (!this.#empty && bytes > this.#left) return false;
    this.#empty = false;
    this.#left -= bytes;
    return true;
  }
}

/**
 * Adds entries `lo` to `hi` (excluded) to `out`, as many as the budget allows; true when all of them were. Entry data are views
 * of buffers made here. Throws `log_corrupt`.
 */
export function readEntries(
  index: EntryIndex,
  segments: readonly SegmentFile[],
  range: { readonly lo: LogIndex; readonly hi: LogIndex },
  windowBytes: number,
  budget: ByteBudget,
  out: Entry[],
): boolean {
  let reader: FrameReader | null = null;
  let segment: SegmentFile | undefined;
  for (let at = range.lo; at < range.hi; ) {
    const number = index.segment(at);
    if (segment?.number !== number || reader === null) {
      segment = segments[number - (segments[0]?.number ?? 0)];
      assertInvariant(segment?.number === number, `segment ${number} is not open`);
      reader = newReader(segment, windowBytes);
    }
    const offset = index.offset(at);
    const record = recordAt(reader, segment, offset);
    const end = endOfFrame(index, record, at, range.hi);
    for (const entry of record.entries(at - record.firstIndex, end - record.firstIndex)) {
      if (!budget.take(entry.data.byteLength)) return false;
      out.push(entry);
    }
    at = end;
  }
  return true;
}

function newReader(segment: SegmentFile, windowBytes: number): FrameReader {
  return new FrameReader(segment.file, segment.seed, {
    end: segment.end,
    windowBytes: Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, windowBytes)),
    reuse: false,
  });
}

function recordAt(reader: FrameReader, segment: SegmentFile, offset: number): RecordView {
  const frame = reader.frame(offset);
  const record = frame === null ? null : readRecord(frame.body);
  if (record !== null) return record;
  throw new ClusterError(
    "log_corrupt",
    `${segment.path}: a frame that was good at the start is damaged (offset ${offset}): replace this node`,
  );
}

/** One above the last entry from `from` on that lies in the same frame: later ones may have been replaced. */
function endOfFrame(index: EntryIndex, record: RecordView, from: LogIndex, hi: LogIndex): LogIndex {
  const limit = Math.min(hi, record.firstIndex + record.count);
  const segment = index.segment(from);
  const offset = index.offset(from);
  let end = from + 1;
  while (end < limit && index.offset(end) === offset && index.segment(end) === segment) end += 1;
  return end;
}
