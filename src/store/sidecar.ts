/**
 * The index of a sealed segment, in a file beside it. Three parts after a header: a table of topics, the groups, and the rows of
 * blocks, topic by topic. Table and groups are loaded whole (and checked by one CRC); of the rows a reader fetches what it needs, so each
 * row carries a check of its own. All of it can be made again by reading the segment.
 *
 *     header  magic | version | crc of header, table and groups | topics | groups | blocks | segment bytes | 0 (u32 each)
 *             segment number | base position | last position (f64)
 *     topic   id | messages | first row | rows | first position | last position (less base) | bytes | 0 | first, newest timestamp (f64)
 *     group   first position (less base) | offset
 *     row     topic id | offset | length | messages | bytes | first, last position (less base) | check | newest timestamp (f64)
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import type { BlockEntry } from "./block.js";
import type { GrowingIndex } from "./segment-index.js";

export const SIDECAR_HEADER_BYTES = 56;
export const TOPIC_BYTES = 48;
export const GROUP_BYTES = 8;
export const ROW_BYTES = 40;
const MAGIC = 0x5849_474a; // "JGIX"
const VERSION = 1;
/** Rows written before other work gets a turn: a few milliseconds. */
const ROWS_PER_TURN = 10_000;

/** What a sidecar says of its segment. */
export interface SidecarHeader {
  readonly number: number;
  readonly segmentBytes: number;
  readonly basePosition: number;
  readonly lastPosition: number;
  readonly topics: number;
  readonly groups: number;
  readonly blocks: number;
}

/** Where the rows of blocks begin; the part before is loaded whole. */
export function rowsOffset(header: SidecarHeader): number {
  return SIDECAR_HEADER_BYTES + header.topics * TOPIC_BYTES + header.groups * GROUP_BYTES;
}

export function sidecarBytes(header: SidecarHeader): number {
  return rowsOffset(header) + header.blocks * ROW_BYTES;
}

/** `null` when the bytes are not a sidecar of this format. The CRC is checked by `isSoundSidecar`, on the whole of the first part. */
export function decodeSidecarHeader(bytes: Buffer): SidecarHeader | null {
  if (bytes.length < SIDECAR_HEADER_BYTES) return null;
  if (bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== VERSION) return null;
  const [number, basePosition, lastPosition] = [32, 40, 48].map((at) => bytes.readDoubleLE(at));
  if (!isCount(number) || !isCount(basePosition) || !isCount(lastPosition)) return null;
  return {
    topics: bytes.readUInt32LE(12),
    groups: bytes.readUInt32LE(16),
    blocks: bytes.readUInt32LE(20),
    segmentBytes: bytes.readUInt32LE(24),
    ...{ number, basePosition, lastPosition },
  };
}

function isCount(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && (value ?? -1) >= 0;
}

/** `bytes` is all that stands before the rows. */
export function isSoundSidecar(bytes: Buffer): boolean {
  return crc32(bytes.subarray(12)) === bytes.readUInt32LE(8);
}

/** The check of a row: cheap, as every block is checked again by its own CRC; it only has to notice a damaged row. */
function rowCheck(view: DataView, at: number): number {
  let check = 0x9e37_79b9;
  for (let i = 0; i < ROW_BYTES; i += 4) {
    if (i !== 28) check = Math.imul(check ^ view.getUint32(at + i, true), 0x0100_0193) ^ (check >>> 15);
  }
  return check >>> 0;
}

/** The row at `at`; `null` when it is damaged. */
export function decodeRow(view: DataView, at: number, basePosition: number): BlockEntry | null {
  if (view.getUint32(at + 28, true) !== rowCheck(view, at)) return null;
  return {
    topicId: view.getUint32(at, true),
    offset: view.getUint32(at + 4, true),
    length: view.getUint32(at + 8, true),
    messages: view.getUint32(at + 12, true),
    bytes: view.getUint32(at + 16, true),
    firstPosition: basePosition + view.getUint32(at + 20, true),
    lastPosition: basePosition + view.getUint32(at + 24, true),
    newestTimestampMs: view.getFloat64(at + 32, true),
  };
}

