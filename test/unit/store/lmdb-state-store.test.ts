/** What is LMDB's own in the state store: damaged files, growth, views across a close. */
import { mkdir, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/runtime/random.js";
import { LmdbStateStore } from "../../../src/store/lmdb-state-store.js";

const PAGE_BYTES = 4_096;

let dir = "";
let data = "";
const stores: LmdbStateStore[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "jangada-lmdb-"));
  data = join(dir, "state", "data.mdb");
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await rm(dir, { recursive: true, force: true });
});

async function opened(): Promise<LmdbStateStore> {
  const store = new LmdbStateStore({ dir });
  await store.open();
  stores.push(store);
  return store;
}

const put = (key: string, value: string | Uint8Array) => ({ key, value: Buffer.from(value) });

async function filled(): Promise<void> {
  const store = await opened();
  await store.commit(
    Array.from({ length: 2_000 }, (_, i) => put(`key-${i}`, `a value that can be found ${i}.`)),
  );
  await store.close();
}

describe("a damaged file", () => {
  const corrupt = { code: "store_corrupt" };

  it.each([1, 100, 8_192, 100_000])(
    "of %i bytes that is no LMDB file is told, and does not bring the process down",
    async (bytes) => {
      await filled();
      await writeFile(data, Buffer.alloc(bytes, 7));
      await expect(opened()).rejects.toMatchObject(corrupt);
    },
  );

  it("that was cut short is told", async () => {
    await filled();
    await truncate(data, (await stat(data)).size - 40_000);
    await expect(opened()).rejects.toMatchObject(corrupt);
  });

  it("with a flipped value is told when it is loaded", async () => {
    await filled();
    const at = (await readFile(data)).lastIndexOf("that can be found 1234.");
    const file = await open(data, "r+");
    await file.write("X", at);
    await file.close();
    const store = await opened();
    expect(() => [...store.load()]).toThrow(expect.objectContaining(corrupt));
  });

  it("with pages in each other's places, or emptied, is told before LMDB meets them", async () => {
    await filled();
    const sound = await readFile(data);
    const pages = sound.length / PAGE_BYTES;
    let told = 0;
    for (let page = 2; page < pages; page += 1) {
      const damaged = Buffer.from(sound);
      const [at, other] = [page * PAGE_BYTES, (page + 1 < pages ? page + 1 : 2) * PAGE_BYTES];
      if (page % 2 === 0) damaged.fill(0, at, at + 512);
      else sound.copy(damaged, at, other, other + PAGE_BYTES);
      await writeFile(data, damaged);
      const code = await opened().then(
        () => null,
        (error: { readonly code?: string }) => error.code,
      );
      if (code !== null) expect(code).toBe("store_corrupt");
      told += Number(code !== null);
      await stores.pop()?.close();
    }
    // The others are free.
    expect(told).toBeGreaterThan(pages / 3);
  });

  it.each([
    ["number", 0],
    ["kind", 18],
    ["flags of the free pages", 52],
    ["flags of the free pages", 53],
    ["flags of the entries", 100],
    ["flags of the entries", 101],
  ])(
    "with another %s in one of its first pages (byte %i) is told before LMDB does as it says",
    async (_what, at) => {
      await filled();
      const sound = await readFile(data);
      for (const page of [0, PAGE_BYTES]) {
        for (let bit = 0; bit < 8; bit += 1) {
          const damaged = Buffer.from(sound);
          damaged[page + at]! ^= 1 << bit;
          await writeFile(data, damaged);
          await expect(opened(), `bit ${bit} of page ${page}`).rejects.toMatchObject(corrupt);
        }
      }
    },
  );

  it("that says of a page that another transaction wrote it is told: LMDB would read the page of the one before", async () => {
    await filled();
    await (await opened()).commit([put("key-1", "newer")]);
    await stores.pop()?.close();
    const sound = await readFile(data);
    const transactions = [0, PAGE_BYTES].map((page) => Number(sound.readBigUInt64LE(page + 152)));
    for (const [page, of] of transactions.entries()) {
      const damaged = Buffer.from(sound);
      damaged.writeBigUInt64LE(BigInt(of + 3), page * PAGE_BYTES + 152);
      await writeFile(data, damaged);
      await expect(opened(), `page ${page}`).rejects.toMatchObject(corrupt);
    }
  });

  it("with any other bit in the heads of its pages is told, or is as it was", async () => {
    await filled();
    const entries = (store: LmdbStateStore): string =>
      [...store.load()].map(({ key, value }) => `${key}=${Buffer.from(value)}`).join();
    const whole = entries(await opened());
    await stores.pop()?.close();
    const sound = await readFile(data);
    let told = 0;
    for (let page = 2; page < 6; page += 1) {
      // Its number, its transaction, its kind, and where its free room begins and ends.
      for (let bit = 0; bit < 24 * 8; bit += 1) {
        const damaged = Buffer.from(sound);
        damaged[page * PAGE_BYTES + (bit >> 3)]! ^= 1 << (bit & 7);
        await writeFile(data, damaged);
        try {
          const store = await opened();
          expect(entries(store), `bit ${bit} of page ${page}`).toBe(whole);
          await store.commit([put("key-1", "newer"), put("key-1999", "x".repeat(9_000))]);
          await stores.pop()?.close();
          expect(entries(await opened()), `bit ${bit} of page ${page}`).toContain("key-1=newer");
        } catch (error) {
          expect(error, `bit ${bit} of page ${page}`).toMatchObject(corrupt);
          told += 1;
        }
        await stores.pop()?.close();
      }
    }
    expect(told).toBeGreaterThan(100);
  });

  it("with nothing in it yet begins anew", async () => {
    await mkdir(join(dir, "state"));
    await writeFile(data, "");
    expect([...(await opened()).load()]).toEqual([]);
  });
});

