/**
 * The body of a frame: what one append made durable, in bytes (pure). Little-endian:
 *
 *     u8 flags, 3 zero bytes, u32 entry count, f64 index of the first entry (0 without entries)
 *     [flag 1] f64 term, f64 commit, u8 length, vote
 *     [flag 2 or 4] f64 index, f64 term, u32 length, membership as JSON
 *     per entry: f64 term, u8 kind, u32 length
 *     the entries' data one after the other, then zeros to a multiple of 8
 */
import { assertInvariant } from "../errors.js";
import {
  type Entry,
  EntryKind,
  type HardState,
  type LogIndex,
  type SnapshotMeta,
  type Term,
} from "../types.js";
import { isCount, parseJson, parseMeta, plainMeta } from "./snapshot-meta.js";

/** What one frame says. */
export interface LogRecord {
  readonly entries: readonly Entry[];
  readonly hardState?: HardState;
  /** The log's base. */
  readonly marker?: SnapshotMeta;
  /** True: the marker is an installed snapshot, everything before it is gone. False: entries after it stay (compaction). */
  readonly installs?: boolean;
}

const FLAG_HARD_STATE = 1;
const FLAG_INSTALL = 2;
const FLAG_COMPACT = 4;
const FLAGS_KNOWN = FLAG_HARD_STATE | FLAG_INSTALL | FLAG_COMPACT;

const FIXED_BYTES = 16;
const HARD_STATE_BYTES = 17;
const MARKER_BYTES = 20;
const ENTRY_BYTES = 13;
const VOTE_BYTES_MAX = 255;

/** Frames, and so the bodies in them, are padded to this. */
export const ALIGNMENT = 8;

/** `bytes` rounded up to a multiple of `step`, a power of two or not. */
export function roundUp(bytes: number, step: number): number {
  return Math.ceil(bytes / step) * step;
}

/** A record measured and ready to be written: what the entries' data comes to, and the marker's membership as bytes. */
export interface MeasuredRecord {
  readonly record: LogRecord;
  readonly conf: Buffer | null;
  /** Everything before the entries' data. */
  readonly headBytes: number;
  /** The whole body, padded. */
  readonly bodyBytes: number;
}

/** Measures a record before it is known where it goes. */
export function measureRecord(record: LogRecord): MeasuredRecord {
  const { entries, hardState, marker } = record;
  let conf: Buffer | null = null;
  let headBytes = FIXED_BYTES + entries.length * ENTRY_BYTES;
  if (hardState !== undefined) {
    assertInvariant(hardState.vote.length <= VOTE_BYTES_MAX, "a vote is at most 255 characters");
    headBytes += HARD_STATE_BYTES + hardState.vote.length;
  }
  if (marker !== undefined) {
    conf = Buffer.from(JSON.stringify(plainMeta(marker).confState));
    headBytes += MARKER_BYTES + conf.byteLength;
  }
  let dataBytes = 0;
  for (const entry of entries) dataBytes += entry.data.byteLength;
  return { record, conf, headBytes, bodyBytes: roundUp(headBytes + dataBytes, ALIGNMENT) };
}

/** Writes everything before the entries' data at `start`; gives the position after it. */
export function writeRecordHead(measured: MeasuredRecord, target: Buffer, start: number): number {
  const { record, conf } = measured;
  const { entries, hardState, marker } = record;
  let flags = 0;
  if (hardState !== undefined) flags |= FLAG_HARD_STATE;
  if (marker !== undefined) flags |= record.installs === true ? FLAG_INSTALL : FLAG_COMPACT;
  let at = target.writeUInt32LE(flags, start);
  at = target.writeUInt32LE(entries.length, at);
  at = target.writeDoubleLE(entries[0]?.index ?? 0, at);
  if (hardState !== undefined) {
    at = target.writeDoubleLE(hardState.term, at);
    at = target.writeDoubleLE(hardState.commit, at);
    at = target.writeUInt8(hardState.vote.length, at);
    at += target.write(hardState.vote, at, "latin1");
  }
  if (marker !== undefined && conf !== null) {
    at = target.writeDoubleLE(marker.index, at);
    at = target.writeDoubleLE(marker.term, at);
    at = target.writeUInt32LE(conf.byteLength, at);
    at += conf.copy(target, at);
  }
  for (const entry of entries) {
    at = target.writeDoubleLE(entry.term, at);
    at = target.writeUInt8(entry.kind, at);
    at = target.writeUInt32LE(entry.data.byteLength, at);
  }
  return at;
}

/** A body that was read back: the rare parts decoded, the entries still in place. */
export class RecordView {
  readonly firstIndex: LogIndex;
  readonly count: number;
  readonly hardState: HardState | null;
  readonly marker: SnapshotMeta | null;
  readonly installs: boolean;
  readonly #body: Buffer;
  readonly #heads: number;

