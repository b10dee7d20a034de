/**
 * A disk in memory that can fail or die at any call, and that forgets at a crash what was not synced: of each file a random part of
 * what was written since its last sync stays (the last piece of it torn), of each directory a random prefix of the creations,
 * renames and removals since its last sync.
 */
import type { Disk, DiskFile, OpenMode } from "../../../src/store/disk.js";

interface Inode {
  bytes: Buffer;
  durable: Buffer;
  /** Since the last sync, in order. */
  unsynced: Change[];
}

type Change = { readonly at: number; readonly bytes: Buffer } | { readonly truncate: number };

/** A change of the directory tree: a name gets a file, or none. */
interface Link {
  readonly path: string;
  readonly inode: Inode | null;
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

function apply(bytes: Buffer, change: Change): Buffer {
  if ("truncate" in change) return Buffer.concat([bytes], change.truncate);
  const size = Math.max(bytes.length, change.at + change.bytes.length);
  const next = Buffer.concat([bytes], size);
  change.bytes.copy(next, change.at);
  return next;
}

export class CrashingDisk implements Disk {
  /** Calls so far. */
  calls = 0;
  /** The call with this number fails with `failure`; when `dies`, so does every one after it. */
  failAt = Number.POSITIVE_INFINITY;
  failure: Error = Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
  dies = false;

  readonly #links = new Map<string, Inode>();
  readonly #durableLinks = new Map<string, Inode>();
  readonly #unsyncedLinks: Link[] = [];

  /** What a power loss leaves, as the disk of the next start. */
  afterCrash(unit: () => number): CrashingDisk {
    const next = new CrashingDisk();
    const links = new Map(this.#durableLinks);
    const stopped = new Set<string>();
    for (const { path, inode } of this.#unsyncedLinks) {
      const directory = parentOf(path);
      if (unit() < 0.4) stopped.add(directory);
      if (stopped.has(directory)) continue;
      if (inode === null) links.delete(path);
      else links.set(path, inode);
    }
    for (const [path, inode] of links) {
      const bytes = this.#torn(inode, unit);
      const kept = { bytes, durable: bytes, unsynced: [] };
      next.#links.set(path, kept);
      next.#durableLinks.set(path, kept);
    }
    return next;
  }

  /** A file as it is now, for a test that looks at it or damages it. */
  file(path: string): Inode {
    const inode = this.#links.get(path);
    if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: "ENOENT" });
    return inode;
  }

  paths(): string[] {
    return [...this.#links.keys()].sort();
  }

  async open(path: string, mode: OpenMode): Promise<DiskFile> {
    await this.#call();
    if (mode === "create") {
      const known = this.#links.get(path);
      if (known === undefined)
        this.#link(path, { bytes: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] });
      else this.#change(known, { truncate: 0 });
    }
    return this.#handle(this.file(path));
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#call();
    const names = new Set<string>();
    for (const path of this.#links.keys()) {
      if (path.startsWith(`${directory}/`)) names.add(path.slice(directory.length + 1).split("/")[0]!);
    }
    return [...names];
  }

  /** Directories are there when files are in them. */
  async makeDirectory(): Promise<void> {
    await this.#call();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call();
    for (const [path, inode] of [...this.#links]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.#link(to + path.slice(from.length), inode);
      this.#link(path, null);
    }
  }

  async remove(path: string): Promise<void> {
    await this.#call();
    if (this.#links.has(path)) this.#link(path, null);
  }

  async removeTree(directory: string): Promise<void> {
    await this.#call();
    for (const path of [...this.#links.keys()]) if (path.startsWith(`${directory}/`)) this.#link(path, null);
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#call();
    const rest = this.#unsyncedLinks.filter(({ path }) => !path.startsWith(`${directory}/`));
    for (const { path, inode } of this.#unsyncedLinks) {
      if (!path.startsWith(`${directory}/`)) continue;
      if (inode === null) this.#durableLinks.delete(path);
      else this.#durableLinks.set(path, inode);
    }
    this.#unsyncedLinks.splice(0, this.#unsyncedLinks.length, ...rest);
  }

  /** Gives others a turn, as a real disk does, and fails when it is time to. */
  async #call(): Promise<void> {
    await Promise.resolve();
    this.calls += 1;
    if (this.calls === this.failAt || (this.dies && this.calls > this.failAt)) throw this.failure;
  }

  #link(path: string, inode: Inode | null): void {
    if (inode === null) this.#links.delete(path);
    else this.#links.set(path, inode);
    this.#unsyncedLinks.push({ path, inode });
  }

  #change(inode: Inode, change: Change): void {
    inode.bytes = apply(inode.bytes, change);
    inode.unsynced.push(change);
  }

  #torn(inode: Inode, unit: () => number): Buffer {
    let bytes = inode.durable;
    for (const change of inode.unsynced) {
      const chance = unit();
      if (chance < 0.3) continue;
      const isTorn = chance < 0.5 && "bytes" in change;
      bytes = apply(
        bytes,
        isTorn
          ? { ...change, bytes: change.bytes.subarray(0, Math.floor(unit() * change.bytes.length)) }
          : change,
      );
    }
    return Buffer.from(bytes);
  }

  #handle(inode: Inode): DiskFile {
    return {
      read: async (target, position) => {
        await this.#call();
        return inode.bytes.copy(target, 0, position, position + target.length);
      },
      write: async (bytes, position) => {
        // A write that dies may have reached the disk in part: it counts as unsynced before it fails.
        this.#change(inode, { at: position, bytes: Buffer.from(bytes) });
        await this.#call();
      },
      sync: async () => {
        await this.#call();
        inode.durable = inode.bytes;
        inode.unsynced = [];
      },
      truncate: async (bytes) => {
        await this.#call();
        this.#change(inode, { truncate: bytes });
      },
      size: async () => {
        await this.#call();
        return inode.bytes.length;
      },
      close: () => this.#call(),
    };
  }
}