/** Where the newest lists of free pages are in a file, and how long they are. */
function freeLists(file: Buffer): readonly { readonly at: number; readonly bytes: number }[] {
  const newest = file.readBigUInt64LE(152) >= file.readBigUInt64LE(PAGE_BYTES + 152) ? 0 : PAGE_BYTES;
  const root = Number(file.readBigUInt64LE(newest + 88)) * PAGE_BYTES;
  expect(file.readUInt16LE(root + 18)).toBe(2);
  return Array.from({ length: file.readUInt16LE(root + 20) / 2 }, (_, nth) => {
    const node = root + 24 + file.readUInt16LE(root + 24 + 2 * nth);
    expect(file.readUInt16LE(node + 4)).toBe(0);
    return { at: node + 16, bytes: file.readUInt16LE(node) };
  });
}

describe("damage in a list of free pages", () => {
  it("is told, or does no harm to what is written next", async () => {
    await filled();
    const half = await opened();
    for (let i = 0; i < 3; i += 1)
      await half.commit([put(`key-${i}`, "x".repeat(9_000)), put(`key-${i + 900}`, "y")]);
    await stores.pop()?.close();
    const sound = await readFile(data);
    const [list] = freeLists(sound).filter(({ bytes }) => bytes > 32);
    let [told, untold] = [0, 0];
    for (let bit = 0; bit < 8 * Math.min(200, list!.bytes); bit += 1) {
      const damaged = Buffer.from(sound);
      damaged[list!.at + (bit >> 3)]! ^= 1 << (bit & 7);
      await writeFile(data, damaged);
      const store = await opened().catch((error: unknown) => {
        expect(error, `bit ${bit}`).toMatchObject({ code: "store_corrupt" });
        told += 1;
      });
      if (store === undefined) continue;
      untold += 1;
      await store.commit(Array.from({ length: 300 }, (_, i) => put(`key-${i}`, `another ${bit}`)));
      await stores.pop()?.close();
      const entries = [...(await opened()).load()];
      expect(entries.filter(({ value }) => `${Buffer.from(value)}` === `another ${bit}`)).toHaveLength(300);
      await stores.pop()?.close();
    }
    // How long the key before it is.
    for (let bit = -10 * 8; bit < -8 * 8; bit += 1) {
      const damaged = Buffer.from(sound);
      damaged[list!.at + (bit >> 3)]! ^= 1 << (bit & 7);
      await writeFile(data, damaged);
      await expect(opened(), `bit ${bit}`).rejects.toMatchObject({ code: "store_corrupt" });
    }
    // A shorter list leaves pages out, which is room that nobody gets back.
    expect(told).toBeGreaterThan(untold);
  });
});

describe("a sound file", () => {
  it("is taken for one at every start, however it came about", async () => {
    const { unit } = seededRandom(1);
    const below = (count: number): number => Math.floor(unit() * count);
    const kept = new Map<string, number>();
    for (let life = 0; life < 24; life += 1) {
      const store = await opened();
      expect([...store.load()].map(({ value }) => value.length)).toHaveLength(kept.size);
      const isEmptied = life % 8 === 7;
      const changed = isEmptied ? [...kept.keys()] : Array.from({ length: 300 }, () => `k/${below(4_000)}`);
      for (const key of changed) {
        if (isEmptied || unit() < 0.3) kept.delete(key);
        else kept.set(key, below(unit() < 0.05 ? 20_000 : 300));
      }
      await store.commit(
        [...new Set(changed)].map((key) => {
          const bytes = kept.get(key);
          return { key, value: bytes === undefined ? null : Buffer.alloc(bytes, life) };
        }),
      );
      await stores.pop()?.close();
    }
    expect(kept.size).toBe(0);
  });
});

