/**
 * A disk in memory that does what real ones do at their worst: the Nth call fails, a write is short or torn, the power goes at any
 * call. It keeps apart what was written and what was synced, so that `afterPowerLoss` gives what a restart could find.
 */
import { dirname } from "node:path";
import type { Disk, DiskFile, DiskMode } from "../../cluster/log/disk.js";

/**
 * `EIO`, `ENOSPC`: the call fails. `torn`: a write reaches the disk in part and fails, other calls fail. `short`: a write takes half
 * (no error), other calls fail not at all. `lost`: a write fails, stays in the page cache, and is called clean there (as Linux does).
 * `freeze`: the power goes, this call and all later ones fail.
 */
export type FaultKind = "EIO" | "ENOSPC" | "torn" | "short" | "lost" | "freeze";

export interface Fault {
  /** Which call, from 1. */
  readonly call: number;
  readonly kind: FaultKind;
}

interface Write {
  readonly position: number;
  readonly bytes: Buffer;
}

class Inode {
  readonly id: number;
  written = Buffer.alloc(0);
  synced = Buffer.alloc(0);
  unsynced: Write[] = [];

  constructor(id: number) {
    this.id = id;
  }
}

type Names = Map<string, Inode | "directory">;

const SECTOR_BYTES = 512;

function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function overwritten(content: Buffer, { position, bytes }: Write): Buffer<ArrayBuffer> {
  const grown = Buffer.alloc(Math.max(content.byteLength, position + bytes.byteLength));
  content.copy(grown);
  bytes.copy(grown, position);
  return grown;
}

