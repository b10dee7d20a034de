/**
 * A frame: one append, checksummed (pure). 24 bytes of header, then the body (record.ts), both multiples of 8, little-endian:
 *
 *     u32 magic, u32 body length, f64 sequence, u32 CRC-32 of the body, u32 CRC-32 of the 20 bytes before
 *
 * Both checksums start from the segment's seed (its random salt and its number), and the sequence counts every frame of the log, so
 * that what an older life of a recycled segment left behind never passes for a frame of this one.
 */
import { crc32 } from "node:zlib";
import { type MeasuredRecord, writeRecordHead } from "./record.js";

export const FRAME_HEADER_BYTES = 24;
const CHECKED_BYTES = 20;

/** "JNGF": found by searching when a frame before it is broken. */
export const FRAME_MAGIC = Buffer.from("JNGF", "latin1");
const MAGIC_NUMBER = FRAME_MAGIC.readUInt32LE(0);

/** Entries at least this large are handed to the disk as they are; smaller ones are cheaper to copy into one buffer. */
const BY_REFERENCE_BYTES = 64 * 1024;
const SCRATCH_BYTES = 64 * 1024;
/** A scratch buffer larger than this is not kept. */
const SCRATCH_KEPT_BYTES = 4 * 1024 * 1024;

/** A frame's header. */
export interface FrameHeader {
  readonly bodyBytes: number;
  readonly sequence: number;
  readonly bodyCrc: number;
}

/** The frame header at `offset` of `bytes`; `null` when there is none, or not one of the segment that `seed` stands for. */
export function readFrameHeader(bytes: Buffer, offset: number, seed: number): FrameHeader | null {
  if (offset + FRAME_HEADER_BYTES > bytes.byteLength) return null;
  if (bytes.readUInt32LE(offset) !== MAGIC_NUMBER) return null;
  const crc = crc32(bytes.subarray(offset, offset + CHECKED_BYTES), seed);
  if (crc !== bytes.readUInt32LE(offset + CHECKED_BYTES)) return null;
  return {
    bodyBytes: bytes.readUInt32LE(offset + 4),
    sequence: bytes.readDoubleLE(offset + 8),
    bodyCrc: bytes.readUInt32LE(offset + 16),
  };
}

/** True when `body` is what the header was written for. */
export function bodyChecks(body: Buffer, header: FrameHeader, seed: number): boolean {
  return crc32(body, seed) === header.bodyCrc;
}

/** Turns records into frames. Holds the scratch buffer: one frame at a time, written before the next is encoded. */
export class FrameEncoder {
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

  /**
   * The frame as buffers to be written one after the other: usually one. Large entries' data are in it by reference;
   * everything is valid until the next call.
   */
  encode(measured: MeasuredRecord, sequence: number, seed: number): readonly Uint8Array[] {
    const scratch = this.#scratchFor(measured);
    const parts: Uint8Array[] = [];
    let start = 0;
    let at = writeRecordHead(measured, scratch, FRAME_HEADER_BYTES);
    let bodyBytes = at - FRAME_HEADER_BYTES;
    for (const { data } of measured.record.entries) {
      bodyBytes += data.byteLength;
      if (data.byteLength < BY_REFERENCE_BYTES) {
        scratch.set(data, at);
        at += data.byteLength;
      } else {
        parts.push(scratch.subarray(start, at), data);
        start = at;
      }
    }
    const padding = measured.bodyBytes - bodyBytes;
    scratch.fill(0, at, at + padding);
    at += padding;
    if (at > start || parts.length === 0) parts.push(scratch.subarray(start, at));
    this.#writeHeader(scratch, measured.bodyBytes, sequence, bodyCrc(parts, seed), seed);
    return parts;
  }

  #writeHeader(scratch: Buffer, bodyBytes: number, sequence: number, crc: number, seed: number): void {
    scratch.writeUInt32LE(MAGIC_NUMBER, 0);
    scratch.writeUInt32LE(bodyBytes, 4);
    scratch.writeDoubleLE(sequence, 8);
    scratch.writeUInt32LE(crc, 16);
    scratch.writeUInt32LE(crc32(scratch.subarray(0, CHECKED_BYTES), seed), CHECKED_BYTES);
  }

  #scratchFor(measured: MeasuredRecord): Buffer {
    let bytes = FRAME_HEADER_BYTES + measured.bodyBytes;
    for (const { data } of measured.record.entries) {
      if (data.byteLength >= BY_REFERENCE_BYTES) bytes -= data.byteLength;
    }
    if (bytes <= this.#scratch.byteLength) return this.#scratch;
    const larger = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)));
    if (larger.byteLength <= SCRATCH_KEPT_BYTES) this.#scratch = larger;
    return larger;
  }
}

/** Checksum over the parts without the header that the first of them opens with. */
function bodyCrc(parts: readonly Uint8Array[], seed: number): number {
  let crc = seed;
  for (let i = 0; i < parts.length; i += 1) {
    const part = parts[i];
    if (part !== undefined) crc = crc32(i === 0 ? part.subarray(FRAME_HEADER_BYTES) : part, crc);
  }
  return crc;
}