describe("entries that change behind the store's back", () => {
  const corrupt = { code: "store_corrupt" };
  const SUM_KEY = Buffer.from([0xff, 0xff]);

  /** With LMDB itself, as a page that is lost or an old one in its place does. */
  async function tamper(change: (database: RootDatabase<Uint8Array, Uint8Array>) => unknown): Promise<void> {
    const database = openLmdb<Uint8Array, Uint8Array>({
      path: join(dir, "state"),
      ...{ noSubdir: false, overlappingSync: false, encoding: "binary", keyEncoding: "binary" },
    });
    await change(database);
    await database.close();
  }

  async function expectTold(): Promise<void> {
    const store = await opened();
    expect(() => [...store.load()]).toThrow(expect.objectContaining(corrupt));
    const read = async (): Promise<void> => {
      for await (const chunk of store.view().entries()) expect(chunk.length).toBeGreaterThan(0);
    };
    await expect(read()).rejects.toMatchObject(corrupt);
  }

  it("are missed when one is gone", async () => {
    await filled();
    await tamper((database) => database.remove(Buffer.from("key-77")));
    await expectTold();
  });

  it("are seen when an old value is back in its place, sound in itself", async () => {
    await filled();
    let old: Uint8Array | undefined;
    await tamper((database) => {
      old = database.get(Buffer.from("key-77"));
    });
    const store = await opened();
    await store.commit([put("key-77", "newer"), put("key-78", "newer"), { key: "key-79", value: null }]);
    expect([...store.load()]).toHaveLength(1_999);
    await store.close();
    await tamper((database) => database.put(Buffer.from("key-77"), old ?? Buffer.alloc(0)));
    await expectTold();
  });

  it("are missed with the sum over them, which an earlier release alone did not write", async () => {
    await filled();
    await tamper((database) => database.remove(SUM_KEY));
    await expectTold();
    await Promise.all(stores.splice(0).map((store) => store.close()));
    await rm(join(dir, "state", "summed"));
    const store = await opened();
    expect([...store.load()]).toHaveLength(2_000);
    await store.commit([put("one", "more"), put("one", "once more"), put("two", "of them")]);
    expect([...store.load()]).toHaveLength(2_002);
    await store.close();
    await tamper((database) => database.remove(Buffer.from("key-1")));
    await expectTold();
  });

  it("do not matter when all are replaced", async () => {
    await filled();
    const store = await opened();
    const fresh = async function* () {
      yield [put("a", "1"), put("b", "2")];
    };
    await store.replace(fresh());
    await store.commit([put("b", "3")]);
    await store.close();
    expect([...(await opened()).load()]).toHaveLength(2);
    await stores.pop()?.close();
    await tamper((database) => database.remove(Buffer.from("a")));
    await expectTold();
  });
});

it("grows by itself, also under a view that is held", async () => {
  const store = await opened();
  await store.commit([put("first", "1")]);
  const view = store.view();
  const value = Buffer.alloc(100_000, 1);
  for (let round = 0; round < 10; round += 1) {
    await store.commit(Array.from({ length: 40 }, (_, i) => put(`${round}-${i}`, value)));
  }
  const seen: string[] = [];
  for await (const chunk of view.entries()) seen.push(...chunk.map(({ key }) => key));
  expect(seen).toEqual(["first"]);
  view.release();
  expect([...store.load()]).toHaveLength(401);
  expect((await stat(data)).size).toBeGreaterThan(40_000_000);
});

it("gives space back: what is replaced over and over does not make the file grow", async () => {
  const store = await opened();
  const fill = (round: number) =>
    store.commit(Array.from({ length: 100 }, (_, i) => put(`k${i}`, Buffer.alloc(5_000, round))));
  for (let round = 0; round < 5; round += 1) await fill(round);
  const { size } = await stat(data);
  for (let round = 0; round < 20; round += 1) await fill(round);
  expect((await stat(data)).size).toBeLessThan(size * 1.5);
});

it("ends a view that is being read when it is closed, with an error", async () => {
  await filled();
  const store = await opened();
  const view = store.view();
  const read = async (): Promise<void> => {
    for await (const chunk of view.entries()) if (chunk.length > 0) await store.close();
  };
  await expect(read()).rejects.toMatchObject({ code: "shutting_down" });
  view.release();
});

it("is readable by its owner alone", async () => {
  await filled();
  expect((await stat(data)).mode & 0o077).toBe(0);
  expect((await stat(join(dir, "state"))).mode & 0o077).toBe(0);
});

it("refuses a second transaction while one is under way, and work when it is not open", async () => {
  const store = await opened();
  const first = store.commit([put("a", "1")]);
  await expect(store.commit([put("b", "1")])).rejects.toMatchObject({ code: "invariant" });
  await first;
  await store.close();
  await expect(store.commit([put("c", "1")])).rejects.toMatchObject({ code: "invariant" });
  expect(() => store.view()).toThrow(/not open/);
});
