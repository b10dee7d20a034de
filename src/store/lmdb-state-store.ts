/**
 * The small state in LMDB: one environment in `state/`, binary keys and values.
 *
 * What is relied on of lmdb-js 3.5:
 * - `overlappingSync: false`. Then a commit is LMDB's own: the data pages are written and fdatasynced, then the meta page is written
 *   synchronously, all on a thread of the pool; the promise of the batch resolves after that, so what resolves is on disk. Two
 *   meta pages take turns, so a power loss at any point leaves the state of this commit or of the one before. (The default, overlapping
 *   sync, resolves a commit before it is flushed and defers reuse of pages instead; nothing here would gain from it, as there
 *   is one commit at a time.)
 * - `batch` gathers its puts and removes in memory and hands them to the write thread as one transaction, all or nothing. It must
 *   not throw halfway (what was gathered so far would be written), so keys are checked before. The write thread reads values
 *   until the commit ends, so it gets copies.
 * - The map starts small and LMDB grows it and the file by itself, also under read transactions that are held.
 * - `keyEncoding: "binary"`: keys are our UTF-8 bytes, ordered by byte, NUL and all (the default encoding is another order). With
 *   `encoding: "binary"` a value that is read is a copy outside the map.
 * - `eventTurnBatching: false`: there is nothing to gather but a batch, and with it a failed commit would also reject a promise that
 *   nobody holds.
 * - A failed commit rejects with an error whose `commitError` is a second promise that rejects too.
 *
 * Two processes must not share the directory; the node's data directory is locked before this is opened.
 */
import { mkdir, statfs } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { open, type RangeOptions, type RootDatabase, type Transaction } from "lmdb";
import { asError, assertInvariant, FatalError, JangadaError } from "../errors.js";
import { checkLmdbFile } from "./lmdb-file.js";
import { corrupt } from "./segment-format.js";
import { checkChanges, firstChunk } from "./state-entries.js";
import type { StateChange, StateStore, StateView } from "./state-store.js";

interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

type Environment = RootDatabase<Uint8Array, Uint8Array>;

/** The lowest key: lmdb-js would otherwise leave out keys that begin with control characters. */
const FIRST_KEY = Buffer.from([0]);
const CRC_BYTES = 4;
/** With less than this free, a write that failed is taken to have failed for lack of room. */
const FREE_BYTES_MIN = 1024 * 1024;

/** A read transaction with several users; ends with the last. */
class SharedView {
  readonly transaction: Transaction;
  #users = 1;

  constructor(transaction: Transaction) {
    this.transaction = transaction;
  }

  use(): this {
    this.#users += 1;
    return this;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.transaction.done();
  }
}

export class LmdbStateStore implements StateStore {
  readonly #path: string;
  #environment: Environment | null = null;
  /** While a commit is under way: the state before it, as LMDB shows the new one a little before the promise says so. */
  #settled: SharedView | null = null;
  #busy = false;

  /** `dir` must exist; the store keeps to `state/` in it. */
  constructor(options: { readonly dir: string }) {
    this.#path = `${options.dir}/state`;
  }

  async open(): Promise<void> {
    assertInvariant(this.#environment === null, "the state store is opened once");
    try {
      await mkdir(this.#path, { recursive: true, mode: 0o700 });
      await checkLmdbFile(`${this.#path}/data.mdb`);
      this.#environment = open<Uint8Array, Uint8Array>({
        path: this.#path,
        noSubdir: false,
        overlappingSync: false,
        eventTurnBatching: false,
        encoding: "binary",
        keyEncoding: "binary",
        cache: false,
        ...FILE_MODE,
      });
    } catch (error) {
      throw await failure(error, `cannot open`, this.#path);
    }
  }

  load(): Iterable<Entry> {
    return this.#entries(this.#env, { start: FIRST_KEY });
  }

  async commit(changes: readonly StateChange[]): Promise<void> {
    checkChanges(changes);
    const environment = this.#env;
    await this.#transaction(() =>
      environment.batch(() => {
        putAll(environment, changes);
      }),
    );
  }

  view(): StateView {
    const environment = this.#env;
    const view = this.#settled?.use() ?? latest(environment);
    let isHeld = true;
    return {
      entries: () => this.#chunks(environment, view.transaction),
      release() {
        if (isHeld) view.release();
        isHeld = false;
      },
    };
  }

