/**
 * The format of stored messages (pure). A group is what one write added: a run of positions without a hole, as one block per
 * topic. A block is what a reader of one topic fetches: a header with a checksum, then its records, oldest first.
 *
 *     group   magic u32 | bytes u32 | crc u32 of the rest of this header | blocks u32 | first position f64 | positions u32 | 0 u32
 *     block   bytes u32 | crc u32 of all that follows | topic id u32 | records u32 | payload bytes u32 | span of positions u32 |
 *             first position f64 | first offset f64 | first timestamp f64 | newest timestamp f64 | records
 *     record  position step varint | flags u8 | payload bytes varint | [timestamp step] | [expiry] | [content type] | [publisher] |
 *             [properties] | payload
 *
 * What a record shares with the one before it (timestamp, content type, publisher) is left out; the first one follows no type and no publisher.
 */

import { crc32 } from "node:zlib";
import { NO_PROPERTIES } from "../commands/command.js";
import { assertInvariant } from "../errors.js";
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";

export const GROUP_HEADER_BYTES = 32;
export const BLOCK_HEADER_BYTES = 56;
/** Bytes of a record that are neither payload nor content type nor properties, at most: numbers and flags. */
export const RECORD_BYTES_MAX = 40;
/** Of one with a publisher or properties this many more. */
export const RECORD_EXTRA_BYTES_MAX = 16;
const GROUP_MAGIC = 0x5052_474a; // "JGRP"

const FLAG_QOS = 0b11;
const FLAG_RETAIN = 0b100;
const FLAG_EXPIRY = 0b1000;
const FLAG_TIME = 0b1_0000;
const FLAG_CONTENT_TYPE = 0b10_0000;
const FLAG_PUBLISHER = 0b100_0000;
const FLAG_PROPERTIES = 0b1000_0000;

