/**
 * Snapshots on disk: a directory each, written aside as `tmp-*`, every file synced, listed in a manifest, renamed to `snapshot-*`
 * and the parent synced. Numbers count up; the highest is the newest, and the others go once it is durable.
 */
import { basename, join } from "node:path";
import { assertInvariant, ClusterError } from "../errors.js";
import type { GroupId, SnapshotMeta } from "../types.js";
import { type Disk, readFully, systemCode, toDiskError, writeFully } from "./disk.js";
import { nodeDisk } from "./node-disk.js";
import { decodeManifest, encodeManifest, MANIFEST_NAME, type SnapshotManifest } from "./snapshot-manifest.js";
import type {
  HeldSnapshot,
  SnapshotFile,
  SnapshotSink,
  SnapshotSource,
  SnapshotStore,
} from "./snapshot-store.js";
import { checksumOf, SnapshotWriter, tryLink } from "./snapshot-writer.js";

export interface FileSnapshotStoreOptions {
  /** The snapshots' own directory; created when it is not there. */
  readonly dir: string;
  readonly group: GroupId;
  readonly disk?: Disk;
}

const TEMPORARY = /^tmp-\d+$/;
const FINISHED = /^snapshot-(\d{10})$/;

function directoryName(serial: number): string {
  return `snapshot-${String(serial).padStart(10, "0")}`;
}

export class FileSnapshotStore implements SnapshotStore {
  readonly #dir: string;
  readonly #group: GroupId;
  readonly #disk: Disk;
  #serial = 0;
  /** Serial of the newest finished one. */
  #finished = 0;
  #latest: FileSnapshot | null = null;
  #creating = false;
  #isDistrusted = false;
  /** Readers of each snapshot that somebody holds, by its directory's name. */
  readonly #readers = new Map<string, number>();

  constructor(options: FileSnapshotStoreOptions) {
    this.#dir = options.dir;
    this.#group = options.group;
    this.#disk = options.disk ?? nodeDisk;
  }

