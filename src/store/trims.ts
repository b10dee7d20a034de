/**
 * What retention took away, in one small file, replaced as a whole: the floor of every topic that has one, and which segments
 * were dropped. It is durable before anything is removed or hidden, so a restart neither shows a trimmed message again nor
 * takes a dropped segment for a lost one.
 *
 *     magic u32 | version u32 | crc u32 of the rest | topics u32 | dropped u32 | 0 u32 | dropped through f64
 *     topic id f64, floor f64 ...   dropped segment number f64 ...
 */
import { crc32 } from "node:zlib";
import { corrupt } from "./segment-format.js";

const HEADER_BYTES = 32;
const MAGIC = 0x5254_474a; // "JGTR"
const VERSION = 1;

export interface Trims {
  /** Floors above 0 by topic id. */
  readonly floors: ReadonlyMap<number, number>;
  /** All segments up to this number were dropped. */
  readonly droppedThrough: number;
  /** Dropped segments above it, out of the middle. */
  readonly dropped: ReadonlySet<number>;
}

export const NO_TRIMS: Trims = Object.freeze({
  floors: new Map(),
  droppedThrough: 0,
  dropped: new Set<number>(),
});

export function isDropped(trims: Trims, segment: number): boolean {
  return segment <= trims.droppedThrough || trims.dropped.has(segment);
}

/** `trims` with more dropped segments, the unbroken run from the start folded into `droppedThrough`. */
export function withDropped(
  trims: Trims,
  segments: Iterable<number>,
): Pick<Trims, "dropped" | "droppedThrough"> {
  const dropped = new Set([...trims.dropped, ...segments]);
  let through = trims.droppedThrough;
  while (dropped.delete(through + 1)) through += 1;
  return { dropped, droppedThrough: through };
}

export function encodeTrims(trims: Trims): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + trims.floors.size * 16 + trims.dropped.size * 8);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  bytes.writeUInt32LE(trims.floors.size, 12);
  bytes.writeUInt32LE(trims.dropped.size, 16);
  bytes.writeDoubleLE(trims.droppedThrough, 24);
  let at = HEADER_BYTES;
  for (const [topicId, floor] of trims.floors) {
    bytes.writeDoubleLE(topicId, at);
    bytes.writeDoubleLE(floor, at + 8);
    at += 16;
  }
  for (const segment of trims.dropped) {
    bytes.writeDoubleLE(segment, at);
    at += 8;
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
  return bytes;
}

/** Throws `FatalError` `store_corrupt` when the bytes do not check. */
export function decodeTrims(bytes: Buffer, path: string): Trims {
  const known =
    bytes.length >= HEADER_BYTES && bytes.readUInt32LE(0) === MAGIC && bytes.readUInt32LE(4) === VERSION;
  if (!known || crc32(bytes.subarray(12)) !== bytes.readUInt32LE(8)) {
    throw corrupt(path, "the list of trimmed topics does not check");
  }
  const floors = new Map<number, number>();
  let at = HEADER_BYTES;
  for (let i = bytes.readUInt32LE(12); i > 0; i -= 1) {
    floors.set(bytes.readDoubleLE(at), bytes.readDoubleLE(at + 8));
    at += 16;
  }
  const dropped = new Set<number>();
  for (let i = bytes.readUInt32LE(16); i > 0; i -= 1) {
    dropped.add(bytes.readDoubleLE(at));
    at += 8;
  }
  return { floors, dropped, droppedThrough: bytes.readDoubleLE(24) };
}
