/**
 * The real disk, over node:fs. Callback calls instead of FileHandle: an append is one hop to the thread pool and back.
 */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { dirname, resolve } from "node:path";
import type { Disk, DiskFile, DiskMode } from "./disk.js";

/** Only the node's own user reads its data. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** The most buffers that one writev takes (IOV_MAX on Linux). */
const PARTS_MAX = 1024;

const { O_CREAT, O_DSYNC, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;
const FLAGS: Readonly<Record<DiskMode, number>> = {
  read: O_RDONLY,
  create: O_RDWR | O_CREAT | O_EXCL,
  update: O_RDWR,
  "update-durable": O_RDWR | O_DSYNC,
};

/** `fs.fdatasync` and friends as promises, without a FileHandle. */
function settle(run: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolveCall, reject) => {
    run((error) => (error === null ? resolveCall() : reject(error)));
  });
}

class NodeFile implements DiskFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(parts: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolveCall, reject) => {
      const done = (error: NodeJS.ErrnoException | null, written: number): void => {
        if (error === null) resolveCall(written);
        else reject(error);
      };
      const [only] = parts;
      if (parts.length === 1 && only !== undefined) {
        fs.write(this.#fd, only, 0, only.byteLength, position, done);
      } else {
        fs.writev(this.#fd, parts.slice(0, PARTS_MAX), position, done);
      }
    });
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolveCall, reject) => {
      fs.read(this.#fd, target, 0, target.byteLength, position, (error, bytes) => {
        if (error === null) resolveCall(bytes);
        else reject(error);
      });
    });
  }

  readSync(target: Uint8Array, position: number): number {
    return fs.readSync(this.#fd, target, 0, target.byteLength, position);
  }

  sync(): Promise<void> {
    return settle((done) => fs.fdatasync(this.#fd, done));
  }

  size(): Promise<number> {
    return new Promise((resolveCall, reject) => {
      fs.fstat(this.#fd, (error, stats) => (error === null ? resolveCall(stats.size) : reject(error)));
    });
  }

  close(): Promise<void> {
    return settle((done) => fs.close(this.#fd, done));
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.promises.open(path, O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Creates a directory and syncs every directory that got a new name in it. */
async function makeDirectory(path: string): Promise<void> {
  const first = await fs.promises.mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  for (let at = dirname(resolve(path)); ; at = dirname(at)) {
    await syncDirectory(at);
    if (at === top || at === dirname(at)) return;
  }
}

/** The file system of this machine. */
export const nodeDisk: Disk = {
  open: (path, mode) =>
    new Promise((resolveCall, reject) => {
      fs.open(path, FLAGS[mode], FILE_MODE, (error, fd) =>
        error === null ? resolveCall(new NodeFile(fd)) : reject(error),
      );
    }),
  list: (directory) => fs.promises.readdir(directory),
  makeDirectory,
  removeDirectory: (path) => fs.promises.rmdir(path),
  rename: (from, to) => fs.promises.rename(from, to),
  unlink: (path) => fs.promises.unlink(path),
  link: (from, to) => fs.promises.link(from, to),
  syncDirectory,
  async identity(path) {
    const { dev, ino } = await fs.promises.stat(path, { bigint: true });
    return `${dev}:${ino}`;
  },
  idle: (ms) => new Promise((resolveCall) => setTimeout(resolveCall, ms)),
  salt() {
    const bytes = randomBytes(8);
    return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
  },
};
