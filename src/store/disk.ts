/**
 * Port and real version: the few disk calls that the message segments need, so that a test can fail the Nth of them.
 * All asynchronous; errors are Node's own and are given a code by `diskError`.
 */
import fs from "node:fs";
import { asError, FatalError } from "../errors.js";

/** An open file. Reads and writes are positional and complete: no short write is ever reported as a success. */
export interface DiskFile {
  /** Fills `target` from `position`; gives how much was there (less than asked only at the end of the file). */
  read(target: Uint8Array, position: number): Promise<number>;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Makes what was written durable (fdatasync). */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** How a file is opened: an existing one to read, an existing one to change, or a new empty one (replacing any). */
export type OpenMode = "read" | "change" | "create";

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  /** Names in a directory; empty when there is no such directory. */
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(directory: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; a missing one is fine. */
  remove(path: string): Promise<void>;
  /** Removes a directory with everything in it; a missing one is fine. */
  removeTree(directory: string): Promise<void>;
  /** Makes the creations, renames and removals in a directory durable. */
  syncDirectory(directory: string): Promise<void>;
}

/** Only the node's own user may read what is kept. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const FLAGS: Record<OpenMode, string> = { read: "r", change: "r+", create: "w+" };

/** Gives an error of the disk its stable code: `disk_full` or `disk_failed`. A `FatalError` stays what it is. */
export function diskError(error: unknown, doing: string): FatalError {
  if (error instanceof FatalError) return error;
  const cause = asError(error);
  const systemCode = "code" in cause ? String(cause.code) : "";
  if (systemCode === "ENOSPC" || systemCode === "EDQUOT") {
    return new FatalError("disk_full", `the disk is full while ${doing}: make room and start again`, {
      cause,
    });
  }
  return new FatalError("disk_failed", `the disk failed while ${doing}: ${cause.message}`, { cause });
}

function settle<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}

/** A file by descriptor: the callback calls of node:fs cost about half of what its promises do. */
class NodeFile implements DiskFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < target.length) {
      const rest = target.length - filled;
      const got = await settle<number>((done) =>
        fs.read(this.#fd, target, filled, rest, position + filled, done),
      );
      if (got === 0) break;
      filled += got;
    }
    return filled;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const rest = bytes.length - written;
      written += await settle<number>((done) =>
        fs.write(this.#fd, bytes, written, rest, position + written, done),
      );
    }
  }

  async sync(): Promise<void> {
    await settle<unknown>((done) => fs.fdatasync(this.#fd, (error) => done(error, null)));
  }

  async truncate(bytes: number): Promise<void> {
    await settle<unknown>((done) => fs.ftruncate(this.#fd, bytes, (error) => done(error, null)));
  }

  async size(): Promise<number> {
    return (await settle<fs.Stats>((done) => fs.fstat(this.#fd, done))).size;
  }

  async close(): Promise<void> {
    await settle<unknown>((done) => fs.close(this.#fd, (error) => done(error ?? null, null)));
  }
}

/** The real disk. */
export const nodeDisk: Disk = {
  async open(path, mode) {
    return new NodeFile(await settle<number>((done) => fs.open(path, FLAGS[mode], FILE_MODE, done)));
  },
  async list(directory) {
    try {
      return await fs.promises.readdir(directory);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
      throw error;
    }
  },
  async makeDirectory(directory) {
    await fs.promises.mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
  },
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (path) => fs.promises.rm(path, { force: true }),
  removeTree: (directory) => fs.promises.rm(directory, { recursive: true, force: true }),
  async syncDirectory(directory) {
    const handle = await fs.promises.open(directory, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Writes a whole small file aside, makes it durable, and renames it into place. */
export async function writeAside(
  disk: Disk,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const aside = `${directory}/${name}.tmp`;
  const file = await disk.open(aside, "create");
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(aside, `${directory}/${name}`);
  await disk.syncDirectory(directory);
}

/** The whole of a small file. */
export async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, "read");
  try {
    const bytes = Buffer.allocUnsafeSlow(await file.size());
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}
