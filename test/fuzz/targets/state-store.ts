/**
 * The small state in LMDB, whose file a disk has damaged: it opens as one of the states that were committed, and takes another commit, or
 * `store_corrupt` says that it does not. LMDB believes what a page says: what it must not meet brings the process down, and no test could
 * say so.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FatalError } from "../../../src/errors.js";
import { LmdbStateStore } from "../../../src/store/lmdb-state-store.js";
import type { StateChange } from "../../../src/store/state-store.js";
import { damaged } from "../damage.js";
import { must, type Target } from "../target.js";

const FILES = ["data.mdb", "summed"] as const;

interface Original {
  readonly files: ReadonlyMap<string, Buffer>;
  /** As text, of each commit. */
  readonly states: ReadonlySet<string>;
}

/** The store's directory and, in it, its files. */
const home = mkdtempSync(join(tmpdir(), "jangada-fuzz-"));
const inside = join(home, "state");

function entriesOf(store: LmdbStateStore): string {
  return [...store.load()].map(textOf).join(" ");
}

function textOf({ key, value }: { readonly key: string; readonly value: Uint8Array }): string {
  return `${key}=${Buffer.from(value).toString("base64")}`;
}

/** A state as text, after these were put. */
function after(state: string, puts: readonly Put[]): string {
  const entries = new Map(state.split(" ").map((text) => [text.slice(0, text.indexOf("=")), text]));
  for (const each of puts) entries.set(each.key, textOf(each));
  return [...entries.keys()]
    .sort()
    .map((key) => entries.get(key))
    .join(" ");
}

type Put = StateChange & { readonly value: Uint8Array };

function put(key: number, bytes: number, fill: number): Put {
  return { key: `t/${String(key).padStart(4, "0")}`, value: Buffer.alloc(bytes, fill) };
}

/** Leaves and a branch above them, a value on pages of its own, pages that are free again. */
const COMMITS: readonly (readonly StateChange[])[] = [
  Array.from({ length: 60 }, (_, i) => put(i, 90 + (i % 7), i)),
  [put(3, 9_000, 1), ...Array.from({ length: 20 }, (_, i) => put(2 * i, 120, 100 + i))],
  [{ key: "t/0005", value: null }, put(61, 10, 7), put(3, 20, 2)],
];

async function written(): Promise<Original> {
  rmSync(inside, { recursive: true, force: true });
  const store = new LmdbStateStore({ dir: home });
  await store.open();
  const states = new Set<string>();
  for (const changes of COMMITS) {
    await store.commit(changes);
    states.add(entriesOf(store));
  }
  await store.close();
  const files = new Map(FILES.map((name) => [name as string, readFileSync(join(inside, name))]));
  return { files, states };
}

/** What is committed on a damaged file: pages come out of its lists of free ones. */
const MORE: readonly Put[] = [
  put(2, 9_000, 9),
  ...Array.from({ length: 30 }, (_, i) => put(100 + i, 200, 10)),
];

let original: Promise<Original> | null = null;
const originalOnce = (): Promise<Original> => {
  original ??= written();
  return original;
};

function lay(files: ReadonlyMap<string, Buffer>): void {
  rmSync(inside, { recursive: true, force: true });
  mkdirSync(inside);
  for (const [name, bytes] of files) writeFileSync(join(inside, name), bytes);
}

/** What the store gives, which then takes these changes; `null` when it says that it is damaged. */
async function read(changes: readonly StateChange[] = []): Promise<string | null> {
  const store = new LmdbStateStore({ dir: home });
  try {
    await store.open();
    const state = entriesOf(store);
    if (changes.length > 0) await store.commit(changes);
    return state;
  } catch (error) {
    if (error instanceof FatalError && error.code === "store_corrupt") return null;
    throw error;
  } finally {
    await store.close();
  }
}

export const target: Target = {
  name: "state-store",
  inputBytesMax: 72,
  seeds: async () => {
    await originalOnce();
    return Array.from({ length: 48 }, (_, i) => Buffer.from([0, i, i * 29, i * 5, i * 3, i * 11]));
  },
  run: async (input) => {
    const { files, states } = await originalOnce();
    const spoilt = damaged(files, input);
    lay(spoilt.files);
    // A second commit and a second start for some: they take their time.
    const isWritten = input.length % 4 === 0;
    const found = await read(isWritten ? MORE : []);
    // Without the mark that there is a sum, one that is gone as well is not missed.
    if (found === null || !spoilt.files.has("summed")) return;
    must(states.has(found), "the state is none that was committed");
    if (isWritten) must((await read()) === after(found, MORE), "what was committed on it is not there");
  },
  close: () => rmSync(home, { recursive: true, force: true }),
};
