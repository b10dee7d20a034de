/**
 * Bytes of a node's files that change by themselves: a flipped bit, a file that is cut short, a log whose end is zeros as if it had never been
 * written. Spared is only the end of the log that no mark speaks for yet: nothing on that disk could tell its damage from a write that
 * never finished.
 */
import { decodeEndMark, END_MARK_NAME } from "../../cluster/log/end-mark.js";
import { FrameReader } from "../../cluster/log/frame-reader.js";
import { decodeHeader } from "../../cluster/log/segment-header.js";
import type { Chance } from "./chance.js";
import { LOG_DIRECTORY, MESSAGE_DIRECTORY, SNAPSHOT_DIRECTORY } from "./file-stores.js";
import type { SimFile } from "./sim-file.js";
import type { SimFiles } from "./sim-files.js";

export interface Damage {
  readonly kind: "bit flipped" | "file cut short" | "end of the log lost";
  readonly text: string;
  /** It is not there any more: what it was in was written again or is gone. */
  isGone(): boolean;
}

/** Of what is done to a log, how much takes its end, and of what is done to messages, how much is done to those that came last. */
const END_CHANCE = 0.4;
/** The end of a log begins so many frames before that of its mark. */
const END_FRAMES_MAX = 3;
const NEWEST_BYTES = 512;
/** A frame begins with bytes that are not zero. */
const MAGIC_BYTES = 4;

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
  if (directory === LOG_DIRECTORY && chance.of(END_CHANCE)) return loseEnd(files, paths, chance);
  if (directory === MESSAGE_DIRECTORY && chance.of(END_CHANCE)) return flipNewest(files, paths, chance);
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

/** Among what was written last no snapshot has looked yet. */
function flipNewest(files: SimFiles, paths: readonly string[], chance: Chance): Damage | null {
  const path = paths.filter((each) => each.endsWith(".seg")).at(-1);
  if (path === undefined) return null;
  const { size } = files.file(path);
  return flip(files, path, size - chance.whole(1, Math.min(size, NEWEST_BYTES)), chance.whole(0, 7));
}

/** What the mark of the log's end speaks for is not there, as if nobody had written it. */
function loseEnd(files: SimFiles, paths: readonly string[], chance: Chance): Damage | null {
  const path = newestOf(paths);
  if (path === undefined) return null;
  const { proven, end } = framesOf(files, path);
  const [at] = proven.slice(-chance.whole(1, END_FRAMES_MAX));
  if (at === undefined) return null;
  const file = files.file(path);
  file.clear(at, end);
  return {
    kind: "end of the log lost",
    text: `${path} from byte ${at} to ${end}`,
    // A node that read its log before goes on behind what is lost: only who begins anew from there has it no more.
    isGone: () => !isNamed(files, file) || !isZero(bytesOf(file, at, MAGIC_BYTES)),
  };
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function newestOf(paths: readonly string[]): string | undefined {
  return paths.filter((each) => each.endsWith(".seg")).at(-1);
}

/** Within a frame of the newest segment that is complete and not known to be. */
function isUnproven(files: SimFiles, paths: readonly string[], path: string, at: number): boolean {
  if (path !== newestOf(paths)) return false;
  const { provenEnd, end } = framesOf(files, path);
  return at >= provenEnd && at < end;
}

/** Where the frames of a segment begin that the mark speaks for, where those end, and where all end. */
function framesOf(
  files: SimFiles,
  path: string,
): { readonly proven: readonly number[]; readonly provenEnd: number; readonly end: number } {
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
  const marked = provenSequence(files);
  const proven: number[] = [];
  let end = header.headerBytes;
  let provenEnd = end;
  for (let frame = reader.frame(end); frame !== null; frame = reader.frame(end)) {
    if (frame.sequence <= marked) proven.push(end);
    end += frame.bytes;
    if (frame.sequence <= marked) provenEnd = end;
  }
  return { proven, provenEnd, end };
}

function provenSequence(files: SimFiles): number {
  const path = `${LOG_DIRECTORY}/${END_MARK_NAME}`;
  if (files.find(path) === undefined) return 0;
  const file = files.file(path);
  const bytes = Buffer.alloc(file.size);
  file.read(bytes, 0);
  return Math.max(decodeEndMark(bytes, path), decodeEndMark(bytes.subarray(file.size >> 1), path));
}
