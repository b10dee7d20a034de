/**
 * Takes the files of a snapshot in place of those that are there. They are written into a directory aside and made durable; which of
 * the two directories counts is decided by the mark that the store is opened with, as the mark changes in one transaction
 * with the rest of the state. So a crash at any point leaves the old messages with the old state or the new with the new.
 */
import { assertInvariant } from "../errors.js";
import type { Disk } from "./disk.js";
import { readWhole } from "./disk.js";
import type { StoreMark } from "./message-store.js";
import {
  corrupt,
  decodeSegmentHeader,
  parseStoreFileName,
  SEGMENT_HEADER_BYTES,
  storeFileName,
} from "./segment-format.js";
import { GrowingIndex } from "./segment-index.js";
import { scanSegment } from "./segment-walk.js";
import { decodeTrims, isDropped } from "./trims.js";

/** The directory in use, the one that a replacement is written to, and the one that it takes the place of. */
export const CURRENT = "messages";
const INCOMING = "messages.incoming";
const OUTGOING = "messages.outgoing";
/** Says that the incoming directory is complete. */
const COMPLETE = "complete";
const READ_BYTES = 1024 * 1024;

/** Where the files come from. */
export interface ReplacementSource {
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
  /** Puts the durable file itself there; false: it has to be read. */
  link(name: string, path: string): Promise<boolean>;
}

/** Writes the files aside, durably. Throws `FatalError` `store_corrupt` for a file that is not one of the store's. */
export async function stageReplacement(
  disk: Disk,
  parent: string,
  files: readonly { readonly name: string; readonly bytes: number }[],
  source: ReplacementSource,
): Promise<void> {
  const incoming = `${parent}/${INCOMING}`;
  await disk.removeTree(incoming);
  await disk.makeDirectory(incoming);
  for (const { name, bytes } of files) {
    if (parseStoreFileName(name) === null) throw corrupt(name, "this is not a file of the message store");
    const path = `${incoming}/${name}`;
    if (await source.link(name, path)) continue;
    await writeFile(disk, path, bytes, (offset, length) => source.read(name, offset, length));
  }
  await disk.syncDirectory(incoming);
  await writeFile(disk, `${incoming}/${COMPLETE}`, 0, async () => new Uint8Array(0));
  await disk.syncDirectory(incoming);
  await disk.syncDirectory(parent);
}

async function writeFile(
  disk: Disk,
  path: string,
  bytes: number,
  read: (offset: number, length: number) => Promise<Uint8Array>,
): Promise<void> {
  const file = await disk.open(path, "create");
  try {
    for (let at = 0; at < bytes; ) {
      const chunk = await read(at, Math.min(READ_BYTES, bytes - at));
      assertInvariant(chunk.length > 0, "a snapshot gives its files whole");
      await file.write(chunk, at);
      at += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts the directory that goes with the mark in its place, and clears the other away. */
export async function settleReplacement(disk: Disk, parent: string, mark: StoreMark): Promise<void> {
  const path = (name: string): string => `${parent}/${name}`;
  const names = await disk.list(parent);
  const isStaged = names.includes(INCOMING) && (await disk.list(path(INCOMING))).includes(COMPLETE);
  if (isStaged && (await endsAt(disk, path(INCOMING), mark))) {
    if (names.includes(CURRENT)) {
      await disk.removeTree(path(OUTGOING));
      await disk.rename(path(CURRENT), path(OUTGOING));
    }
    await disk.rename(path(INCOMING), path(CURRENT));
  } else if (names.includes(OUTGOING) && !names.includes(CURRENT)) {
    await disk.rename(path(OUTGOING), path(CURRENT));
  }
  // Also what was renamed by a life that crashed then: on the disk before anything goes that would be needed without it.
  await disk.syncDirectory(parent);
  await disk.removeTree(path(INCOMING));
  await disk.removeTree(path(OUTGOING));
  await disk.remove(`${path(CURRENT)}/${COMPLETE}`);
}

/** Whether a directory of snapshot files, which are cut at the snapshot's mark, ends exactly at this one. */
async function endsAt(disk: Disk, directory: string, mark: StoreMark): Promise<boolean> {
  let last = 0;
  let trims = 0;
  for (const name of await disk.list(directory)) {
    const parsed = parseStoreFileName(name);
    if (parsed?.kind === "seg") last = Math.max(last, parsed.number);
    if (parsed?.kind === "trims") trims = Math.max(trims, parsed.number);
  }
  if (last === mark.segment) return last === 0 || (await segmentEndsAt(disk, directory, mark));
  // The mark's segment may have been dropped as a whole.
  if (last > mark.segment || trims === 0) return false;
  const path = `${directory}/${storeFileName(trims, "trims")}`;
  return isDropped(decodeTrims(await readWhole(disk, path), path), mark.segment);
}

async function segmentEndsAt(disk: Disk, directory: string, mark: StoreMark): Promise<boolean> {
  const path = `${directory}/${storeFileName(mark.segment, "seg")}`;
  const file = await disk.open(path, "read");
  try {
    if ((await file.size()) !== mark.bytes) return false;
    const head = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const got = await file.read(head, 0);
    const { basePosition } = decodeSegmentHeader(head.subarray(0, got), path, mark.segment);
    return (await scanSegment(file, path, mark.bytes, basePosition, new GrowingIndex())) === mark.position;
  } finally {
    await file.close();
  }
}
