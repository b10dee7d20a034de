/**
 * Bytes of a node's files that change by themselves: a flipped bit, a file that is cut short. Spared is only the end of the log that no mark
 * speaks for yet: nothing on that disk could tell its damage from a write that never finished.
 */
import { decodeEndMark, END_MARK_NAME } from "../../cluster/log/end-mark.js";
import { FrameReader } from "../../cluster/log/frame-reader.js";
import { decodeHeader } from "../../cluster/log/segment-header.js";
import type { Chance } from "./chance.js";
import { LOG_DIRECTORY, MESSAGE_DIRECTORY, SNAPSHOT_DIRECTORY } from "./file-stores.js";
import type { SimFile } from "./sim-file.js";
import type { SimFiles } from "./sim-files.js";

export interface Damage {
  readonly kind: "bit flipped" | "file cut short";
  readonly text: string;
  /** It is not there any more: what it was in was written again or is gone. */
  isGone(): boolean;
}

/** Damages one file; `null` when there is nothing to damage where chance would have it. */
export function damageSomewhere(files: SimFiles, chance: Chance): Damage | null {
  const directory = chance.pick([
    LOG_DIRECTORY,
    LOG_DIRECTORY,
    SNAPSHOT_DIRECTORY,
    MESSAGE_DIRECTORY,
    MESSAGE_DIRECTORY,
  ]);
  const paths = files.paths(directory).filter((path) => files.file(path).size > 0);
  if (paths.length === 0) return null;
  const path = chance.pick(paths);
  const file = files.file(path);
  const at = chance.whole(0, file.size - 1);
  if (directory === LOG_DIRECTORY && isUnproven(files, paths, path, at)) return null;
  return chance.of(0.8) ? flip(files, path, at, chance.whole(0, 7)) : cut(files, path, at);
}

function flip(files: SimFiles, path: string, at: number, bit: number): Damage {
  const file = files.file(path);
  file.flip(at, bit);
  const damaged = bytesOf(file, at, 1);
  return {
    kind: "bit flipped",
    text: `bit ${bit} of byte ${at} of ${path}`,
    isGone: () => !isNamed(files, file) || !bytesOf(file, at, 1).equals(damaged),
  };
}

function cut(files: SimFiles, path: string, at: number): Damage {
  const file = files.file(path);
  const lost = bytesOf(file, at, file.size - at);
  file.shorten(at);
  return {
    kind: "file cut short",
    text: `${path} at byte ${at}`,
    isGone: () => !isNamed(files, file) || bytesOf(file, at, lost.byteLength).equals(lost),
  };
}

/** Snapshots have names of their own for files of the store. */
function isNamed(files: SimFiles, file: SimFile): boolean {
  return files.paths().some((path) => files.find(path) === file);
}

function bytesOf(file: SimFile, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, file.read(bytes, at));
}

/** Within a frame of the newest segment that is complete and not known to be. */
function isUnproven(files: SimFiles, paths: readonly string[], path: string, at: number): boolean {
  const newest = paths.filter((each) => each.endsWith(".seg")).at(-1);
  if (path !== newest) return false;
  const file = files.file(path);
  const readSync = (target: Uint8Array, position: number): number => file.read(target, position);
  const handle = { readSync } as ConstructorParameters<typeof FrameReader>[0];
  const header = decodeHeader(path, (bytes) => {
    const target = Buffer.alloc(bytes);
    return target.subarray(0, readSync(target, 0));
  });
  const reader = new FrameReader(handle, header.seed, {
    end: file.size,
    windowBytes: file.size,
    reuse: false,
  });
  const proven = provenSequence(files);
  let end = header.headerBytes;
  let provenEnd = end;
  for (let frame = reader.frame(end); frame !== null; frame = reader.frame(end)) {
    end += frame.bytes;
    if (frame.sequence <= proven) provenEnd = end;
  }
  return at >= provenEnd && at < end;
}

function provenSequence(files: SimFiles): number {
  const path = `${LOG_DIRECTORY}/${END_MARK_NAME}`;
  if (files.find(path) === undefined) return 0;
  const file = files.file(path);
  const bytes = Buffer.alloc(file.size);
  file.read(bytes, 0);
  return Math.max(decodeEndMark(bytes, path), decodeEndMark(bytes.subarray(file.size >> 1), path));
}
