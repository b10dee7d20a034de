/**
 * The file system of a simulated node: directories of names and files. A name is on the disk when its directory was synced, and a
 * file's being synced says nothing of its name. Of what was not synced a power loss leaves a first part or, where there is no
 * journal, any part.
 */
import type { Chance } from "./chance.js";
import { SimFile } from "./sim-file.js";

type Node = SimFile | SimDirectory;
type Renaming = readonly (readonly [name: string, node: Node | null])[];

export function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function apply(names: Map<string, Node>, renaming: Renaming): void {
  for (const [name, node] of renaming) {
    if (node === null) names.delete(name);
    else names.set(name, node);
  }
}

class SimDirectory {
  names = new Map<string, Node>();
  #durable = new Map<string, Node>();
  #pending: Renaming[] = [];

  change(renaming: Renaming): void {
    apply(this.names, renaming);
    this.#pending.push(renaming);
  }

  sync(): void {
    for (const renaming of this.#pending) apply(this.#durable, renaming);
    this.#pending = [];
  }

  losePower(chance: Chance, seen: Set<Node>): void {
    const inOrder = chance.of(0.75);
    const survived = chance.whole(0, this.#pending.length);
    this.#pending.forEach((renaming, nth) => {
      if (inOrder ? nth < survived : chance.of(0.5)) apply(this.#durable, renaming);
    });
    this.#pending = [];
    this.names = new Map(this.#durable);
    for (const node of this.names.values()) {
      if (seen.has(node)) continue;
      seen.add(node);
      if (node instanceof SimFile) node.losePower(chance);
      else node.losePower(chance, seen);
    }
  }
}

/** A durable write that is under way. */
export interface Flight {
  readonly file: SimFile;
  readonly parts: readonly Uint8Array[];
  readonly at: number;
}

/** Paths are absolute, without `.` and `..`. */
export class SimFiles {
  readonly flights = new Set<Flight>();
  readonly #root = new SimDirectory();
  #ids = 0;

  /**
   * The process is gone, and with `isPowerLoss` the machine too. A durable write that was under way is in the cache, whole or its first
   * part, or never came to be.
   */
  crash(chance: Chance, isPowerLoss: boolean): void {
    for (const { file, parts, at } of this.flights) {
      const whole = Buffer.concat(parts);
      const fate = chance.unit();
      if (fate > 0.7) file.write([whole], at);
      else if (fate > 0.35) file.write([whole.subarray(0, chance.whole(0, whole.byteLength))], at);
    }
    this.flights.clear();
    if (isPowerLoss) this.#root.losePower(chance, new Set());
  }

  create(path: string): SimFile {
    this.#ids += 1;
    const file = new SimFile(this.#ids);
    this.#set(path, file);
    return file;
  }

  /** Throws ENOENT. */
  file(path: string): SimFile {
    const node = this.find(path);
    if (node instanceof SimFile) return node;
    throw systemError("ENOENT", path);
  }

  find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (let from = 1; from < path.length && node !== undefined; ) {
      const slash = path.indexOf("/", from);
      const end = slash < 0 ? path.length : slash;
      node = node instanceof SimFile ? undefined : node.names.get(path.slice(from, end));
      from = end + 1;
    }
    return node;
  }

  /** Throws ENOENT. */
  list(path: string): string[] {
    return [...this.#directory(path).names.keys()];
  }

  /** Creates a directory and those above it, each with a name that is on the disk if `durably`. */
  makeDirectory(path: string, durably: boolean): void {
    for (let slash = path.indexOf("/", 1); ; slash = path.indexOf("/", slash + 1)) {
      const part = slash < 0 ? path : path.slice(0, slash);
      if (this.find(part) === undefined) {
        this.#set(part, new SimDirectory());
        if (durably) this.syncDirectory(parentOf(part));
      }
      if (slash < 0) return;
    }
  }

  removeDirectory(path: string): void {
    if (this.#directory(path).names.size > 0) throw systemError("ENOTEMPTY", path);
    this.#set(path, null);
  }

  /** With everything in it. A missing one is fine. */
  removeTree(path: string): void {
    const node = this.find(path);
    if (node === undefined) return;
    if (!(node instanceof SimFile))
      for (const name of [...node.names.keys()]) this.removeTree(`${path}/${name}`);
    this.#set(path, null);
  }

  rename(from: string, to: string): void {
    const node = this.find(from);
    const parent = parentOf(from);
    if (node === undefined || parentOf(to) !== parent) throw systemError("ENOENT", `${from} to ${to}`);
    this.#directory(parent).change([
      [nameOf(from), null],
      [nameOf(to), node],
    ]);
  }

  unlink(path: string): void {
    this.file(path);
    this.#set(path, null);
  }

  link(from: string, to: string): void {
    const file = this.file(from);
    if (this.find(to) !== undefined) throw systemError("EEXIST", to);
    this.#set(to, file);
  }

  syncDirectory(path: string): void {
    this.#directory(path).sync();
  }

  /** Paths of all files below a directory, in order. */
  paths(path = ""): string[] {
    const node = path === "" ? this.#root : this.find(path);
    if (node === undefined) return [];
    if (node instanceof SimFile) return [path];
    return [...node.names.keys()].sort().flatMap((name) => this.paths(`${path}/${name}`));
  }

  #directory(path: string): SimDirectory {
    const node = path === "" ? this.#root : this.find(path);
    if (node === undefined || node instanceof SimFile) throw systemError("ENOENT", path);
    return node;
  }

  #set(path: string, node: Node | null): void {
    this.#directory(parentOf(path)).change([[nameOf(path), node]]);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
