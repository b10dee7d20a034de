/**
 * Reads a file of the store before it goes into a snapshot: what is damaged here must not become what others begin from. Of a segment that
 * grew since the snapshot before, only what was added.
 */
import { type Disk, type DiskFile, readWhole } from "./disk.js";
import { SealedIndex } from "./sealed-index.js";
import { corrupt, decodeSegmentHeader, parseStoreFileName, SEGMENT_HEADER_BYTES } from "./segment-format.js";
import { walkGroups } from "./segment-walk.js";
import { decodeTrims } from "./trims.js";

/** A file of a snapshot and which of its bytes to read. */
export interface CheckedFile {
  readonly name: string;
  readonly path: string;
  readonly from: number;
  readonly bytes: number;
}

/** Rejects with `FatalError` `store_corrupt`, or as the disk does. */
export async function checkStoreFile(disk: Disk, { name, path, from, bytes }: CheckedFile): Promise<void> {
  const parsed = parseStoreFileName(name);
  if (parsed === null || from >= bytes) return;
  if (parsed.kind === "trims") decodeTrims(await readWhole(disk, path), path);
  else if (parsed.kind === "idx") await checkIndex(disk, path);
  else {
    const file = await disk.open(path, "read");
    try {
      await checkSegment(file, path, parsed.number, from, bytes);
    } finally {
      await file.close();
    }
  }
}

async function checkIndex(disk: Disk, path: string): Promise<void> {
  const index = await SealedIndex.open(disk, path);
  if (index === null) throw corrupt(path, "the index is missing or does not check");
  try {
    await index.verify();
  } finally {
    await index.close();
  }
}

async function checkSegment(
  file: DiskFile,
  path: string,
  number: number,
  from: number,
  to: number,
): Promise<void> {
  if (from > 0) {
    await walkGroups(file, path, { from, to, after: null });
    return;
  }
  const head = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const got = await file.read(head, 0);
  const { basePosition } = decodeSegmentHeader(head.subarray(0, got), path, number);
  await walkGroups(file, path, { from: SEGMENT_HEADER_BYTES, to, after: basePosition });
}
