/**
 * Names and headers of segment files (pure). A segment is a header and then groups (block.ts), nothing between:
 *
 *     000000000001.seg   header, group, group, ...     append-only
 *     000000000001.idx   its index, once it is sealed  (sidecar.ts)
 *     000000000001.trims what retention took away      (trims.ts; the highest number counts)
 *
 * Numbers are little-endian; positions are doubles that hold safe integers.
 */
import { crc32 } from "node:zlib";
import { FatalError } from "../errors.js";

export const SEGMENT_HEADER_BYTES = 40;
const MAGIC = 0x4753_474a; // "JGSG"
const VERSION = 1;
/** The Raft group that the segment belongs to; there is one today. */
const GROUP = 0;

/** The head of a segment: its number, and the position before its first message. */
export interface SegmentHeader {
  readonly number: number;
  readonly basePosition: number;
}

export type StoreFileKind = "seg" | "idx" | "trims";

/** The file name of a segment, its index, or a list of what was trimmed. */
export function storeFileName(number: number, kind: StoreFileKind): string {
  return `${String(number).padStart(12, "0")}.${kind}`;
}

/** The reverse of `storeFileName`; `null` for a name that is none of ours. */
export function parseStoreFileName(
  name: string,
): { readonly number: number; readonly kind: StoreFileKind } | null {
  const match = /^(\d{12})\.(seg|idx|trims)$/.exec(name);
  const kind = match?.[2];
  if (kind !== "seg" && kind !== "idx" && kind !== "trims") return null;
  return { number: Number(match?.[1]), kind };
}

export function corrupt(path: string, what: string): FatalError {
  return new FatalError(
    "store_corrupt",
    `${path}: ${what}; restore the data directory from a backup or rejoin with an empty one`,
  );
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(GROUP, 12);
  bytes.writeDoubleLE(header.number, 16);
  bytes.writeDoubleLE(header.basePosition, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Throws `FatalError` `store_corrupt`, or `store_version` when a newer program wrote the file. */
export function decodeSegmentHeader(bytes: Buffer, path: string, number: number): SegmentHeader {
  if (bytes.length < SEGMENT_HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) {
    throw corrupt(path, "this is not a message segment");
  }
  // A newer program's header has its checksum in the same place: without it a flipped bit could pass for a newer format.
  const whole = crc32(bytes.subarray(8, SEGMENT_HEADER_BYTES)) === bytes.readUInt32LE(4);
  const version = bytes.readUInt32LE(8);
  if (whole && version > VERSION) {
    throw new FatalError(
      "store_version",
      `${path}: written by a newer version of Jangada (format ${version})`,
    );
  }
  if (!whole || bytes.readUInt32LE(12) !== GROUP || bytes.readDoubleLE(16) !== number) {
    throw corrupt(path, "the segment's header does not check");
  }
  return { number, basePosition: bytes.readDoubleLE(24) };
}