/** A buffer with its view: headers go through the view, records through the bytes. */
export interface Scratch {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function scratch(bytes: Buffer): Scratch {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

export interface GroupHead {
  readonly bytes: number;
  readonly blocks: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
}

/** A block as the index knows it; `offset` counts from the start of the segment. */
export interface BlockEntry {
  readonly topicId: number;
  readonly offset: number;
  readonly length: number;
  readonly messages: number;
  readonly bytes: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly newestTimestampMs: number;
}

/** Writes a number of up to 53 bits, 7 bits a byte, lowest first; gives the end. */
function writeVarint(bytes: Buffer, start: number, value: number): number {
  let rest = value;
  let at = start;
  while (rest >= 0x1000_0000) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** Reads varints and runs of bytes out of one block; never past its end. */
class RecordReader {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  byte(): number {
    const byte = this.at < this.end ? this.bytes[this.at] : undefined;
    assertInvariant(byte !== undefined, "a record runs past its block though the checksum holds");
    this.at += 1;
    return byte;
  }

  skip(length: number): number {
    const start = this.at;
    this.at += length;
    assertInvariant(this.at <= this.end, "a record runs past its block though the checksum holds");
    return start;
  }
}

export function encodeGroupHeader(to: Scratch, at: number, head: GroupHead): void {
  const { view } = to;
  view.setUint32(at, GROUP_MAGIC, true);
  view.setUint32(at + 4, head.bytes, true);
  view.setUint32(at + 12, head.blocks, true);
  view.setFloat64(at + 16, head.firstPosition, true);
  view.setUint32(at + 24, head.lastPosition - head.firstPosition + 1, true);
  view.setUint32(at + 28, 0, true);
  view.setUint32(at + 8, groupCrc(to.bytes, at), true);
}

function groupCrc(bytes: Buffer, at: number): number {
  return crc32(bytes.subarray(at + 12, at + GROUP_HEADER_BYTES), bytes.readUInt32LE(at + 4));
}

/** `null` when there is no sound group header at `at`. */
export function decodeGroupHeader(from: Scratch, at: number): GroupHead | null {
  const { bytes, view } = from;
  if (at + GROUP_HEADER_BYTES > bytes.length || view.getUint32(at, true) !== GROUP_MAGIC) return null;
  if (view.getUint32(at + 8, true) !== groupCrc(bytes, at)) return null;
  const firstPosition = view.getFloat64(at + 16, true);
  return {
    bytes: view.getUint32(at + 4, true),
    blocks: view.getUint32(at + 12, true),
    firstPosition,
    lastPosition: firstPosition + view.getUint32(at + 24, true) - 1,
  };
}

/**
 * Writes one topic's messages of a group as a block; gives its end. `next` links each message to its topic's next one by
 * index (-1 ends); the caller has made room.
 */
export function encodeBlock(
  to: Scratch,
  start: number,
  messageAt: (index: number) => StoredMessage,
  first: number,
  next: Int32Array,
): number {
  const { bytes, view } = to;
  const head = messageAt(first);
  let at = start + BLOCK_HEADER_BYTES;
  let count = 0;
  let payloadBytes = 0;
  let position = head.position;
  let timestampMs = head.timestampMs;
  let contentType = "";
  let publisher = 0;
  for (let index = first; index !== -1; index = next[index] ?? -1) {
    const message = messageAt(index);
    const payload = message.payload;
    assertInvariant(message.offset === head.offset + count, "offsets of a topic are contiguous");
    assertInvariant(message.timestampMs >= timestampMs, "time never moves backwards");
    let flags: number = message.qos;
    if (message.retain) flags |= FLAG_RETAIN;
    if (message.expiresAtMs !== 0) flags |= FLAG_EXPIRY;
    if (message.timestampMs !== timestampMs) flags |= FLAG_TIME;
    if (message.contentType !== contentType) flags |= FLAG_CONTENT_TYPE;
    if (message.publisher !== publisher) flags |= FLAG_PUBLISHER;
    if (message.properties.length > 0) flags |= FLAG_PROPERTIES;
    at = writeVarint(bytes, at, message.position - position);
    bytes[at++] = flags;
    at = writeVarint(bytes, at, payload.length);
    if (flags > FLAG_RETAIN + FLAG_QOS) {
      if ((flags & FLAG_TIME) !== 0) at = writeVarint(bytes, at, message.timestampMs - timestampMs);
      if ((flags & FLAG_EXPIRY) !== 0) at = writeVarint(bytes, at, message.expiresAtMs);
      if ((flags & FLAG_CONTENT_TYPE) !== 0) {
        const length = Buffer.byteLength(message.contentType);
        at = writeVarint(bytes, at, length);
        at += bytes.write(message.contentType, at, "utf8");
        contentType = message.contentType;
      }
      if ((flags & FLAG_PUBLISHER) !== 0) at = writeVarint(bytes, at, message.publisher);
      if ((flags & FLAG_PROPERTIES) !== 0) {
        at = writeVarint(bytes, at, message.properties.length);
        bytes.set(message.properties, at);
        at += message.properties.length;
      }
      publisher = message.publisher;
    }
    bytes.set(payload, at);
    at += payload.length;
    position = message.position;
    timestampMs = message.timestampMs;
    payloadBytes += payload.length;
    count += 1;
  }
  view.setUint32(start, at - start, true);
  view.setUint32(start + 8, head.topic.id, true);
  view.setUint32(start + 12, count, true);
  view.setUint32(start + 16, payloadBytes, true);
  view.setUint32(start + 20, position - head.position, true);
  view.setFloat64(start + 24, head.position, true);
  view.setFloat64(start + 32, head.offset, true);
  view.setFloat64(start + 40, head.timestampMs, true);
  view.setFloat64(start + 48, timestampMs, true);
  view.setUint32(start + 4, crc32(bytes.subarray(start + 8, at)), true);
  return at;
}

/** The header of the block at `at`, as the index entry of a block that stands at `offset` of its segment. */
export function decodeBlockEntry(from: Scratch, at: number, offset: number): BlockEntry {
  const { view } = from;
  const firstPosition = view.getFloat64(at + 24, true);
  return {
    topicId: view.getUint32(at + 8, true),
    offset,
    length: view.getUint32(at, true),
    messages: view.getUint32(at + 12, true),
    bytes: view.getUint32(at + 16, true),
    firstPosition,
    lastPosition: firstPosition + view.getUint32(at + 20, true),
    newestTimestampMs: view.getFloat64(at + 48, true),
  };
}

/** Whether a whole block stands at `at`, ends by `end`, its checksum holds, and its header can be that of a block. */
export function isSoundBlock(from: Scratch, at: number, end: number): boolean {
  if (at + BLOCK_HEADER_BYTES > end) return false;
  const { bytes, view } = from;
  const length = view.getUint32(at, true);
  if (length < BLOCK_HEADER_BYTES || at + length > end) return false;
  if (crc32(bytes.subarray(at + 8, at + length)) !== view.getUint32(at + 4, true)) return false;
  const records = view.getUint32(at + 12, true);
  const firstPosition = view.getFloat64(at + 24, true);
  const firstOffset = view.getFloat64(at + 32, true);
  return (
    records > 0 &&
    records - 1 <= view.getUint32(at + 20, true) &&
    view.getUint32(at + 16, true) <= length &&
    isWhole(firstPosition) &&
    isWhole(firstOffset) &&
    isWhole(firstOffset + records) &&
    isWhole(view.getFloat64(at + 40, true)) &&
    isWhole(view.getFloat64(at + 48, true))
  );
}

/** Whether the block at `at` has no position outside of those of its group. */
export function isWithinGroup(from: Scratch, at: number, head: GroupHead): boolean {
  const { firstPosition, lastPosition } = decodeBlockEntry(from, at, at);
  return firstPosition >= head.firstPosition && lastPosition <= head.lastPosition;
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** Gives every message of a sound block above `after` and up to `through`, oldest first. Payloads are views of `from`. */
export function decodeBlock(
  from: Scratch,
  start: number,
  topic: TopicRef,
  after: number,
  through: number,
  take: (message: StoredMessage) => void,
): void {
  const { bytes, view } = from;
  const reader = new RecordReader(bytes, start + BLOCK_HEADER_BYTES, start + view.getUint32(start, true));
  const count = view.getUint32(start + 12, true);
  const firstOffset = view.getFloat64(start + 32, true);
  let position = view.getFloat64(start + 24, true);
  let timestampMs = view.getFloat64(start + 40, true);
  let contentType = "";
  let publisher = 0;
  for (let i = 0; i < count; i += 1) {
    position += reader.varint();
    if (position > through) return;
    const flags = reader.byte();
    const length = reader.varint();
    let expiresAtMs = 0;
    let properties = NO_PROPERTIES;
    if (flags > FLAG_RETAIN + FLAG_QOS) {
      if ((flags & FLAG_TIME) !== 0) timestampMs += reader.varint();
      if ((flags & FLAG_EXPIRY) !== 0) expiresAtMs = reader.varint();
      if ((flags & FLAG_CONTENT_TYPE) !== 0) {
        const typeLength = reader.varint();
        const typeStart = reader.skip(typeLength);
        contentType = bytes.toString("utf8", typeStart, typeStart + typeLength);
      }
      if ((flags & FLAG_PUBLISHER) !== 0) publisher = reader.varint();
      if ((flags & FLAG_PROPERTIES) !== 0) {
        const propertyBytes = reader.varint();
        const propertiesStart = reader.skip(propertyBytes);
        properties = new Uint8Array(bytes.buffer, bytes.byteOffset + propertiesStart, propertyBytes);
      }
    }
    const payloadStart = reader.skip(length);
    if (position <= after) continue;
    take({
      position,
      offset: firstOffset + i,
      topic,
      timestampMs,
      payload: new Uint8Array(bytes.buffer, bytes.byteOffset + payloadStart, length),
      contentType,
      qos: qosOf(flags),
      retain: (flags & FLAG_RETAIN) !== 0,
      expiresAtMs,
      properties,
      publisher,
    });
  }
}

function qosOf(flags: number): 0 | 1 | 2 {
  const qos = flags & FLAG_QOS;
  return qos === 0 ? 0 : qos === 1 ? 1 : 2;
}
