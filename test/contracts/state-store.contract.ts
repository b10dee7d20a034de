/** What every state store promises, whichever it is. */
import { describe, expect, it } from "vitest";
import type { StateChange, StateStore, StateView } from "../../src/store/state-store.js";

export interface StateStoreUnderTest {
  /** A store on what the one before it left; the first is empty. */
  reopen(): Promise<StateStore>;
}

interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
}

const put = (key: string, value: string): StateChange => ({ key, value: Buffer.from(value) });
const remove = (key: string): StateChange => ({ key, value: null });
const read = (entries: Iterable<Entry>): string[] =>
  [...entries].map(({ key, value }) => `${key}=${Buffer.from(value)}`);

async function readView(view: StateView): Promise<string[]> {
  const all: string[] = [];
  for await (const chunk of view.entries()) all.push(...read(chunk));
  return all;
}

async function* inTwos(entries: readonly Entry[]): AsyncIterable<readonly Entry[]> {
  for (let i = 0; i < entries.length; i += 2) yield entries.slice(i, i + 2);
}

export function describeStateStore(name: string, create: () => Promise<StateStoreUnderTest>): void {
  describe(`${name} as a state store`, () => {
    it("is empty at first", async () => {
      const store = await (await create()).reopen();
      expect(read(store.load())).toEqual([]);
    });

    it("puts, replaces and removes in one transaction, and has it after a restart", async () => {
      const home = await create();
      const store = await home.reopen();
      await store.commit([put("b", "1"), put("a", "1"), put("c", "1")]);
      await store.commit([put("a", "2"), remove("b"), remove("never there")]);
      expect(read(store.load())).toEqual(["a=2", "c=1"]);
      await store.close();
      expect(read((await home.reopen()).load())).toEqual(["a=2", "c=1"]);
    });

    it("takes an empty transaction", async () => {
      const store = await (await create()).reopen();
      await store.commit([]);
      await store.commit([put("a", "")]);
      expect(read(store.load())).toEqual(["a="]);
    });

    it("orders keys by their UTF-8 bytes, control characters and NUL included", async () => {
      const keys = [
        "\u0000",
        "\u0000a",
        "\u0001",
        "A",
        "a",
        "a\u0000b",
        "a/b",
        "aa",
        "é",
        "~",
        "\u{ff5e}",
        "\u{1f600}",
      ];
      const store = await (await create()).reopen();
      await store.commit(keys.map((key) => put(key, "x")));
      const expected = [...keys].sort((a, b) => Buffer.from(a).compare(Buffer.from(b)));
      expect([...store.load()].map(({ key }) => key)).toEqual(expected);
    });

    it("keeps values byte for byte, whatever happens to the buffer that they came in", async () => {
      const store = await (await create()).reopen();
      const value = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
      const expected = value.slice();
      await store.commit([{ key: "k".repeat(511), value }]);
      value.fill(0);
      await store.commit([put("other", "1")]);
      const [entry] = [...store.load()];
      expect(entry?.key).toHaveLength(511);
      expect(Buffer.compare(entry?.value ?? new Uint8Array(0), expected)).toBe(0);
    });

    it.each(["", "k".repeat(512), "é".repeat(256), "\ud800"])(
      "refuses a key that it cannot keep (%#)",
      async (key) => {
        const store = await (await create()).reopen();
        await expect((async () => store.commit([put("fine", "1"), put(key, "1")]))()).rejects.toMatchObject({
          code: "invariant",
        });
        await store.commit([put("after", "1")]);
        expect(read(store.load())).toEqual(["after=1"]);
      },
    );

    it("holds a view still while commits go on", async () => {
      const store = await (await create()).reopen();
      const many = Array.from({ length: 1_200 }, (_, i) => put(`key-${String(i).padStart(5, "0")}`, "old"));
      await store.commit(many);
      const view = store.view();
      await store.commit([...many.map(({ key }) => put(key, "new")), put("another", "new")]);
      const seen = await readView(view);
      expect(seen).toHaveLength(1_200);
      expect(seen.every((entry) => entry.endsWith("=old"))).toBe(true);
      expect(await readView(view)).toEqual(seen);
      view.release();
      view.release();
      expect(read(store.load()).filter((entry) => entry.endsWith("=new"))).toHaveLength(1_201);
    });

    it("gives a view that is taken during a commit the state before it", async () => {
      const store = await (await create()).reopen();
      await store.commit([put("a", "1")]);
      const committing = store.commit([put("a", "2")]);
      const view = store.view();
      await committing;
      const later = store.view();
      expect(await readView(view)).toEqual(["a=1"]);
      expect(await readView(later)).toEqual(["a=2"]);
      view.release();
      later.release();
    });

    it("gives a view in chunks, each entry once", async () => {
      const store = await (await create()).reopen();
      const value = "v".repeat(1_000);
      await store.commit(Array.from({ length: 3_000 }, (_, i) => put(`k${i}`, value)));
      const view = store.view();
      const sizes: number[] = [];
      for await (const chunk of view.entries()) sizes.push(chunk.length);
      view.release();
      expect(sizes.reduce((a, b) => a + b, 0)).toBe(3_000);
      expect(Math.max(...sizes)).toBeLessThan(1_000);
    });

    it("replaces everything at once, and has it after a restart", async () => {
      const home = await create();
      const store = await home.reopen();
      await store.commit([put("old", "1"), put("both", "1")]);
      const before = store.view();
      const entries = ["a", "b", "both", "c", "d"].map((key) => ({ key, value: Buffer.from("2") }));
      await store.replace(inTwos(entries));
      expect(read(store.load())).toEqual(["a=2", "b=2", "both=2", "c=2", "d=2"]);
      expect(await readView(before)).toEqual(["both=1", "old=1"]);
      before.release();
      await store.close();
      expect(read((await home.reopen()).load())).toEqual(["a=2", "b=2", "both=2", "c=2", "d=2"]);
    });

    it("replaces by nothing", async () => {
      const store = await (await create()).reopen();
      await store.commit([put("old", "1")]);
      await store.replace(inTwos([]));
      expect(read(store.load())).toEqual([]);
    });

    it("changes nothing when what replaces it fails", async () => {
      const store = await (await create()).reopen();
      await store.commit([put("old", "1")]);
      const failing = async function* (): AsyncIterable<readonly Entry[]> {
        yield [{ key: "new", value: Buffer.from("2") }];
        throw new Error("the source is damaged");
      };
      await expect(store.replace(failing())).rejects.toThrow("the source is damaged");
      expect(read(store.load())).toEqual(["old=1"]);
      await store.commit([put("more", "1")]);
      expect(read(store.load())).toEqual(["more=1", "old=1"]);
    });
  });
}
