/** Fetches blocks and groups of a segment: neighbours in one read, a checksum over everything that is handed out. */
import {
  type BlockEntry,
  decodeBlock,
  decodeGroupHeader,
  GROUP_HEADER_BYTES,
  type GroupHead,
  isSoundBlock,
  type Scratch,
  scratch,
} from "./block.js";
import type { SegmentHandle } from "./segment-catalog.js";
import { corrupt } from "./segment-format.js";

/** Blocks that are no further apart than this are fetched in one read, up to the second figure: a read costs about as much. */
const GAP_BYTES_MAX = 16 * 1024;
const SPAN_BYTES_MAX = 256 * 1024;
/** Reads under way for one reader: more would keep the log's syncs waiting in the thread pool. */
const READS_AT_ONCE = 2;

interface Span {
  readonly blocks: BlockEntry[];
  readonly offset: number;
  end: number;
}

function spansOf(blocks: readonly BlockEntry[]): Span[] {
  const spans: Span[] = [];
  let span: Span | undefined;
  for (const block of blocks) {
    const end = block.offset + block.length;
    if (
      span !== undefined &&
      block.offset - span.end <= GAP_BYTES_MAX &&
      end - span.offset <= SPAN_BYTES_MAX
    ) {
      span.blocks.push(block);
      span.end = end;
    } else {
      span = { blocks: [block], offset: block.offset, end };
      spans.push(span);
    }
  }
  return spans;
}

/** Bytes of a segment; throws `store_corrupt` when they are not there. */
export async function readBytes(handle: SegmentHandle, offset: number, end: number): Promise<Scratch> {
  const bytes = Buffer.allocUnsafeSlow(end - offset);
  const got = await handle.file.read(bytes, offset);
  if (got !== bytes.length)
    throw corrupt(handle.path, `the segment ends at byte ${offset + got}, its index goes on`);
  return scratch(bytes);
}

/** Reads blocks (in order of offset), checks them and hands each to `visit` with where it begins in the bytes. */
export async function readBlocks(
  handle: SegmentHandle,
  blocks: readonly BlockEntry[],
  visit: (from: Scratch, at: number, block: BlockEntry) => void,
): Promise<void> {
  const spans = spansOf(blocks);
  for (let i = 0; i < spans.length; i += READS_AT_ONCE) {
    const some = spans.slice(i, i + READS_AT_ONCE);
    const bodies = await Promise.all(some.map((span) => readBytes(handle, span.offset, span.end)));
    some.forEach((span, place) => {
      const from = bodies[place];
      if (from === undefined) return;
      for (const block of span.blocks) {
        const at = block.offset - span.offset;
        checkBlock(handle, from, at, block);
        visit(from, at, block);
      }
    });
  }
}

function checkBlock(handle: SegmentHandle, from: Scratch, at: number, block: BlockEntry): void {
  const { view } = from;
  const isTheOne =
    view.getUint32(at, true) === block.length &&
    view.getUint32(at + 8, true) === block.topicId &&
    view.getFloat64(at + 24, true) === block.firstPosition;
  if (!isTheOne || !isSoundBlock(from, at, at + block.length)) {
    throw corrupt(handle.path, `the block at byte ${block.offset} does not check`);
  }
}

/** The group at `at`, and where each of its blocks begins, all of them checked. `offset` is where `from` begins in the segment. */
export function openGroup(
  handle: SegmentHandle,
  from: Scratch,
  at: number,
  offset: number,
): { readonly head: GroupHead; readonly blocks: readonly number[] } {
  const head = decodeGroupHeader(from, at);
  if (head === null) throw corrupt(handle.path, `no group begins at byte ${offset + at}`);
  const blocks: number[] = [];
  let block = at + GROUP_HEADER_BYTES;
  for (let i = 0; i < head.blocks; i += 1) {
    if (!isSoundBlock(from, block, Math.min(at + head.bytes, from.bytes.length))) {
      throw corrupt(handle.path, `the block at byte ${offset + block} does not check`);
    }
    blocks.push(block);
    block += from.view.getUint32(block, true);
  }
  return { head, blocks };
}

/**
 * A block less what stands at or below `floor`. A floor lies at the end of a block, except when the messages were applied again after a
 * crash and came into other blocks: only then is the block read.
 */
export async function partAbove(
  handle: SegmentHandle,
  block: BlockEntry,
  floor: number,
): Promise<BlockEntry> {
  if (block.firstPosition > floor) return block;
  let messages = 0;
  let bytes = 0;
  let firstPosition = 0;
  await readBlocks(handle, [block], (from, at) => {
    decodeBlock(from, at, { id: block.topicId, name: "" }, floor, block.lastPosition, (message) => {
      if (messages === 0) firstPosition = message.position;
      messages += 1;
      bytes += message.payload.length;
    });
  });
  return { ...block, messages, bytes, firstPosition };
}