  async open(): Promise<void> {
    try {
      await this.#disk.makeDirectory(this.#dir);
      const names = await this.#disk.list(this.#dir);
      for (const name of names) {
        this.#serial = Math.max(this.#serial, Number(FINISHED.exec(name)?.[1] ?? 0));
      }
      this.#finished = this.#serial;
      if (this.#serial > 0) this.#latest = await this.#load(directoryName(this.#serial));
      // A directory renamed just before a crash may be there and not yet durable: until it is, the one before it is needed.
      await this.#disk.syncDirectory(this.#dir);
      for (const name of names) {
        if (TEMPORARY.test(name)) await this.#remove(name);
      }
      await this.#removeOlder(names);
    } catch (error) {
      throw toDiskError(error, `opening the snapshots in ${this.#dir}`);
    }
  }

  latest(): SnapshotSource | null {
    return this.#latest;
  }

  hold(): HeldSnapshot | null {
    const source = this.#latest;
    if (source === null) return null;
    const name = basename(source.directory);
    this.#readers.set(name, (this.#readers.get(name) ?? 0) + 1);
    return { source, release: () => this.#release(name) };
  }

  distrust(): void {
    this.#isDistrusted = true;
  }

  #release(name: string): void {
    const readers = (this.#readers.get(name) ?? 1) - 1;
    if (readers > 0) {
      this.#readers.set(name, readers);
      return;
    }
    this.#readers.delete(name);
    if (name !== directoryName(this.#finished)) void this.#remove(name).catch(() => undefined);
  }

  async create(meta: SnapshotMeta, fill: (sink: SnapshotSink) => Promise<unknown>): Promise<SnapshotSource> {
    assertInvariant(!this.#creating, "two snapshots are being taken at once");
    this.#creating = true;
    try {
      return await this.#create(meta, fill);
    } finally {
      this.#creating = false;
    }
  }

  async #create(meta: SnapshotMeta, fill: (sink: SnapshotSink) => Promise<unknown>): Promise<SnapshotSource> {
    this.#serial += 1;
    const aside = `tmp-${this.#serial}`;
    const previous = this.#isDistrusted ? null : this.#latest;
    const writer = new SnapshotWriter(this.#disk, join(this.#dir, aside), previous);
    const failed = (error: unknown): never => {
      throw toDiskError(error, `writing a snapshot in ${this.#dir}`);
    };
    try {
      await this.#disk.makeDirectory(join(this.#dir, aside)).catch(failed);
      await fill(writer);
      const files = await writer.finish().catch(failed);
      this.#latest = await this.#finish(aside, { group: this.#group, meta, files }).catch(failed);
      this.#isDistrusted = false;
    } catch (error) {
      await writer.close();
      await this.#remove(aside).catch(() => undefined);
      throw error;
    }
    // What cannot be removed now is removed at the next start.
    await this.#disk
      .list(this.#dir)
      .then((names) => this.#removeOlder(names))
      .catch(() => undefined);
    return this.#latest;
  }

  /** Manifest, sync, rename, sync: from here on the snapshot is the newest. */
  async #finish(aside: string, manifest: SnapshotManifest): Promise<FileSnapshot> {
    const name = directoryName(this.#serial);
    const file = await this.#disk.open(join(this.#dir, aside, MANIFEST_NAME), "create");
    try {
      await writeFully(file, [encodeManifest(manifest)], 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.syncDirectory(join(this.#dir, aside));
    await this.#disk.rename(join(this.#dir, aside), join(this.#dir, name));
    await this.#disk.syncDirectory(this.#dir);
    this.#finished = this.#serial;
    return new FileSnapshot(this.#disk, join(this.#dir, name), manifest);
  }

  async #load(name: string): Promise<FileSnapshot> {
    const directory = join(this.#dir, name);
    const path = join(directory, MANIFEST_NAME);
    const bytes = await readWhole(this.#disk, path);
    return new FileSnapshot(this.#disk, directory, decodeManifest(path, bytes, this.#group));
  }

  async #removeOlder(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const isOlder = FINISHED.test(name) && name !== directoryName(this.#finished);
      if (isOlder && !this.#readers.has(name)) await this.#remove(name);
    }
  }

  /** Removes a snapshot's directory, finished or not. */
  async #remove(name: string): Promise<void> {
    const directory = join(this.#dir, name);
    for (const file of await this.#disk.list(directory)) await this.#disk.unlink(join(directory, file));
    await this.#disk.removeDirectory(directory);
  }
}

/** The bytes of a small file; none when it is not there. */
async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, "read").catch((error: unknown) => {
    if (systemCode(error) === "ENOENT") return null;
    throw error;
  });
  if (file === null) return Buffer.alloc(0);
  try {
    const bytes = Buffer.alloc(await file.size());
    return bytes.subarray(0, await readFully(file, bytes, 0));
  } finally {
    await file.close();
  }
}

class FileSnapshot implements SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly files: readonly SnapshotFile[];
  readonly directory: string;
  readonly #disk: Disk;

  constructor(disk: Disk, directory: string, manifest: SnapshotManifest) {
    this.#disk = disk;
    this.directory = directory;
    this.meta = manifest.meta;
    this.files = manifest.files;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const known = this.files.find((file) => file.name === name);
    assertInvariant(known !== undefined, `the snapshot has no file ${name}`);
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, known.bytes - offset)));
    if (bytes.byteLength === 0) return bytes;
    const got = await this.#with(known, (file) => readFully(file, bytes, offset));
    if (got < bytes.byteLength) throw this.#corrupt(name, `it ends at ${offset + got}`);
    return bytes;
  }

  async linkTo(name: string, path: string): Promise<boolean> {
    const known = this.files.find((file) => file.name === name);
    assertInvariant(known !== undefined, `the snapshot has no file ${name}`);
    // A file that has grown since is longer than what the snapshot has of it.
    if ((await this.#with(known, (file) => file.size())) !== known.bytes) return false;
    try {
      return await tryLink(this.#disk, join(this.directory, name), path);
    } catch (error) {
      throw toDiskError(error, `linking ${join(this.directory, name)}`);
    }
  }

  async verify(): Promise<void> {
    for (const known of this.files) {
      const crc = await this.#with(known, (file) => checksumOf(file, { from: 0, to: known.bytes, crc: 0 }));
      if (crc !== known.crc) throw this.#corrupt(known.name, "its checksum is wrong");
    }
  }

  async #with<T>(
    known: SnapshotFile,
    use: (file: Awaited<ReturnType<Disk["open"]>>) => Promise<T>,
  ): Promise<T> {
    try {
      const file = await this.#disk.open(join(this.directory, known.name), "read");
      try {
        return await use(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (systemCode(error) === "ENOENT") throw this.#corrupt(known.name, "it is missing");
      throw toDiskError(error, `reading ${join(this.directory, known.name)}`);
    }
  }

  #corrupt(name: string, why: string): ClusterError {
    return new ClusterError("snapshot_corrupt", `${join(this.directory, name)} is damaged: ${why}`);
  }
}
