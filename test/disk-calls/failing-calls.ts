/**
 * Node's own file calls, of this process, below one directory: counted, and one of them made to fail. It stands below everything that the
 * product has, whether that goes through a port or not; LMDB alone writes by itself and is not seen here.
 */
import fs from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/** `short`: a write takes half, and says so. The others are the system's own names. */
export type Failure = "EIO" | "ENOSPC" | "short";

/** Calls by path; the last parameter is a callback, or a promise is given back. */
const BY_PATH = [
  "open",
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
const BY_HANDLE = ["write", "read", "sync", "datasync", "truncate", "readFile", "writeFile", "stat"];
const WRITES: ReadonlySet<string> = new Set(["write", "writev"]);

type Call = (...given: unknown[]) => unknown;
type Calls = Record<string, Call>;

function errorOf(code: Exclude<Failure, "short">, what: string): Error {
  return Object.assign(new Error(`${code}: made to fail, ${what}`), { code });
}

/** What half of a write is. */
function halved(name: string, given: unknown[]): unknown[] {
  const [target, data, ...rest] = given;
  if (name === "writev" && Array.isArray(data)) {
    const all = Buffer.concat(data);
    return [target, [all.subarray(0, Math.max(1, all.byteLength >> 1))], ...rest];
  }
  const [offset, length, ...others] = rest;
  return typeof length === "number" ? [target, data, offset, Math.max(1, length >> 1), ...others] : given;
}

/** The calls below one directory. */
export class FailingCalls {
  /** So far. */
  calls = 0;
  /** Whether the call that was to fail was made. */
  hasFailed = false;
  /** Its name. */
  failed = "";
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

  /** From here on the disk is well. */
  end(): void {
    watched.delete(this);
  }

  covers(path: unknown): boolean {
    return typeof path === "string" && path.startsWith(this.#directory);
  }

  /** Counts a call; says what is to become of it. */
  next(name: string): Failure | null {
    this.calls += 1;
    if (this.calls !== this.#at) return null;
    if (this.#failure === "short" && !WRITES.has(name)) return null;
    this.hasFailed = true;
    this.failed = name;
    return this.#failure;
  }
}

type Whose = FailingCalls | "another" | "closed";

const watched = new Set<FailingCalls>();
const descriptors = new Map<number, Whose>();
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
function wrapCallback(calls: Calls, name: string, isByPath: boolean): void {
  const real = calls[name];
  if (real === undefined) return;
  calls[name] = function wrapped(...given: unknown[]): unknown {
    const owner = isByPath ? ownerOf(given[0]) : active(descriptors.get(Number(given[0])));
    const done = given.at(-1);
    if (typeof done !== "function") return real.apply(fs, given);
    if (owner === undefined) return name === "open" ? opening(real, given, "another") : real.apply(fs, given);
    const failure = owner.next(name);
    if (failure === "short") return real.apply(fs, halved(name, given));
    if (failure !== null) {
      setImmediate(() => done(errorOf(failure, name)));
      return undefined;
    }
    return name === "open" ? opening(real, given, owner) : real.apply(fs, given);
  };
}

/** Opens a file and remembers whose its descriptor is. */
function opening(real: Call, given: unknown[], owner: FailingCalls | "another"): unknown {
  const done = given.at(-1);
  const opened = (error: Error | null, descriptor: number): void => {
    if (error === null) descriptors.set(descriptor, owner);
    if (typeof done === "function") done(error, descriptor);
  };
  return real.apply(fs, [...given.slice(0, -1), opened]);
}

/** One call that gives a promise. */
function wrapPromise(calls: Calls, name: string): void {
  const real = calls[name];
  if (real === undefined) return;
  calls[name] = async (...given: unknown[]): Promise<unknown> => {
    const owner = ownerOf(given[0]);
    const failure = owner?.next(name) ?? null;
    if (failure !== null && failure !== "short") throw errorOf(failure, name);
    const result = await real.apply(fs.promises, given);
    if (name === "open" && owner !== undefined && typeof result === "object" && result !== null) {
      wrapHandle(result as FileHandle, owner);
    }
    return result;
  };
}

/** The methods of one open file. */
function wrapHandle(handle: FileHandle, owner: FailingCalls): void {
  for (const name of BY_HANDLE) {
    const real: unknown = Reflect.get(handle, name);
    if (typeof real !== "function") continue;
    Reflect.set(handle, name, async (...given: unknown[]): Promise<unknown> => {
      const failure = active(owner)?.next(name) ?? null;
      if (failure !== null && failure !== "short") throw errorOf(failure, name);
      return real.apply(handle, given);
    });
  }
}

/** Once for the process. */
function install(): void {
  if (isInstalled) return;
  isInstalled = true;
  const callbacks = fs as unknown as Calls;
  for (const name of BY_PATH) wrapCallback(callbacks, name, true);
  for (const name of BY_DESCRIPTOR) wrapCallback(callbacks, name, false);
  const promises = fs.promises as unknown as Calls;
  for (const name of [...BY_PATH, "symlink", "access", "truncate"]) wrapPromise(promises, name);
  const close = callbacks["close"];
  if (close !== undefined) {
    callbacks["close"] = (...given: unknown[]): unknown => {
      const descriptor = Number(given[0]);
      // By then the number may be another file's.
      if (descriptors.get(descriptor) === "closed")
        closedTwice.push(new Error(`descriptor ${descriptor}`).stack ?? "");
      if (descriptors.has(descriptor)) descriptors.set(descriptor, "closed");
      return close.apply(fs, given);
    };
  }
  syncBuiltinESMExports();
}