  constructor(
    body: Buffer,
    heads: number,
    fields: Pick<RecordView, "firstIndex" | "count" | "hardState" | "marker" | "installs">,
  ) {
    this.#body = body;
    this.#heads = heads;
    this.firstIndex = fields.firstIndex;
    this.count = fields.count;
    this.hardState = fields.hardState;
    this.marker = fields.marker;
    this.installs = fields.installs;
  }

  /** Term of the `nth` entry, from 0. */
  term(nth: number): Term {
    return this.#body.readDoubleLE(this.#heads + nth * ENTRY_BYTES);
  }

  /** Entries `from` (included) to `to` (excluded), counted from 0. Their data are views of the body. */
  entries(from: number, to: number): Entry[] {
    const entries: Entry[] = [];
    let at = this.#heads + this.count * ENTRY_BYTES;
    for (let nth = 0; nth < to; nth += 1) {
      const head = this.#heads + nth * ENTRY_BYTES;
      const bytes = this.#body.readUInt32LE(head + 9);
      if (nth >= from) {
        entries.push({
          term: this.#body.readDoubleLE(head),
          index: this.firstIndex + nth,
          kind: this.#body[head + 8] === EntryKind.ConfChange ? EntryKind.ConfChange : EntryKind.Command,
          data: this.#body.subarray(at, at + bytes),
        });
      }
      at += bytes;
    }
    return entries;
  }
}

/** Where a decoder stands in a body; `null` from a step means that the body is too short or says nonsense. */
interface Decoded<T> {
  readonly value: T;
  readonly at: number;
}

function readHardState(body: Buffer, at: number): Decoded<HardState> | null {
  if (at + HARD_STATE_BYTES > body.byteLength) return null;
  const voteBytes = body.readUInt8(at + 16);
  const end = at + HARD_STATE_BYTES + voteBytes;
  if (end > body.byteLength) return null;
  const [term, commit] = [body.readDoubleLE(at), body.readDoubleLE(at + 8)];
  if (!isCount(term) || !isCount(commit)) return null;
  const vote = body.toString("latin1", at + HARD_STATE_BYTES, end);
  return { value: { term, vote, commit }, at: end };
}

function readMarker(body: Buffer, at: number): Decoded<SnapshotMeta> | null {
  if (at + MARKER_BYTES > body.byteLength) return null;
  const end = at + MARKER_BYTES + body.readUInt32LE(at + 16);
  if (end > body.byteLength) return null;
  const value = parseMeta({
    index: body.readDoubleLE(at),
    term: body.readDoubleLE(at + 8),
    confState: parseJson(body.toString("utf8", at + MARKER_BYTES, end)),
  });
  return value === null ? null : { value, at: end };
}

/** True when the entries' heads and data fill the body to its padding. */
function entriesFit(body: Buffer, heads: number, count: number): boolean {
  let end = heads + count * ENTRY_BYTES;
  if (end > body.byteLength) return false;
  for (let nth = 0; nth < count; nth += 1) {
    const head = heads + nth * ENTRY_BYTES;
    if (!isCount(body.readDoubleLE(head)) || (body[head + 8] ?? 0) > EntryKind.ConfChange) return false;
    end += body.readUInt32LE(head + 9);
  }
  return roundUp(end, ALIGNMENT) === body.byteLength;
}

/** Reads a body whose checksum was right. `null`: it is not a body of this format. */
export function readRecord(body: Buffer): RecordView | null {
  if (body.byteLength < FIXED_BYTES) return null;
  const flags = body.readUInt32LE(0);
  if ((flags & ~FLAGS_KNOWN) !== 0) return null;
  const count = body.readUInt32LE(4);
  const firstIndex = body.readDoubleLE(8);
  if (!isCount(firstIndex) || !isCount(firstIndex + count)) return null;
  let at = FIXED_BYTES;
  const hardState = (flags & FLAG_HARD_STATE) === 0 ? null : readHardState(body, at);
  if (hardState !== null) at = hardState.at;
  else if ((flags & FLAG_HARD_STATE) !== 0) return null;
  const hasMarker = (flags & (FLAG_INSTALL | FLAG_COMPACT)) !== 0;
  const marker = hasMarker ? readMarker(body, at) : null;
  if (marker !== null) at = marker.at;
  else if (hasMarker) return null;
  if (!entriesFit(body, at, count)) return null;
  return new RecordView(body, at, {
    firstIndex,
    count,
    hardState: hardState?.value ?? null,
    marker: marker?.value ?? null,
    installs: (flags & FLAG_INSTALL) !== 0,
  });
}
