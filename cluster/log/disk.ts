/**
 * Port: the few file operations that the log and the snapshots are made of. Everything durable goes through it, so that
 * a test can fail, tear or freeze any one of them. The real one is node-disk.ts.
 */
import { ClusterError } from "../errors.js";

/** An open file. Positions and lengths are bytes. Errors are the system's own (`code` "EIO", "ENOSPC", ...). */
export interface DiskFile {
  /** Writes `parts` one after the other at `position`. May write less than asked: gives how much it wrote. */
  write(parts: readonly Uint8Array[], position: number): Promise<number>;
  /** Fills `target` from `position`; gives how much there was. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** The same, at once: for the engine, which asks for entries in the middle of a step. */
  readSync(target: Uint8Array, position: number): number;
  /** Resolves when everything written is on the disk. */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/**
 * `read`: an existing file, for reading. `create`: a new file, for both; it must not exist. `update`: an existing file, for
 * both. `update-durable`: the same, and each write is on the disk when it resolves (O_DSYNC).
 */
export type DiskMode = "read" | "create" | "update" | "update-durable";

export interface Disk {
  open(path: string, mode: DiskMode): Promise<DiskFile>;
  /** Names in a directory, in no particular order. */
  list(directory: string): Promise<readonly string[]>;
  /** Creates a directory and those above it, durably. Harmless when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Removes an empty directory. */
  removeDirectory(path: string): Promise<void>;
  /** Replaces `to` if it is there. Durable after `syncDirectory`. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** A second name for the same file. Rejects with EXDEV, EPERM and the like where the disk cannot. */
  link(from: string, to: string): Promise<void>;
  /** Makes what was created, renamed and removed in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** The same text for two paths if and only if they name the same file. */
  identity(path: string): Promise<string>;
  /** Resolves after about `ms` milliseconds in which background work leaves the disk to others. */
  idle(ms: number): Promise<void>;
  /** Two random 32-bit numbers that no file of this disk was salted with before. */
  salt(): readonly [number, number];
}

/** The system's error code ("EIO", "ENOSPC", ...) or "" when there is none. */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** Says in our own codes what the disk refused: `disk_full` or `disk_failed`. Our own errors pass unchanged. */
export function toDiskError(error: unknown, doing: string): ClusterError {
  if (error instanceof ClusterError) return error;
  const code = systemCode(error);
  const detail = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new ClusterError(
      "disk_full",
      `the disk is full (${doing}): make room and start again: ${detail}`,
      {
        cause: error,
      },
    );
  }
  return new ClusterError("disk_failed", `the disk failed (${doing}): ${detail}`, { cause: error });
}

/** Writes all of `parts`, however many calls it takes. A call that writes nothing is an error. */
export async function writeFully(
  file: DiskFile,
  parts: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = parts;
  let at = position;
  while (rest.length > 0) {
    const written = await file.write(rest, at);
    if (written <= 0) throw new Error("a write of 0 bytes");
    at += written;
    rest = withoutFirst(rest, written);
  }
}

/** What is left of `parts` without their first `bytes` bytes. The usual case, all of it, costs one comparison a part. */
function withoutFirst(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes;
  for (let i = 0; i < parts.length; i += 1) {
    const part = parts[i];
    if (part === undefined) break;
    if (skip < part.byteLength) return [part.subarray(skip), ...parts.slice(i + 1)];
    skip -= part.byteLength;
  }
  return [];
}

/** Fills `target` from `position` as far as the file goes; gives how much there was. */
export function readFullySync(file: DiskFile, target: Uint8Array, position: number): number {
  let got = 0;
  while (got < target.byteLength) {
    const read = file.readSync(target.subarray(got), position + got);
    if (read === 0) break;
    got += read;
  }
  return got;
}

/** The same without holding up the event loop. */
export async function readFully(file: DiskFile, target: Uint8Array, position: number): Promise<number> {
  let got = 0;
  while (got < target.byteLength) {
    const read = await file.read(target.subarray(got), position + got);
    if (read === 0) break;
    got += read;
  }
  return got;
}

/** Zeros are written in pieces of this size (measured: the best for preparing segments). */
const ZERO_CHUNK = Buffer.alloc(1024 * 1024);

/**
 * Writes zeros from `from` to `to`. `afterChunk` runs after each MiB (a background filler syncs there, so that a mass of
 * unwritten pages never stands in front of an append) and stops the filling by giving false.
 */
export async function zeroFill(
  file: DiskFile,
  from: number,
  to: number,
  afterChunk: () => Promise<boolean> = async () => true,
): Promise<void> {
  for (let at = from; at < to; at += ZERO_CHUNK.byteLength) {
    const bytes = Math.min(ZERO_CHUNK.byteLength, to - at);
    await writeFully(file, [ZERO_CHUNK.subarray(0, bytes)], at);
    if (!(await afterChunk())) return;
  }
}
