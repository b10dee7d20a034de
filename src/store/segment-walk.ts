/**
 * Walks the groups and blocks of raw segment bytes into an index: what the writer does with what it has just written, and what
 * recovery does with a segment whose index is not there.
 */
import {
  BLOCK_HEADER_BYTES,
  decodeBlockEntry,
  decodeGroupHeader,
  GROUP_HEADER_BYTES,
  type GroupHead,
  isSoundBlock,
  isWithinGroup,
  type Scratch,
  scratch,
} from "./block.js";
import type { DiskFile } from "./disk.js";
import { corrupt, SEGMENT_HEADER_BYTES } from "./segment-format.js";
import type { GrowingIndex } from "./segment-index.js";

/** A segment is read this much at a time. */
const READ_BYTES = 4 * 1024 * 1024;

/** Adds a sound group, whose first byte is at `at` and stands at `offset` of its segment, to the index. */
export function indexGroup(
  from: Scratch,
  at: number,
  offset: number,
  head: GroupHead,
  index: GrowingIndex,
): void {
  index.addGroup(head, offset);
  let block = at + GROUP_HEADER_BYTES;
  for (let i = 0; i < head.blocks; i += 1) {
    const entry = decodeBlockEntry(from, block, offset + block - at);
    index.addBlock(entry);
    block += entry.length;
  }
}

/** Whether the group's blocks fill it exactly and their checksums hold. */
function isSoundGroup(from: Scratch, at: number, head: GroupHead): boolean {
  const end = at + head.bytes;
  let block = at + GROUP_HEADER_BYTES;
  for (let i = 0; i < head.blocks; i += 1) {
    if (!isSoundBlock(from, block, end) || !isWithinGroup(from, block, head)) return false;
    block += from.view.getUint32(block, true);
  }
  return block === end && head.blocks > 0;
}

/** Part of a segment, from a group's first byte to the end of one. */
export interface GroupRange {
  readonly from: number;
  readonly to: number;
  /** The position before the first message; `null` where it is not known. */
  readonly after: number | null;
}

/**
 * Reads a segment from its header to `bytes`, checks everything, and indexes it; gives the last position. Positions must follow
 * `basePosition` without a hole. Throws `FatalError` `store_corrupt` with file and place of what is wrong.
 */
export async function scanSegment(
  file: DiskFile,
  path: string,
  bytes: number,
  basePosition: number,
  index: GrowingIndex,
): Promise<number> {
  const range = { from: SEGMENT_HEADER_BYTES, to: bytes, after: basePosition };
  const last = await walkGroups(file, path, range, (chunk, at, offset, head) =>
    indexGroup(chunk, at, offset, head, index),
  );
  return last ?? basePosition;
}

/** Reads groups and checks everything; gives the last position, `after` where there is none. Throws `FatalError` `store_corrupt`. */
export async function walkGroups(
  file: DiskFile,
  path: string,
  { from, to, after }: GroupRange,
  onGroup: (chunk: Scratch, at: number, offset: number, head: GroupHead) => void = () => undefined,
): Promise<number | null> {
  let lastPosition = after;
  let offset = from;
  let readBytes = READ_BYTES;
  while (offset < to) {
    const chunk = scratch(Buffer.allocUnsafeSlow(Math.min(readBytes, to - offset)));
    if ((await file.read(chunk.bytes, offset)) !== chunk.bytes.length)
      throw corrupt(path, "the segment is cut short");
    let at = 0;
    while (at < chunk.bytes.length) {
      const isTail = offset + chunk.bytes.length === to;
      if (!isTail && at + GROUP_HEADER_BYTES > chunk.bytes.length) break;
      const head = decodeGroupHeader(chunk, at);
      if (head === null) throw corrupt(path, `no group begins at byte ${offset + at}`);
      if (at + head.bytes > chunk.bytes.length) {
        if (isTail) throw corrupt(path, `the group at byte ${offset + at} is cut short`);
        readBytes = Math.max(READ_BYTES, head.bytes + BLOCK_HEADER_BYTES);
        break;
      }
      const follows = lastPosition === null || head.firstPosition === lastPosition + 1;
      if (!follows || !isSoundGroup(chunk, at, head)) {
        throw corrupt(path, `the group at byte ${offset + at} does not check`);
      }
      onGroup(chunk, at, offset + at, head);
      lastPosition = head.lastPosition;
      at += head.bytes;
    }
    offset += at;
  }
  return lastPosition;
}
