/**
 * Node's own file calls, of this process, below one directory: counted, and one of them made to fail. It stands below everything that the
 * product has, whether that goes through a port or not; LMDB alone writes by itself and is not seen here, nor are the few calls that wait
 * (readSync, statSync). After a sync that failed, a file holds what was synced.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { type BegunSync, LostBytes } from "./lost-bytes.js";

/** `short`: a write takes half, and says so. The others are the system's own names; `EMFILE` befalls calls that open a file. */
export type Failure = "EIO" | "ENOSPC" | "EMFILE" | "short";

/** Calls by path; the last parameter is a callback, or a promise is given back. */
const BY_PATH = [
  "open",
  "opendir",
  "rename",
  "unlink",
  "link",
  "mkdir",
  "rm",
  "rmdir",
  "readdir",
  "readFile",
  "writeFile",
];
const BY_DESCRIPTOR = ["write", "writev", "read", "fsync", "fdatasync", "ftruncate", "fstat"];
const BY_HANDLE = [
  "write",
  "writev",
  "read",
  "sync",
  "datasync",
  "truncate",
  "readFile",
  "writeFile",
  "stat",
];
const OPENING: ReadonlySet<string> = new Set(["open", "opendir", "readdir", "readFile", "writeFile"]);
const WRITES: ReadonlySet<string> = new Set(["write", "writev"]);
const SYNCS: ReadonlySet<string> = new Set(["fsync", "fdatasync", "sync", "datasync"]);

type Call = (...given: unknown[]) => unknown;

function callOf(target: object, name: string): Call | null {
  const call: unknown = Reflect.get(target, name);
  return typeof call === "function" ? (...given) => Reflect.apply(call, target, given) : null;
}

function errorOf(code: Exclude<Failure, "short">, what: string): Error {
  return Object.assign(new Error(`${code}: made to fail, ${what}`), { code });
}

/** Half of a write, by what is given behind the descriptor; null for what is no write, or cannot be halved. */
function halved(name: string, given: readonly unknown[]): unknown[] | null {
  if (!WRITES.has(name)) return null;
  const [data, ...rest] = given;
  if (Array.isArray(data)) {
    const all = Buffer.concat(data);
    return [[all.subarray(0, Math.max(1, all.byteLength >> 1))], ...rest];
  }
  const [offset, length, ...others] = rest;
  return typeof length === "number" ? [data, offset, Math.max(1, length >> 1), ...others] : null;
}

/** What a write writes, and where; null for one that does not say it. */
function writtenBy(given: readonly unknown[]): { readonly bytes: Buffer; readonly position: number } | null {
  const [data, offset, length, position] = given;
  if (Array.isArray(data) && typeof offset === "number")
    return { bytes: Buffer.concat(data), position: offset };
  if (!(data instanceof Uint8Array) || typeof offset !== "number") return null;
  if (typeof length !== "number" || typeof position !== "number") return null;
  return { bytes: Buffer.from(data.subarray(offset, offset + length)), position };
}

/** One call, by what decides whether it can fail in a way. */
interface Made {
  readonly name: string;
  readonly isByPath: boolean;
  /** What is given behind the descriptor. */
  readonly given: readonly unknown[];
}

/** What becomes of a call: it goes through, fails, or is done by half. */
type Fate = { readonly code: Exclude<Failure, "short"> } | { readonly given: unknown[] } | null;

/** The calls below one directory. */
export class FailingCalls {
  /** So far. */
  calls = 0;
  /** The name of the call that failed; "" before it. */
  failed = "";
  readonly lost = new LostBytes();
  readonly #directory: string;
  readonly #at: number;
  readonly #failure: Failure;

  /** `at`: which call fails, from 1; 0 for none. */
  constructor(directory: string, at: number, failure: Failure) {
    this.#directory = directory;
    this.#at = at;
    this.#failure = failure;
    install();
    watched.add(this);
  }

