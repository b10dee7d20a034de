/**
 * The end of the newest segment after a crash: what an unfinished write left there is cleared, and what was read is made durable.
 * The last good frame is written once more: a process that died between a write and its sync, or that was told that the sync
 * failed, may have left a frame that is in the page cache and not on the disk (the cache then calls it clean, and a sync does nothing).
 */
import { type Disk, readFully, writeFully, zeroFill } from "./disk.js";
import type { FrameReader } from "./frame-reader.js";
import type { Durability, SegmentFile } from "./segment-file.js";

/** The end of the newest segment. */
export interface Tail {
  /** Its last good frame; length 0 when it has none. */
  readonly lastFrameOffset: number;
  readonly lastFrameBytes: number;
  /** Bytes behind it that an unfinished write left. */
  readonly tornBytes: number;
}

/**
 * Looks behind the last good frame. In a file of zeros everything there was torn; in a recycled file it may be of an older life, and
 * only a header that checks tells of an unfinished frame (without one there is nothing to tell it by, and it does no harm).
 */
export function tailOf(
  segment: SegmentFile,
  reader: FrameReader,
  sequence: number,
  lastFrameBytes: number,
): Tail {
  const { end } = segment;
  const tornBytes = segment.recycled ? reader.claimedBytes(end, sequence) : reader.endOfContent(end) - end;
  return { lastFrameOffset: end - lastFrameBytes, lastFrameBytes, tornBytes };
}

/** Clears the torn bytes and syncs everything that recovery relied on; gives the number of torn bytes. */
export async function repairTail(
  where: { readonly disk: Disk; readonly dir: string; readonly durability: Durability },
  segments: readonly SegmentFile[],
  tail: Tail,
): Promise<number> {
  const newest = segments.at(-1);
  if (newest === undefined) return 0;
  // An earlier run may have left syncing to the operating system.
  for (const segment of segments) await segment.file.sync();
  await where.disk.syncDirectory(where.dir);
  if (tail.lastFrameBytes > 0) {
    const frame = Buffer.allocUnsafeSlow(tail.lastFrameBytes);
    await readFully(newest.file, frame, tail.lastFrameOffset);
    await writeFully(newest.file, [frame], tail.lastFrameOffset);
  }
  await zeroFill(newest.file, newest.end, newest.end + tail.tornBytes);
  if (where.durability === "os") await newest.file.sync();
  return tail.tornBytes;
}
