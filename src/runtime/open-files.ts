/** How many files the process may open, and how many of them are left for sockets once the node has what it needs itself. */
import { readFileSync } from "node:fs";

/** Standard streams, event loop, listeners, lock, lmdb, snapshots, what is open for a moment. */
const OWN_FILES = 64;
/** A segment of messages and its index. */
const FILES_PER_SEGMENT = 2;
/** Fewer would be no service at all. */
const SOCKETS_MIN = 16;

/** What of the configuration says how many files the node itself has open. */
export interface FileNeeds {
  readonly retentionBytes: number;
  readonly messageSegmentBytes: number;
  readonly snapshotLogBytes: number;
  readonly logSegmentBytes: number;
}

/** The ceiling of the process (RLIMIT_NOFILE; Node raises the soft one to the hard one); `Infinity` where it cannot be read. */
export function openFilesMax(readLimits = () => readFileSync("/proc/self/limits", "utf8")): number {
  try {
    const found = /^Max open files\s+(\d+)\s/m.exec(readLimits());
    return found === null ? Number.POSITIVE_INFINITY : Number(found[1]);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** How many sockets there may be under a ceiling of open files. */
export function socketsWithin(filesMax: number, needs: FileNeeds): number {
  const segments = Math.ceil(needs.retentionBytes / needs.messageSegmentBytes) + 1;
  // Two snapshots' worth: the log goes on while one is taken.
  const logFiles = 2 * Math.ceil(needs.snapshotLogBytes / needs.logSegmentBytes) + 2;
  return Math.max(SOCKETS_MIN, filesMax - OWN_FILES - segments * FILES_PER_SEGMENT - logFiles);
}
