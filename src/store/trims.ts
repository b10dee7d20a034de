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

/** Which segments were dropped. */
export interface Drops {
  /** All segments up to this number were dropped. */
  readonly droppedThrough: number;
  /** Dropped segments above it, out of the middle. */
  readonly dropped: ReadonlySet<number>;
}

export interface Trims extends Drops {
  /** Topic ids and their floors (above 0), in turn: there may be as many as there are topics. */
  readonly floors: Float64Array;
}

export const NO_TRIMS: Trims = Object.freeze({
  floors: new Float64Array(0),
  droppedThrough: 0,
  dropped: new Set<number>(),
});

export function isDropped(trims: Drops, segment: number): boolean {
  return segment <= trims.droppedThrough || trims.dropped.has(segment);
}

/** `trims` with more dropped segments, the unbroken run from the start folded into `droppedThrough`. */
export function withDropped(drops: Drops, segments: Iterable<number>): Drops {
  const dropped = new Set([...drops.dropped, ...segments]);
  let through = drops.droppedThrough;
  while (dropped.delete(through + 1)) through += 1;
  return { dropped, droppedThrough: through };
}

export function encodeTrims({ floors, dropped, droppedThrough }: Trims): Buffer {
  const droppedAt = HEADER_BYTES + floors.byteLength;
  const bytes = Buffer.alloc(droppedAt + dropped.size * 8);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(VERSION, 4);
  bytes.writeUInt32LE(floors.length / 2, 12);
  bytes.writeUInt32LE(dropped.size, 16);
  bytes.writeDoubleLE(droppedThrough, 24);
  for (let i = 0; i < floors.length; i += 1) bytes.writeDoubleLE(floors[i] ?? 0, HEADER_BYTES + i * 8);
  [...dropped].forEach((segment, i) => {
    bytes.writeDoubleLE(segment, droppedAt + i * 8);
  });
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
  const [topics, drops] = [bytes.readUInt32LE(12), bytes.readUInt32LE(16)];
  if (bytes.length !== HEADER_BYTES + topics * 16 + drops * 8) {
    throw corrupt(path, "the list of trimmed topics is not as long as it says");
  }
  const floors = new Float64Array(topics * 2);
  for (let i = 0; i < floors.length; i += 1) floors[i] = bytes.readDoubleLE(HEADER_BYTES + i * 8);
  const droppedAt = HEADER_BYTES + floors.byteLength;
  const dropped = new Set<number>();
  for (let i = 0; i < drops; i += 1) dropped.add(bytes.readDoubleLE(droppedAt + i * 8));
  return { floors, dropped, droppedThrough: bytes.readDoubleLE(24) };
}
