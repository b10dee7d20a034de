/**
 * What a segment file opens with (pure): whose it is, the salt of its checksums, and the state of the log at the moment it began,
 * so that the segments before it can be dropped. Little-endian; the first 20 bytes keep their place in every version:
 *
 *     8 bytes magic, u32 version, u32 header length, u32 CRC-32 of the rest seeded with that of the 16 bytes before
 *     u32 flags, u32 group, u32 zero, f64 number, 8 bytes salt, f64 capacity, f64 first sequence, f64 last index,
 *     u32 length, {"hardState", "snapshot"} as JSON
 */
import { crc32 } from "node:zlib";
import { ClusterError } from "../errors.js";
import type { GroupId, HardState, LogIndex, SnapshotMeta } from "../types.js";
import { ALIGNMENT, roundUp } from "./record.js";
import { fieldsOf, isCount, parseHardState, parseJson, parseMeta, plainMeta } from "./snapshot-meta.js";

const MAGIC = Buffer.from("JNGLOG\r\n", "latin1");

/** The version that is written, and the newest that is read. */
export const LOG_VERSION = 1;

/** Headers are padded to whole disk sectors. */
const HEADER_STEP = 512;
const HEADER_BYTES_MAX = 1024 * 1024;
const PREFIX_BYTES = 20;
const FIXED_BYTES = 76;
const FLAG_RECYCLED = 1;
/** The number and the salt: what the checksums of the segment's frames start from. */
const SEED_FROM = 32;
const SEED_TO = 48;

export interface SegmentHeader {
  readonly group: GroupId;
  /** Counts the segments of this log from 1, without holes. */
  readonly number: number;
  /** Two random 32-bit numbers. */
  readonly salt: readonly [number, number];
  /** Bytes of the file, this header included. */
  readonly capacity: number;
  /** The file was another segment before: what lies behind the last frame means nothing. */
  readonly recycled: boolean;
  /** Sequence of the first frame that this segment holds or will hold. */
  readonly firstSequence: number;
  /** Last index of the log when the segment began. */
  readonly lastIndex: LogIndex;
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta | null;
}

/** A header that was read, with its length and the seed of the segment's checksums. */
export interface ReadHeader extends SegmentHeader {
  readonly headerBytes: number;
  readonly seed: number;
}

function stateOf(header: Pick<SegmentHeader, "hardState" | "snapshot">): Buffer {
  const { hardState, snapshot } = header;
  return Buffer.from(
    JSON.stringify({
      hardState: { term: hardState.term, vote: hardState.vote, commit: hardState.commit },
      snapshot: snapshot === null ? null : plainMeta(snapshot),
    }),
  );
}

/** Bytes that a header with this state takes. */
export function headerBytesFor(state: Pick<SegmentHeader, "hardState" | "snapshot">): number {
  return roundUp(FIXED_BYTES + stateOf(state).byteLength, HEADER_STEP);
}

/** The header as bytes, padded to whole sectors. */
export function encodeHeader(header: SegmentHeader): Buffer {
  const state = stateOf(header);
  const bytes = Buffer.alloc(headerBytesFor(header));
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(LOG_VERSION, 8);
  bytes.writeUInt32LE(bytes.byteLength, 12);
  bytes.writeUInt32LE(header.recycled ? FLAG_RECYCLED : 0, 20);
  bytes.writeUInt32LE(header.group, 24);
  bytes.writeDoubleLE(header.number, 32);
  bytes.writeUInt32LE(header.salt[0], 40);
  bytes.writeUInt32LE(header.salt[1], 44);
  bytes.writeDoubleLE(header.capacity, 48);
  bytes.writeDoubleLE(header.firstSequence, 56);
  bytes.writeDoubleLE(header.lastIndex, 64);
  bytes.writeUInt32LE(state.byteLength, 72);
  state.copy(bytes, FIXED_BYTES);
  bytes.writeUInt32LE(checksum(bytes), 16);
  return bytes;
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(PREFIX_BYTES), crc32(bytes.subarray(0, 16)));
}

/** Seed of the checksums of the frames in a segment that opens with these bytes. */
export function seedOf(bytes: Buffer): number {
  return crc32(bytes.subarray(SEED_FROM, SEED_TO));
}

function corrupt(path: string, why: string): ClusterError {
  return new ClusterError(
    "log_corrupt",
    `${path}: ${why} (offset 0). Nothing was changed; replace this node or restore its directory from a backup`,
  );
}

/**
 * Reads the header out of the first bytes of a file. `read` gives that many bytes from the file's start (fewer when the file
 * ends). Throws `log_corrupt`, or `log_version` for a whole header of a newer format.
 */
export function decodeHeader(path: string, read: (bytes: number) => Buffer): ReadHeader {
  const prefix = read(PREFIX_BYTES);
  if (prefix.byteLength < PREFIX_BYTES || !prefix.subarray(0, 8).equals(MAGIC)) {
    throw corrupt(path, "this is not a log segment");
  }
  const version = prefix.readUInt32LE(8);
  const headerBytes = prefix.readUInt32LE(12);
  // Frames behind it lie at multiples of 8.
  if (headerBytes < FIXED_BYTES || headerBytes > HEADER_BYTES_MAX || headerBytes % ALIGNMENT !== 0) {
    throw corrupt(path, "the header is damaged");
  }
  const bytes = read(headerBytes);
  if (bytes.byteLength < headerBytes || checksum(bytes) !== bytes.readUInt32LE(16)) {
    throw corrupt(path, "the header is damaged");
  }
  if (version > LOG_VERSION) {
    throw new ClusterError(
      "log_version",
      `${path}: format ${version} is newer than this program (${LOG_VERSION}): run the version that wrote it`,
    );
  }
  const state = fieldsOf(
    parseJson(bytes.toString("utf8", FIXED_BYTES, FIXED_BYTES + bytes.readUInt32LE(72))),
  );
  const hardState = parseHardState(state["hardState"]);
  const snapshot = state["snapshot"] === null ? null : parseMeta(state["snapshot"]);
  if (hardState === null || (snapshot === null && state["snapshot"] !== null)) {
    throw corrupt(path, "the header's state cannot be read");
  }
  const [number, capacity, firstSequence, lastIndex] = [32, 48, 56, 64].map((at) => bytes.readDoubleLE(at));
  if (!isCount(number) || !isCount(capacity) || !isCount(firstSequence) || !isCount(lastIndex)) {
    throw corrupt(path, "the header has numbers that cannot be");
  }
  return {
    group: bytes.readUInt32LE(24),
    number,
    salt: [bytes.readUInt32LE(40), bytes.readUInt32LE(44)],
    capacity,
    recycled: (bytes.readUInt32LE(20) & FLAG_RECYCLED) !== 0,
    firstSequence,
    lastIndex,
    hardState,
    snapshot,
    headerBytes,
    seed: seedOf(bytes),
  };
}
