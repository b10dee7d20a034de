/**
 * One segment of the log on disk: a file of fixed size, header first, frames behind it, then whatever the file held before.
 * A segment gets its name only when its header is durable, so a named file without a good header is damage, never a crash.
 */
import { dirname } from "node:path";
import { type Disk, type DiskFile, readFullySync, writeFully } from "./disk.js";
import { decodeHeader, encodeHeader, headerBytesFor, type SegmentHeader, seedOf } from "./segment-header.js";

/** Name of segment `number` in the log's directory. */
export function segmentName(number: number): string {
  return `${String(number).padStart(10, "0")}.seg`;
}

/** The number in a segment's name, `null` for any other name. */
export function segmentNumber(name: string): number | null {
  const match = /^(\d{10,15})\.seg$/.exec(name);
  const number = Number(match?.[1]);
  return match !== null && segmentName(number) === name ? number : null;
}

/** A file that is allocated and may become a segment. */
export interface SpareFile {
  readonly path: string;
  readonly capacity: number;
  readonly recycled: boolean;
}

/** An open segment. */
export interface SegmentFile {
  readonly path: string;
  readonly file: DiskFile;
  readonly number: number;
  readonly capacity: number;
  readonly recycled: boolean;
  readonly headerBytes: number;
  /** What the checksums of its frames start from. */
  readonly seed: number;
  /** Where the next frame goes. */
  end: number;
  /** The highest index of any entry written here, replaced or not; 0 without entries. */
  indexMax: number;
}

/** How a segment is opened for appending: each write durable by itself, or left to the operating system. */
export type Durability = "fsync" | "os";

/** Turns a spare file into a segment: header, then name, each durable before the next. */
export async function createSegment(
  disk: Disk,
  spare: SpareFile,
  path: string,
  header: SegmentHeader,
  durability: Durability,
): Promise<SegmentFile> {
  const file = await disk.open(spare.path, durability === "fsync" ? "update-durable" : "update");
  try {
    const bytes = encodeHeader(header);
    await writeFully(file, [bytes], 0);
    if (durability === "os") await file.sync();
    await disk.rename(spare.path, path);
    await disk.syncDirectory(dirname(path));
    return {
      path,
      file,
      number: header.number,
      capacity: header.capacity,
      recycled: header.recycled,
      headerBytes: bytes.byteLength,
      seed: seedOf(bytes),
      end: bytes.byteLength,
      indexMax: 0,
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Bytes that a segment needs to hold one frame of `frameBytes`. */
export function capacityFor(
  state: Pick<SegmentHeader, "hardState" | "snapshot">,
  frameBytes: number,
): number {
  return headerBytesFor(state) + frameBytes;
}

/** Reads the header of an open file. Throws `log_corrupt`, `log_version`. */
export function readHeader(file: DiskFile, path: string): ReturnType<typeof decodeHeader> {
  return decodeHeader(path, (bytes) => {
    const target = Buffer.alloc(bytes);
    return target.subarray(0, readFullySync(file, target, 0));
  });
}