  async replace(chunks: AsyncIterable<readonly Entry[]>): Promise<void> {
    const environment = this.#env;
    const all: Entry[] = [];
    for await (const chunk of chunks) {
      checkChanges(chunk);
      for (const entry of chunk) all.push(entry);
    }
    await this.#transaction(() =>
      environment.batch(() => {
        void environment.clearAsync();
        putAll(environment, all);
      }),
    );
  }

  async close(): Promise<void> {
    const environment = this.#environment;
    this.#environment = null;
    await environment?.close();
  }

  /** Every chunk is a range of its own: no cursor is left open when the reader stops, or the store is closed, in between. */
  async *#chunks(environment: Environment, transaction: Transaction): AsyncIterable<readonly Entry[]> {
    let range: RangeOptions | null = { start: FIRST_KEY, transaction };
    while (range !== null) {
      if (this.#environment !== environment) throw new JangadaError("shutting_down");
      const chunk: readonly Entry[] = firstChunk(this.#entries(environment, range));
      const last = chunk.at(-1);
      range = last === undefined ? null : { start: Buffer.from(last.key), exclusiveStart: true, transaction };
      if (chunk.length > 0) yield chunk;
      await nextTurn();
    }
  }

  *#entries(environment: Environment, range: RangeOptions): Iterable<Entry> {
    for (const { key, value } of environment.getRange(range)) {
      const end = value.length - CRC_BYTES;
      const content = value.subarray(0, Math.max(0, end));
      if (end < 0 || crc32(content, crc32(key)) !== Buffer.from(value).readUInt32LE(end)) {
        throw corrupt(
          this.#path,
          `the value of ${JSON.stringify(Buffer.from(key).toString())} does not check`,
        );
      }
      yield { key: Buffer.from(key).toString("utf8"), value: content };
    }
  }

  get #env(): Environment {
    if (this.#environment === null) throw new FatalError("invariant", "the state store is not open");
    return this.#environment;
  }

  async #transaction(write: () => Promise<boolean>): Promise<void> {
    assertInvariant(!this.#busy, "one transaction of the state store at a time");
    this.#busy = true;
    const settled = latest(this.#env);
    this.#settled = settled;
    try {
      await write();
    } catch (error) {
      throw await failure(await reasonOf(error), "cannot write", this.#path);
    } finally {
      this.#busy = false;
      this.#settled = null;
      settled.release();
    }
  }
}

/** Permissions of the data file; lmdb-js knows the option, its types do not. */
const FILE_MODE: { readonly permissionsMode: number } = { permissionsMode: 0o600 };

/**
 * Hands changes over to the batch. A value is stored with a CRC of key and value behind it, as LMDB has no checksums; all of a
 * transaction's values are in one buffer, as lmdb-js looks up the address of each that it meets.
 */
function putAll(environment: Environment, changes: readonly StateChange[]): void {
  const bytes = Buffer.allocUnsafeSlow(
    changes.reduce((sum, { value }) => sum + (value === null ? 0 : value.length + CRC_BYTES), 0),
  );
  let at = 0;
  for (const { key, value } of changes) {
    const keyBytes = Buffer.from(key);
    // The batch's own promise stands for those of its parts.
    if (value === null) {
      void environment.remove(keyBytes);
      continue;
    }
    bytes.set(value, at);
    const end = at + value.length;
    bytes.writeUInt32LE(crc32(value, crc32(keyBytes)), end);
    void environment.put(keyBytes, bytes.subarray(at, end + CRC_BYTES));
    at = end + CRC_BYTES;
  }
}

function latest(environment: Environment): SharedView {
  environment.resetReadTxn();
  return new SharedView(environment.useReadTransaction());
}

/** The cause of a failed commit: lmdb-js hides it in a promise of its own. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !("commitError" in error)) return error;
  try {
    await error.commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}

/** LMDB gives EIO when a write comes out short, which it does on a full disk: the free space tells which it was. */
async function failure(error: unknown, what: string, path: string): Promise<FatalError> {
  if (error instanceof FatalError) return error;
  const cause = asError(error);
  const text = `${what} ${path}: ${cause.message}`;
  const space = await statfs(path).catch(() => null);
  if (space !== null && space.bavail * space.bsize < FREE_BYTES_MIN) {
    return new FatalError("disk_full", `${text}; the disk is full: make room and start again`, { cause });
  }
  if (/MDB_(INVALID|CORRUPTED|PAGE_NOTFOUND|VERSION_MISMATCH)/.test(cause.message))
    return corrupt(path, cause.message);
  return new FatalError("disk_failed", text, { cause });
}
