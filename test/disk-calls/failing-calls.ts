/**
 * Node's own file calls, of this process, below one directory: counted, and one of them made to fail. It stands below everything that the
 * product has, whether that goes through a port or not; LMDB alone writes by itself and is not seen here.
 */
import fs from "node:fs";
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

function callOf(target: object, name: string): Call | null {
  const call: unknown = Reflect.get(target, name);
  return typeof call === "function" ? (...given) => Reflect.apply(call, target, given) : null;
}

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
function wrapCallback(name: string, isByPath: boolean): void {
  const real = callOf(fs, name);
  if (real === null) return;
  const wrapped: Call = (...given) => {
    const owner = isByPath ? ownerOf(given[0]) : active(descriptors.get(Number(given[0])));
    const done = given.at(-1);
    if (typeof done !== "function") return real(...given);
    if (owner === undefined) return name === "open" ? opening(real, given, "another") : real(...given);
    const failure = owner.next(name);
    if (failure === "short") return real(...halved(name, given));
    if (failure !== null) {
      setImmediate(() => done(errorOf(failure, name)));
      return undefined;
    }
    return name === "open" ? opening(real, given, owner) : real(...given);
  };
  Reflect.set(fs, name, wrapped);
}

/** Opens a file and remembers whose its descriptor is. */
function opening(real: Call, given: unknown[], owner: FailingCalls | "another"): unknown {
  const done = given.at(-1);
  const opened = (error: Error | null, descriptor: number): void => {
    if (error === null) descriptors.set(descriptor, owner);
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
    const failure = owner?.next(name) ?? null;
    if (failure !== null && failure !== "short") throw errorOf(failure, name);
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
      const failure = active(owner)?.next(name) ?? null;
      if (failure !== null && failure !== "short") throw errorOf(failure, name);
      return await real(...given);
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
  for (const name of [...BY_PATH, "symlink", "access", "truncate"]) wrapPromise(name);
  wrapClose();
  syncBuiltinESMExports();
}