/** A small seeded generator (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class SimulatedDisk implements Disk {
  /** Calls so far. */
  calls = 0;
  fault: Fault | null = null;
  readonly #random: () => number;
  #names: Names = new Map();
  #durable: Names = new Map();
  #pending: ((names: Names) => void)[] = [];
  /** Every path that ever was a directory. */
  #directories = new Set<string>();
  #inodes = 0;
  #frozen = false;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** What a process finds that starts after this one died: everything that was written. */
  afterProcessDeath(): SimulatedDisk {
    const next = this.#successor(this.#names);
    next.#durable = new Map(this.#durable);
    next.#pending = [...this.#pending];
    return next;
  }

  /** What is there after the power came back: what was synced, and any part of what was not. */
  afterPowerLoss(): SimulatedDisk {
    const names = new Map(this.#durable);
    // A journal keeps their order; not every file system has one.
    const inOrder = this.#random() < 0.5;
    const survived = Math.floor(this.#random() * (this.#pending.length + 1));
    this.#pending.forEach((change, nth) => {
      if (inOrder ? nth < survived : this.#random() < 0.5) change(names);
    });
    // Nothing is in a directory that is not there.
    for (const path of [...names.keys()]) {
      if (this.#directories.has(dirname(path)) && names.get(dirname(path)) !== "directory")
        names.delete(path);
    }
    const next = this.#successor(names);
    for (const inode of new Set(names.values())) {
      if (inode === "directory") continue;
      for (const write of inode.unsynced) inode.synced = this.#partly(inode.synced, write);
      inode.unsynced = [];
      inode.written = Buffer.from(inode.synced);
    }
    next.#durable = new Map(names);
    return next;
  }

  /** The bytes of a file, to look at and to damage. */
  content(path: string): Buffer {
    return this.#file(path).written;
  }

  /** Makes these the bytes of a file, durably. */
  replace(path: string, bytes: Uint8Array): void {
    const inode = this.#names.has(path) ? this.#file(path) : this.#created(path);
    inode.written = Buffer.from(bytes);
    inode.synced = Buffer.from(bytes);
    inode.unsynced = [];
  }

  /** A disk of its own with the same contents, all of them durable. */
  copy(): SimulatedDisk {
    const next = new SimulatedDisk(this.#random);
    const copies = new Map<Inode, Inode>();
    for (const [path, node] of this.#names) {
      if (node === "directory") {
        next.#names.set(path, node);
        continue;
      }
      const twin = copies.get(node) ?? new Inode(node.id);
      twin.written = Buffer.from(node.written);
      twin.synced = Buffer.from(node.written);
      copies.set(node, twin);
      next.#names.set(path, twin);
    }
    next.#inodes = this.#inodes;
    next.#durable = new Map(next.#names);
    return next;
  }

  /** Names of all files, in order. */
  paths(): string[] {
    return [...this.#names]
      .filter(([, node]) => node !== "directory")
      .map(([path]) => path)
      .sort();
  }

  async open(path: string, mode: DiskMode): Promise<DiskFile> {
    await this.#call("open");
    if (mode === "create") {
      if (this.#names.has(path)) throw systemError("EEXIST", path);
      return this.#handle(this.#created(path), false);
    }
    return this.#handle(this.#file(path), mode === "update-durable");
  }

  async list(directory: string): Promise<string[]> {
    await this.#call("list");
    if (this.#names.get(directory) !== "directory") throw systemError("ENOENT", directory);
    const names = [...this.#names.keys()].filter((path) => dirname(path) === directory && path !== directory);
    return names.map((path) => path.slice(directory.length + 1));
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#call("makeDirectory");
    if (this.#names.get(path) === "directory") return;
    this.#directories.add(path);
    this.#change((names) => names.set(path, "directory"));
    this.#commit();
  }

  async removeDirectory(path: string): Promise<void> {
    await this.#call("removeDirectory");
    if ([...this.#names.keys()].some((name) => dirname(name) === path)) throw systemError("ENOTEMPTY", path);
    this.#change((names) => names.delete(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call("rename");
    if (!this.#names.has(from)) throw systemError("ENOENT", from);
    this.#change((names) => {
      for (const [path, node] of [...names]) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        names.delete(path);
        names.set(to + path.slice(from.length), node);
        if (node === "directory") this.#directories.add(to + path.slice(from.length));
      }
    });
  }

  async unlink(path: string): Promise<void> {
    await this.#call("unlink");
    this.#file(path);
    this.#change((names) => names.delete(path));
  }

  async link(from: string, to: string): Promise<void> {
    await this.#call("link");
    const inode = this.#file(from);
    this.#change((names) => names.set(to, inode));
  }

  async syncDirectory(): Promise<void> {
    await this.#call("syncDirectory");
    this.#commit();
  }

  async identity(path: string): Promise<string> {
    await this.#call("identity");
    return String(this.#file(path).id);
  }

  async idle(): Promise<void> {
    // No time passes here.
  }

  salt(): readonly [number, number] {
    return [Math.floor(this.#random() * 2 ** 32), Math.floor(this.#random() * 2 ** 32)];
  }

  #successor(names: Names): SimulatedDisk {
    const next = new SimulatedDisk(this.#random);
    next.#names = new Map(names);
    next.#inodes = this.#inodes;
    next.#directories = new Set(this.#directories);
    return next;
  }

  #handle(inode: Inode, durable: boolean): DiskFile {
    const readSync = (target: Uint8Array, position: number): number => {
      const bytes = inode.written.subarray(position, position + target.byteLength);
      target.set(bytes);
      return bytes.byteLength;
    };
    return {
      readSync,
      write: (parts, position) => this.#write(inode, durable, { position, bytes: Buffer.concat(parts) }),
      read: async (target, position) => {
        await this.#call("read");
        return readSync(target, position);
      },
      sync: async () => {
        await this.#call("sync");
        for (const write of inode.unsynced) inode.synced = overwritten(inode.synced, write);
        inode.unsynced = [];
      },
      size: async () => inode.written.byteLength,
      close: async () => undefined,
    };
  }

  async #write(inode: Inode, durable: boolean, asked: Write): Promise<number> {
    const fault = await this.#call("write", true);
    let write = asked;
    if (fault === "short" && asked.bytes.byteLength > 1) {
      write = { position: asked.position, bytes: asked.bytes.subarray(0, asked.bytes.byteLength >> 1) };
    }
    if (fault === "lost") {
      inode.written = overwritten(inode.written, write);
      throw systemError("EIO", "write");
    }
    const torn = fault === "torn" || fault === "freeze";
    if (torn) {
      if (durable) inode.synced = this.#partly(inode.synced, write);
      else inode.unsynced.push(write);
      inode.written = this.#partly(inode.written, write);
      throw systemError("EIO", "write");
    }
    inode.written = overwritten(inode.written, write);
    if (durable) inode.synced = overwritten(inode.synced, write);
    else inode.unsynced.push(write);
    return write.bytes.byteLength;
  }

  /** Content after some sectors of a write, or a first part of it, reached the disk. */
  #partly(content: Buffer, write: Write): Buffer<ArrayBuffer> {
    let result = Buffer.from(content);
    const prefix = this.#random() < 0.5 ? Math.floor(this.#random() * (write.bytes.byteLength + 1)) : -1;
    if (prefix >= 0) return overwritten(result, { ...write, bytes: write.bytes.subarray(0, prefix) });
    for (let at = 0; at < write.bytes.byteLength; at += SECTOR_BYTES) {
      if (this.#random() < 0.5) continue;
      const bytes = write.bytes.subarray(at, at + SECTOR_BYTES);
      result = overwritten(result, { position: write.position + at, bytes });
    }
    return result;
  }

  /** Counts a call and plays the fault. A write plays those that reach the disk in part itself (`partial`). */
  async #call(what: string, partial = false): Promise<FaultKind | null> {
    this.calls += 1;
    if (this.#frozen) throw systemError("EIO", `${what}: the power is gone`);
    if (this.fault?.call !== this.calls) return null;
    const { kind } = this.fault;
    if (kind === "freeze") this.#frozen = true;
    if (kind === "short" || (partial && kind !== "EIO" && kind !== "ENOSPC")) return kind;
    throw systemError(kind === "ENOSPC" ? "ENOSPC" : "EIO", what);
  }

  #created(path: string): Inode {
    this.#inodes += 1;
    const inode = new Inode(this.#inodes);
    this.#change((names) => names.set(path, inode));
    return inode;
  }

  #change(change: (names: Names) => void): void {
    change(this.#names);
    this.#pending.push(change);
  }

  #commit(): void {
    for (const change of this.#pending) change(this.#durable);
    this.#pending = [];
  }

  #file(path: string): Inode {
    const node = this.#names.get(path);
    if (node === undefined || node === "directory") throw systemError("ENOENT", path);
    return node;
  }
}
