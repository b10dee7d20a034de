/**
 * The files of one snapshot while it is taken, in a directory aside. Checksums are computed as the bytes pass, MiB by MiB; those of
 * linked files go on from the previous snapshot's where it had the same file, so that only what was added is read.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { assertInvariant, ClusterError } from "../errors.js";
import { type Disk, type DiskFile, readFully, systemCode, toDiskError, writeFully } from "./disk.js";
import { isFileName } from "./snapshot-manifest.js";
import type { SnapshotFile, SnapshotSink } from "./snapshot-store.js";

export const CHUNK_BYTES = 1024 * 1024;

/** Gives a file a second name; false where the disk cannot. */
export async function tryLink(disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await disk.link(from, to);
    return true;
  } catch (error) {
    if (CANNOT_LINK.has(systemCode(error))) return false;
    throw error;
  }
}

/** What a disk says that cannot give a file a second name. */
const CANNOT_LINK = new Set(["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS"]);

/** A finished snapshot whose checksums can be continued. */
export interface PreviousSnapshot {
  readonly directory: string;
  readonly files: readonly SnapshotFile[];
}

/** What is written is synced in steps: gigabytes that go to the disk at the end, all at once, would stand in the way of every log on it. */
const SYNC_STEP_BYTES = 4 * CHUNK_BYTES;

interface Growing {
  readonly file: DiskFile;
  bytes: number;
  crc: number;
  unsyncedBytes: number;
}

/** Checksum of bytes `from` to `to` of a file, continued from `crc`. Calls `onChunk` with each piece, good until it resolves. */
export async function checksumOf(
  file: DiskFile,
  range: { readonly from: number; readonly to: number; readonly crc: number },
  onChunk: (bytes: Uint8Array, position: number) => Promise<void> = async () => undefined,
): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(CHUNK_BYTES, range.to - range.from)));
  let { crc } = range;
  for (let at = range.from; at < range.to; ) {
    const wanted = buffer.subarray(0, Math.min(buffer.byteLength, range.to - at));
    if ((await readFully(file, wanted, at)) < wanted.byteLength) {
      throw new ClusterError("snapshot_corrupt", `a file of a snapshot is shorter than ${range.to} bytes`);
    }
    crc = crc32(wanted, crc);
    await onChunk(wanted, at);
    at += wanted.byteLength;
  }
  return crc;
}

export class SnapshotWriter implements SnapshotSink {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #previous: PreviousSnapshot | null;
  readonly #growing = new Map<string, Growing>();
  readonly #linked = new Map<string, SnapshotFile>();
  /** Calls take turns, whoever makes them. */
  #turn: Promise<void> = Promise.resolve();

  constructor(disk: Disk, directory: string, previous: PreviousSnapshot | null) {
    this.#disk = disk;
    this.#directory = directory;
    this.#previous = previous;
  }

  write(name: string, bytes: Uint8Array): Promise<void> {
    return this.#exclusive(name, async (path) => {
      assertInvariant(!this.#linked.has(name), `file ${name} of the snapshot is a link`);
      const growing = this.#growing.get(name) ?? (await this.#create(name, path));
      for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
        const chunk = bytes.subarray(at, at + CHUNK_BYTES);
        growing.crc = crc32(chunk, growing.crc);
        await writeFully(growing.file, [chunk], growing.bytes);
        growing.bytes += chunk.byteLength;
        growing.unsyncedBytes += chunk.byteLength;
      }
      if (growing.unsyncedBytes < SYNC_STEP_BYTES) return;
      await growing.file.sync();
      growing.unsyncedBytes = 0;
    });
  }

  async link(name: string, sourcePath: string, bytes: number): Promise<number> {
    let from = 0;
    await this.#link(name, sourcePath, bytes, (known) => {
      from = known;
    });
    return from;
  }

  #link(name: string, sourcePath: string, bytes: number, onKnown: (bytes: number) => void): Promise<void> {
    return this.#exclusive(name, async (path) => {
      assertInvariant(
        !this.#linked.has(name) && !this.#growing.has(name),
        `file ${name} is in the snapshot twice`,
      );
      if (await tryLink(this.#disk, sourcePath, path)) {
        const known = await this.#knownPart(name, path, bytes);
        onKnown(known?.bytes ?? 0);
        this.#linked.set(name, { name, bytes, crc: await this.#checksumOfLink(path, bytes, known) });
      } else {
        await this.#copy(name, path, sourcePath, bytes);
      }
    });
  }

  /** Syncs and closes what was written; gives all files, by name. */
  async finish(): Promise<SnapshotFile[]> {
    await this.#turn;
    const files = [...this.#linked.values()];
    for (const [name, { file, bytes, crc }] of this.#growing) {
      await file.sync();
      files.push({ name, bytes, crc });
    }
    await this.close();
    return files.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Closes what is open. */
  async close(): Promise<void> {
    await this.#turn;
    for (const { file } of this.#growing.values()) await file.close().catch(() => undefined);
    this.#growing.clear();
  }

  #exclusive(name: string, task: (path: string) => Promise<void>): Promise<void> {
    assertInvariant(isFileName(name), `"${name}" is not a name for a file of a snapshot`);
    const path = join(this.#directory, name);
    const done = this.#turn
      .then(() => task(path))
      .catch((error: unknown) => {
        throw toDiskError(error, `writing ${path}`);
      });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #create(name: string, path: string): Promise<Growing> {
    const growing = { file: await this.#disk.open(path, "create"), bytes: 0, crc: 0, unsyncedBytes: 0 };
    this.#growing.set(name, growing);
    return growing;
  }

  async #copy(name: string, path: string, sourcePath: string, bytes: number): Promise<void> {
    const source = await this.#disk.open(sourcePath, "read");
    try {
      const growing = await this.#create(name, path);
      growing.crc = await checksumOf(source, { from: 0, to: bytes, crc: 0 }, (chunk, position) =>
        writeFully(growing.file, [chunk], position),
      );
      growing.bytes = bytes;
    } finally {
      await source.close();
    }
  }

  async #checksumOfLink(path: string, bytes: number, known: SnapshotFile | undefined): Promise<number> {
    if (known?.bytes === bytes) return known.crc;
    const file = await this.#disk.open(path, "read");
    try {
      return await checksumOf(file, { from: known?.bytes ?? 0, to: bytes, crc: known?.crc ?? 0 });
    } finally {
      await file.close();
    }
  }

  /** What the previous snapshot knows of the very same file: its bytes never change, so its checksum still holds. */
  async #knownPart(name: string, path: string, bytes: number): Promise<SnapshotFile | undefined> {
    const known = this.#previous?.files.find((file) => file.name === name);
    if (this.#previous === null || known === undefined || known.bytes > bytes) return undefined;
    const before = await this.#disk.identity(join(this.#previous.directory, name)).catch(() => "");
    return before === (await this.#disk.identity(path)) ? known : undefined;
  }
}
