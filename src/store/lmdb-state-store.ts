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
 * LMDB has no checksums. Every value has one behind it, and all entries have a sum (state-sum.ts) in the same transaction.
 *
 * Two processes must not share the directory; the node's data directory is locked before this is opened.
 */
import { access, mkdir, open as openFile, statfs } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { open, type RangeOptions, type RootDatabase, type Transaction } from "lmdb";
import { asError, assertInvariant, FatalError, JangadaError } from "../errors.js";
import { checkLmdbFile } from "./lmdb-file.js";
import { corrupt } from "./segment-format.js";
import { checkChanges, firstChunk } from "./state-entries.js";
import type { StateChange, StateStore, StateView } from "./state-store.js";
import { StateSum } from "./state-sum.js";

interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** An entry with the checksum that is stored with it. */
interface Checked extends Entry {
  readonly crc: number;
}

type Environment = RootDatabase<Uint8Array, Uint8Array>;

/** The lowest key: lmdb-js would otherwise leave out keys that begin with control characters. */
const FIRST_KEY = Buffer.from([0]);
/** Where the sum over all entries is: no key of the state is here, as this is no UTF-8. It is above all of them. */
const SUM_KEY = Buffer.from([0xff, 0xff]);
/** A file that is there when the sum must be: a store of before sums has none. */
const SUMMED = "summed";
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
  /** What the last finished commit left; `null` where an earlier release left none. */
  #sum: StateSum | null = null;
  #isMarked = false;

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
      this.#isMarked = await isThere(`${this.#path}/${SUMMED}`);
      this.#sum = this.#keptSum(this.#environment, {});
    } catch (error) {
      throw await failure(error, `cannot open`, this.#path);
    }
  }

  load(): Iterable<Entry> {
    return this.#summed(this.#env, this.#sum);
  }

  async commit(changes: readonly StateChange[]): Promise<void> {
    checkChanges(changes);
    const environment = this.#env;
    await this.#transaction((settled) => {
      const sum = this.#sum?.copy() ?? this.#counted(environment, settled);
      const crcs = checksums(environment, changes, sum, settled);
      return [sum, environment.batch(() => putAll(environment, changes, crcs, sum))];
    });
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
    await this.#transaction(() => {
      const sum = new StateSum();
      const crcs = checksums(environment, all, sum, null);
      const batch = environment.batch(() => {
        void environment.clearAsync();
        putAll(environment, all, crcs, sum);
      });
      return [sum, batch];
    });
  }

  async close(): Promise<void> {
    const environment = this.#environment;
    this.#environment = null;
    await environment?.close();
  }

  /** Every chunk is a range of its own: no cursor is left open when the reader stops, or the store is closed, in between. */
  async *#chunks(environment: Environment, transaction: Transaction): AsyncIterable<readonly Entry[]> {
    const sum = new StateSum();
    let range: RangeOptions | null = { start: FIRST_KEY, transaction };
    while (range !== null) {
      if (this.#environment !== environment) throw new JangadaError("shutting_down");
      const chunk: readonly Checked[] = firstChunk(this.#entries(environment, range));
      const last = chunk.at(-1);
      for (const { crc } of chunk) sum.add(crc);
      if (last === undefined) this.#compare(sum, this.#keptSum(environment, { transaction }));
      range = last === undefined ? null : { start: Buffer.from(last.key), exclusiveStart: true, transaction };
      if (chunk.length > 0) yield chunk;
      await nextTurn();
    }
  }

  *#entries(environment: Environment, range: RangeOptions): Iterable<Checked> {
    let last: Uint8Array = new Uint8Array(0);
    try {
      for (const { key, value } of environment.getRange({ ...range, end: SUM_KEY })) {
        // Pages that changed places have all entries, which are not found by their keys.
        if (Buffer.compare(key, last) <= 0) throw corrupt(this.#path, "entries are out of order");
        last = key;
        const content = value.subarray(0, Math.max(0, value.length - CRC_BYTES));
        const crc = crc32(content, crc32(key));
        if (crc !== storedCrc(value)) {
          const name = JSON.stringify(Buffer.from(key).toString());
          throw corrupt(this.#path, `the value of ${name} does not check`);
        }
        yield { key: Buffer.from(key).toString("utf8"), value: content, crc };
      }
    } catch (error) {
      if (error instanceof FatalError || error instanceof JangadaError) throw error;
      throw corrupt(this.#path, `it cannot be read: ${asError(error).message}`);
    }
  }

  /** All entries; at their end it is seen whether none is missing, or an old one in its place. */
  *#summed(environment: Environment, expected: StateSum | null): Iterable<Entry> {
    const sum = new StateSum();
    for (const entry of this.#entries(environment, { start: FIRST_KEY })) {
      sum.add(entry.crc);
      yield entry;
    }
    this.#compare(sum, expected);
  }

  /** For the first commit on a store that has no sum. */
  #counted(environment: Environment, transaction: Transaction): StateSum {
    const sum = new StateSum();
    for (const { crc } of this.#entries(environment, { start: FIRST_KEY, transaction })) sum.add(crc);
    return sum;
  }

  #keptSum(environment: Environment, options: { readonly transaction?: Transaction }): StateSum | null {
    const bytes = environment.get(SUM_KEY, options);
    return bytes === undefined ? null : StateSum.decode(bytes);
  }

  #compare(found: StateSum, kept: StateSum | null): void {
    if (kept === null && !this.#isMarked) return;
    if (kept === null || !kept.equals(found)) {
      throw corrupt(this.#path, "entries are missing, or old ones are in their place");
    }
  }

  /** From now on a store without its sum is a damaged one. */
  async #mark(): Promise<void> {
    const file = await openFile(`${this.#path}/${SUMMED}`, "w", 0o600);
    await file.close();
    const directory = await openFile(this.#path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
    this.#isMarked = true;
  }

  get #env(): Environment {
    if (this.#environment === null) throw new FatalError("invariant", "the state store is not open");
    return this.#environment;
  }

  /** `write` gives the sum after its batch. */
  async #transaction(write: (settled: Transaction) => readonly [StateSum, Promise<boolean>]): Promise<void> {
    assertInvariant(!this.#busy, "one transaction of the state store at a time");
    this.#busy = true;
    const settled = latest(this.#env);
    this.#settled = settled;
    try {
      const [sum, written] = write(settled.transaction);
      await written;
      this.#sum = sum;
      if (!this.#isMarked) await this.#mark();
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
 * The checksums of what is put (`null` for what is removed), which `sum` goes along with; `settled` has what was there before, `null` when
 * nothing was. Reads, and so may throw: it is done before a batch begins.
 */
function checksums(
  environment: Environment,
  changes: readonly StateChange[],
  sum: StateSum,
  settled: Transaction | null,
): readonly (number | null)[] {
  const changed = new Map<string, number | null>();
  return changes.map(({ key, value }) => {
    const keyBytes = Buffer.from(key);
    const before = changed.has(key) ? changed.get(key) : crcBefore(environment, keyBytes, settled);
    if (before !== undefined && before !== null) sum.remove(before);
    const crc = value === null ? null : crc32(value, crc32(keyBytes));
    if (crc !== null) sum.add(crc);
    changed.set(key, crc);
    return crc;
  });
}

/**
 * Hands changes and their sum over to the batch. A value is stored with a CRC of key and value behind it, as LMDB has no checksums; all of a
 * transaction's values are in one buffer, as lmdb-js looks up the address of each that it meets.
 */
function putAll(
  environment: Environment,
  changes: readonly StateChange[],
  crcs: readonly (number | null)[],
  sum: StateSum,
): void {
  const bytes = Buffer.allocUnsafeSlow(
    changes.reduce((total, { value }) => total + (value === null ? 0 : value.length + CRC_BYTES), 0),
  );
  let at = 0;
  for (const [place, { key, value }] of changes.entries()) {
    const keyBytes = Buffer.from(key);
    // The batch's own promise stands for those of its parts.
    if (value === null) {
      void environment.remove(keyBytes);
      continue;
    }
    bytes.set(value, at);
    const end = at + value.length;
    bytes.writeUInt32LE(crcs[place] ?? 0, end);
    void environment.put(keyBytes, bytes.subarray(at, end + CRC_BYTES));
    at = end + CRC_BYTES;
  }
  void environment.put(SUM_KEY, sum.encode());
}

/** The checksum stored with the value that a key had. */
function crcBefore(environment: Environment, key: Buffer, settled: Transaction | null): number | null {
  if (settled === null) return null;
  const value = environment.get(key, { transaction: settled });
  return value === undefined ? null : storedCrc(value);
}

/** What stands behind a value; `null` when it is too short for that. */
function storedCrc(value: Uint8Array): number | null {
  const at = value.length - CRC_BYTES;
  return at < 0 ? null : new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(at, true);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
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