function writeRow(view: DataView, at: number, block: BlockEntry, basePosition: number): void {
  view.setUint32(at, block.topicId, true);
  view.setUint32(at + 4, block.offset, true);
  view.setUint32(at + 8, block.length, true);
  view.setUint32(at + 12, block.messages, true);
  view.setUint32(at + 16, block.bytes, true);
  view.setUint32(at + 20, block.firstPosition - basePosition, true);
  view.setUint32(at + 24, block.lastPosition - basePosition, true);
  view.setFloat64(at + 32, block.newestTimestampMs, true);
  view.setUint32(at + 28, rowCheck(view, at), true);
}

/** Segment facts that the index itself does not have. */
export interface SealedFacts {
  readonly number: number;
  readonly bytes: number;
  readonly basePosition: number;
  readonly lastPosition: number;
}

/** The whole sidecar of a segment that gets no more messages. With many topics it takes a while: others get turns in between. */
export async function encodeSidecar(index: GrowingIndex, facts: SealedFacts): Promise<Buffer> {
  const header: SidecarHeader = {
    number: facts.number,
    segmentBytes: facts.bytes,
    basePosition: facts.basePosition,
    lastPosition: facts.lastPosition,
    topics: index.topicCount,
    groups: index.groupCount,
    blocks: index.blockCount,
  };
  const rowsAt = rowsOffset(header);
  const bytes = Buffer.alloc(sidecarBytes(header));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  [MAGIC, VERSION, 0, header.topics, header.groups, header.blocks, header.segmentBytes].forEach(
    (value, i) => {
      view.setUint32(i * 4, value, true);
    },
  );
  view.setFloat64(32, header.number, true);
  view.setFloat64(40, header.basePosition, true);
  view.setFloat64(48, header.lastPosition, true);
  let row = 0;
  let rowOfTurn = 0;
  let at = SIDECAR_HEADER_BYTES;
  for (const topicId of Float64Array.from(index.topicIds()).sort()) {
    const blocks = index.blocksAbove(topicId, facts.basePosition);
    writeTopic(view, at, blocks, row, facts.basePosition);
    for (const block of blocks) {
      writeRow(view, rowsAt + row * ROW_BYTES, block, facts.basePosition);
      row += 1;
    }
    at += TOPIC_BYTES;
    if (row - rowOfTurn < ROWS_PER_TURN) continue;
    rowOfTurn = row;
    await nextTurn();
  }
  for (let group = 0; group < header.groups; group += 1) {
    view.setUint32(at, index.groupFirst(group) - facts.basePosition, true);
    view.setUint32(at + 4, index.groupOffset(group), true);
    at += GROUP_BYTES;
  }
  view.setUint32(8, crc32(bytes.subarray(12, rowsAt)), true);
  return bytes;
}

function writeTopic(view: DataView, at: number, blocks: BlockEntry[], firstRow: number, base: number): void {
  const first = blocks[0];
  const last = blocks.at(-1);
  if (first === undefined || last === undefined) return;
  let messages = 0;
  let bytes = 0;
  for (const block of blocks) {
    messages += block.messages;
    bytes += block.bytes;
  }
  view.setUint32(at, first.topicId, true);
  view.setUint32(at + 4, messages, true);
  view.setUint32(at + 8, firstRow, true);
  view.setUint32(at + 12, blocks.length, true);
  view.setUint32(at + 16, first.firstPosition - base, true);
  view.setUint32(at + 20, last.lastPosition - base, true);
  view.setUint32(at + 24, bytes, true);
  view.setFloat64(at + 32, first.newestTimestampMs, true);
  view.setFloat64(at + 40, last.newestTimestampMs, true);
}