  /** Whoever made the calls is gone. From here on the disk is well, and holds no more than a disk would. */
  end(): void {
    watched.delete(this);
    this.lost.settle(this.#directory);
  }

  covers(path: unknown): boolean {
    return typeof path === "string" && path.startsWith(this.#directory);
  }

  /** Counts a call; says what is to become of it. */
  next(made: Made): Fate {
    this.calls += 1;
    if (this.calls !== this.#at) return null;
    const fate = this.#fateOf(made);
    if (fate !== null) this.failed = made.name;
    return fate;
  }

  #fateOf({ name, isByPath, given }: Made): Fate {
    const code = this.#failure;
    if (code === "short") {
      const half = halved(name, given);
      return half === null ? null : { given: half };
    }
    if (code === "EMFILE" && !(isByPath && OPENING.has(name))) return null;
    return { code };
  }
}

type Whose = FailingCalls | "another" | "closed";

const watched = new Set<FailingCalls>();
const descriptors = new Map<number, Whose>();
/** Descriptors of which a write is on the disk when it is done. */
const durable = new Set<number>();
let isInstalled = false;
/** Where a descriptor was closed that was closed already. */
export const closedTwice: string[] = [];

function ownerOf(path: unknown): FailingCalls | undefined {
  for (const calls of watched) if (calls.covers(path)) return calls;
  return undefined;
}

function active(calls: Whose | undefined): FailingCalls | undefined {
  return calls instanceof FailingCalls && watched.has(calls) ? calls : undefined;
}

/** One call with a callback at its end. */
function wrapCallback(name: string, isByPath: boolean): void {
  const real = callOf(fs, name);
  if (real === null) return;
  const wrapped: Call = (...given) => {
    const owner = isByPath ? ownerOf(given[0]) : active(descriptors.get(Number(given[0])));
    const callback = given.at(-1);
    if (typeof callback !== "function") return real(...given);
    const done: Hearing["done"] = (...result) => Reflect.apply(callback, undefined, result);
    if (owner === undefined) return name === "open" ? opening(real, given, "another") : real(...given);
    const [first, ...rest] = given.slice(0, -1);
    const sync = SYNCS.has(name) ? owner.lost.begin(Number(first)) : null;
    const fate = owner.next({ name, isByPath, given: rest });
    if (fate !== null && "code" in fate) {
      if (sync !== null) owner.lost.failed(sync);
      setImmediate(() => done(errorOf(fate.code, name)));
      return undefined;
    }
    if (name === "open") return opening(real, given, owner);
    return real(
      first,
      ...(fate?.given ?? rest),
      heard(owner, Number(first), { name, given: rest, sync, done }),
    );
  };
  Reflect.set(fs, name, wrapped);
}

interface Hearing {
  readonly name: string;
  readonly given: readonly unknown[];
  readonly sync: BegunSync | null;
  readonly done: (...result: unknown[]) => unknown;
}

/** The callback of a call that goes through: what it made durable is written down first. */
function heard(
  owner: FailingCalls,
  descriptor: number,
  { name, given, sync, done }: Hearing,
): Hearing["done"] {
  const write = WRITES.has(name) && durable.has(descriptor) ? writtenBy(given) : null;
  if (sync === null && write === null) return done;
  return (error, ...result) => {
    if (error === null && sync !== null) owner.lost.done(sync);
    if (error === null && write !== null)
      owner.lost.written(descriptor, write.bytes.subarray(0, Number(result[0])), write.position);
    return done(error, ...result);
  };
}

/** Opens a file and remembers whose its descriptor is. */
function opening(real: Call, given: unknown[], owner: FailingCalls | "another"): unknown {
  const [, flags] = given;
  const done = given.at(-1);
  const opened = (error: Error | null, descriptor: number): void => {
    if (error === null) {
      descriptors.set(descriptor, owner);
      if (typeof flags === "number" && (flags & fs.constants.O_DSYNC) !== 0) durable.add(descriptor);
    }
    if (typeof done === "function") done(error, descriptor);
  };
  return real(...given.slice(0, -1), opened);
}

/** One call that gives a promise. */
function wrapPromise(name: string): void {
  const real = callOf(fs.promises, name);
  if (real === null) return;
  const wrapped: Call = async (...given) => {
    const owner = ownerOf(given[0]);
    const fate = owner?.next({ name, isByPath: true, given: given.slice(1) }) ?? null;
    if (fate !== null && "code" in fate) throw errorOf(fate.code, name);
    const result = await real(...given);
    if (name === "open" && owner !== undefined && typeof result === "object" && result !== null) {
      wrapHandle(result, owner);
    }
    return result;
  };
  Reflect.set(fs.promises, name, wrapped);
}

/** The methods of one open file. */
function wrapHandle(handle: object, owner: FailingCalls): void {
  for (const name of BY_HANDLE) {
    const real = callOf(handle, name);
    if (real === null) continue;
    const wrapped: Call = async (...given) => {
      const calls = active(owner);
      const sync = SYNCS.has(name) ? calls?.lost.begin(Number(Reflect.get(handle, "fd"))) : null;
      const fate = calls?.next({ name, isByPath: false, given }) ?? null;
      if (fate !== null && "code" in fate) {
        if (sync) calls?.lost.failed(sync);
        throw errorOf(fate.code, name);
      }
      const result = await real(...(fate?.given ?? given));
      if (sync) calls?.lost.done(sync);
      return result;
    };
    Reflect.set(handle, name, wrapped);
  }
}

function wrapClose(): void {
  const real = callOf(fs, "close");
  if (real === null) return;
  const wrapped: Call = (...given) => {
    const descriptor = Number(given[0]);
    const whose = descriptors.get(descriptor);
    // By then the number may be another file's.
    if (whose === "closed") closedTwice.push(new Error(`descriptor ${descriptor}`).stack ?? "");
    if (whose !== undefined) descriptors.set(descriptor, "closed");
    durable.delete(descriptor);
    return real(...given);
  };
  Reflect.set(fs, "close", wrapped);
}

/** Once for the process. */
function install(): void {
  if (isInstalled) return;
  isInstalled = true;
  for (const name of BY_PATH) wrapCallback(name, true);
  for (const name of BY_DESCRIPTOR) wrapCallback(name, false);
  for (const name of [...BY_PATH, "symlink", "access", "truncate", "stat", "statfs"]) wrapPromise(name);
  wrapClose();
  syncBuiltinESMExports();
}
