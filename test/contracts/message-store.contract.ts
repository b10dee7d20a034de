/** What every message store promises, whichever it is. */
import { describe, expect, it } from "vitest";
import type { MessageStore } from "../../src/store/message-store.js";
import {
  EMPTY_MARK,
  FOREVER,
  fillInTurns,
  policy,
  positions,
  query,
  readAll,
  Stream,
  show,
  topicOf,
} from "./message-store.stream.js";

export interface MessageStoreUnderTest {
  /** A store on what the one before it left; the first is empty. Not opened. */
  create(): MessageStore;
  /** The bytes of a file that `files` named. */
  source(path: string, bytes: number): Promise<Uint8Array>;
}

export function describeMessageStore(name: string, start: () => Promise<MessageStoreUnderTest>): void {
  const opened = async (): Promise<{ store: MessageStore; home: MessageStoreUnderTest }> => {
    const home = await start();
    const store = home.create();
    await store.open(EMPTY_MARK, topicOf);
    return { store, home };
  };

  describe(`${name} as a message store`, () => {
    it("is empty at first", async () => {
      const { store } = await opened();
      expect(store.lastPosition).toBe(0);
      expect(await store.sync()).toEqual(EMPTY_MARK);
      expect(await store.read(query())).toEqual({ messages: [], next: 0, trimmedThrough: 0 });
      expect(store.stats(1)).toEqual({ messages: 0, bytes: 0, firstPosition: 0 });
      expect(store.trimmedThrough({ accepts: () => true })).toBe(0);
    });

    it("gives back every field of a message, before and after it is written and after a restart", async () => {
      const { store, home } = await opened();
      const stream = new Stream();
      stream.message(1, { payload: "" });
      stream.message(1, { payload: "olá", contentType: "text/plain; charset=utf-8", qos: 0 });
      stream.message(2, { payload: Uint8Array.from([0, 255, 10]), qos: 2, retain: true });
      stream.message(1, {
        payload: "x",
        contentType: "text/plain; charset=utf-8",
        expiresAtMs: 1_900_000_000_123,
      });
      stream.timeMs += 86_400_000 * 60;
      stream.message(2, { contentType: "application/vnd.praça+json" });
      stream.timeMs -= 1;
      stream.message(2, { contentType: "", expiresAtMs: 1 });
      stream.message(2, { publisher: 2 ** 40, properties: Uint8Array.from([0x01, 0x01]) });
      stream.message(2, { publisher: 2 ** 40, contentType: "a/b" });
      stream.message(2, { properties: new Uint8Array(70_000).fill(0x26) });
      store.append(stream.all);
      const expected = stream.all.map(show);
      expect((await readAll(store)).messages.map(show)).toEqual(expected);
      const mark = await store.sync();
      expect(mark.position).toBe(9);
      expect((await readAll(store)).messages.map(show)).toEqual(expected);
      await store.close();
      const again = home.create();
      await again.open(mark, topicOf);
      expect(again.lastPosition).toBe(9);
      expect((await readAll(again)).messages.map(show)).toEqual(expected);
    });

    it("reads by topic, by several topics and by a test on topics, in order of position", async () => {
      const { store } = await opened();
      const stream = new Stream();
      store.append(stream.batch(1, 2, 3, 1, 2, 3, 3, 1));
      const read = async (topics: Parameters<MessageStore["trimmedThrough"]>[0]): Promise<number[]> =>
        positions(await store.read(query({ topics })));
      expect(await read({ ids: [1] })).toEqual([1, 4, 8]);
      expect(await read({ ids: [3, 1] })).toEqual([1, 3, 4, 6, 7, 8]);
      expect(await read({ ids: [3, 3] })).toEqual([3, 6, 7]);
      expect(await read({ ids: [] })).toEqual([]);
      expect(await read({ ids: [77] })).toEqual([]);
      expect(await read({ accepts: (id) => id !== 3 })).toEqual([1, 2, 4, 5, 8]);
      expect(await read({ accepts: () => false })).toEqual([]);
    });

    it("stops a page at its messages or bytes, and goes on from next", async () => {
      const { store } = await opened();
      const stream = new Stream();
      for (let i = 0; i < 10; i += 1) stream.message(1 + (i % 2), { payload: "p".repeat(10) });
      store.append(stream.all);
      const odd = { ids: [1] };
      expect(await store.read(query({ messagesMax: 3 }))).toMatchObject({ next: 3, trimmedThrough: 0 });
      expect(positions(await store.read(query({ topics: odd, after: 1, messagesMax: 2 })))).toEqual([3, 5]);
      const page = await store.read(query({ topics: odd, bytesMax: 25 }));
      expect([positions(page), page.next]).toEqual([[1, 3, 5], 5]);
      expect(positions(await store.read(query({ bytesMax: 1 })))).toEqual([1]);
      expect(await store.read(query({ topics: odd, after: 9 }))).toMatchObject({ messages: [], next: 10 });
      expect((await readAll(store, { messagesMax: 1 })).messages).toHaveLength(10);
    });

    it("reads up to through, and not past the newest message", async () => {
      const { store } = await opened();
      store.append(new Stream().batch(1, 1, 1, 1));
      expect(await store.read(query({ after: 1, through: 3 }))).toMatchObject({ next: 3 });
      expect(positions(await store.read(query({ after: 1, through: 3 })))).toEqual([2, 3]);
      expect(await store.read(query({ topics: { ids: [9] }, through: 3 }))).toMatchObject({
        messages: [],
        next: 3,
      });
      expect(await store.read(query({ through: 99 }))).toMatchObject({ next: 4 });
      expect(await store.read(query({ after: 3, through: 2 }))).toMatchObject({ messages: [], next: 3 });
    });

    it("gives the same from memory as read does", async () => {
      const { store } = await opened();
      const stream = new Stream();
      store.append(stream.batch(1, 2, 1, 2, 1));
      for (const parts of [{}, { topics: { ids: [2] } }, { after: 2, messagesMax: 1 }, { after: 5 }]) {
        const recent = store.readRecent(query(parts));
        expect(recent).not.toBeNull();
        expect(recent).toEqual(await store.read(query(parts)));
      }
    });

    it("counts what a topic has", async () => {
      const { store, home } = await opened();
      const stream = new Stream();
      stream.message(2, { payload: "12" });
      stream.message(1, { payload: "123" });
      stream.message(1, { payload: "1234" });
      store.append(stream.all);
      const expected = { messages: 2, bytes: 7, firstPosition: 2 };
      expect(store.stats(1)).toEqual(expected);
      const mark = await store.sync();
      store.append([stream.message(1, { payload: "1" })]);
      expect(store.stats(1)).toEqual({ ...expected, messages: 3, bytes: 8 });
      await store.close();
      const again = home.create();
      await again.open(mark, topicOf);
      expect(again.stats(1)).toEqual(expected);
    });

    it("refuses positions that do not follow", async () => {
      const { store } = await opened();
      const stream = new Stream();
      const [first, second, third] = stream.batch(1, 1, 1);
      store.append([first!]);
      expect(() => store.append([third!])).toThrow(/contiguous/);
      expect(() => store.append([first!])).toThrow(/contiguous/);
      store.append([second!, third!]);
      expect(store.lastPosition).toBe(3);
    });

    it("does not read a forgotten topic any more, nor one that cannot be resolved", async () => {
      const { store, home } = await opened();
      const stream = new Stream();
      store.append(stream.batch(1, 2, 1));
      store.forget(1);
      const expectGone = async (of: MessageStore): Promise<void> => {
        expect(positions(await of.read(query()))).toEqual([2]);
        expect(positions(await of.read(query({ topics: { ids: [1, 2] } })))).toEqual([2]);
        expect(of.stats(1)).toEqual({ messages: 0, bytes: 0, firstPosition: 0 });
      };
      await expectGone(store);
      const mark = await store.sync();
      await expectGone(store);
      await store.close();
      const again = home.create();
      await again.open(mark, (id) => (id === 1 ? undefined : topicOf(id)));
      await expectGone(again);
    });

    it("is cut back to the mark it is opened with, and takes what is applied again", async () => {
      const { store, home } = await opened();
      const stream = new Stream();
      store.append(stream.batch(1, 2, 1));
      const mark = await store.sync();
      store.append(stream.batch(2, 1, 1));
      await store.sync();
      store.append(stream.batch(3, 3));
      await store.close();
      const again = home.create();
      await again.open(mark, topicOf);
      expect(again.lastPosition).toBe(3);
      expect(positions(await again.read(query()))).toEqual([1, 2, 3]);
      again.append(stream.from(3));
      await again.sync();
      expect((await readAll(again)).messages.map(show)).toEqual(stream.all.map(show));
    });

    it("does not open at a mark beyond what it has", async () => {
      const { store, home } = await opened();
      store.append(new Stream().batch(1, 1));
      const mark = await store.sync();
      await store.close();
      const beyond = { ...mark, bytes: mark.bytes + 1, position: mark.position + 1 };
      await expect(home.create().open(beyond, topicOf)).rejects.toMatchObject({ code: "store_corrupt" });
    });

    it("counts properties like payloads when it fills a page", async () => {
      const { store } = await opened();
      const stream = new Stream();
      for (let i = 0; i < 10; i += 1) {
        store.append([stream.message(1, { payload: "x", properties: new Uint8Array(1_000).fill(0x26) })]);
        if (i % 3 === 2) await store.sync();
      }
      expect(positions(await store.read(query({ bytesMax: 2_500 })))).toEqual([1, 2, 3]);
      expect((await readAll(store, { bytesMax: 2_500 })).messages.map(show)).toEqual(stream.all.map(show));
    });

    describe("retention", () => {
      const filled = async (): Promise<{
        store: MessageStore;
        home: MessageStoreUnderTest;
        stream: Stream;
      }> => {
        const { store, home } = await opened();
        return { store, home, stream: await fillInTurns(store) };
      };

      it("by age takes what is older, tells of the gap, and keeps the rest", async () => {
        const { store } = await filled();
        await store.retain(
          policy({ nowMs: 9_000, topic: (id) => (id === 1 ? { ...FOREVER, ageMs: 5_000 } : FOREVER) }),
        );
        expect(await readAll(store, { topics: { ids: [1] } })).toMatchObject({
          messages: [{ position: 5 }, { position: 7 }],
          gaps: [3],
        });
        expect((await readAll(store, { topics: { ids: [2] } })).gaps).toEqual([]);
        expect(store.stats(1)).toEqual({ messages: 2, bytes: 20, firstPosition: 5 });
        expect(store.stats(2)).toEqual({ messages: 4, bytes: 40, firstPosition: 2 });
        expect(store.trimmedThrough({ ids: [1] })).toBe(3);
        expect(store.trimmedThrough({ ids: [2] })).toBe(0);
        expect(store.trimmedThrough({ accepts: () => true })).toBe(3);
        expect(await store.read(query({ after: 3 }))).toMatchObject({ trimmedThrough: 0 });
        const all = await store.read(query({ after: 1 }));
        expect(all.trimmedThrough).toBe(3);
        expect(positions(all)).toEqual([2, 4, 5, 6, 7, 8]);
      });

      it("by bytes takes the oldest while the rest fills the limit", async () => {
        const { store } = await filled();
        await store.retain(policy({ topic: (id) => (id === 2 ? { ...FOREVER, bytes: 15 } : FOREVER) }));
        expect(store.stats(2)).toEqual({ messages: 2, bytes: 20, firstPosition: 6 });
        expect(
          (await readAll(store, { topics: { ids: [2] } })).messages.map(({ position }) => position),
        ).toEqual([6, 8]);
        expect(store.trimmedThrough({ ids: [2] })).toBe(4);
      });

      it("stays across a restart, and lets in what is applied again only above it", async () => {
        const { store, home, stream } = await filled();
        const mark = await store.sync();
        store.append(stream.batch(1, 2, 1));
        await store.retain(
          policy({ nowMs: stream.timeMs, topic: (id) => (id === 1 ? { ...FOREVER, ageMs: 0 } : FOREVER) }),
        );
        await store.close();
        const again = home.create();
        await again.open(mark, topicOf);
        const expectTrimmed = async (): Promise<void> => {
          expect((await readAll(again, { topics: { ids: [1] } })).messages).toEqual([]);
          expect(again.stats(1)).toEqual({ messages: 0, bytes: 0, firstPosition: 0 });
          expect(again.trimmedThrough({ ids: [1] })).toBe(11);
        };
        await expectTrimmed();
        again.append(stream.from(mark.position));
        await expectTrimmed();
        await again.sync();
        await expectTrimmed();
        again.append(stream.batch(1));
        expect(again.stats(1)).toMatchObject({ messages: 1, firstPosition: 12 });
        expect(positions(await again.read(query({ topics: { ids: [1, 2] }, after: 11 })))).toEqual([12]);
      });

      it("takes everything of a topic that the policy says is gone, without a gap", async () => {
        const { store } = await filled();
        await store.retain(policy({ topic: (id) => (id === 1 ? null : FOREVER) }));
        expect((await readAll(store)).messages.map(({ position }) => position)).toEqual([2, 4, 6, 8]);
        expect(store.trimmedThrough({ accepts: () => true })).toBe(0);
      });

      it("takes nothing when nothing is past a limit", async () => {
        const { store } = await filled();
        await store.retain(policy({ nowMs: 9_000 }));
        expect((await readAll(store)).messages).toHaveLength(8);
        expect((await readAll(store)).gaps).toEqual([]);
      });

      it("by the bytes of all takes the oldest of every topic", async () => {
        const { store } = await filled();
        await store.retain(policy({ bytesMax: 0 }));
        expect(await readAll(store)).toEqual({ messages: [], gaps: [8] });
        const stream = new Stream();
        stream.batch(1, 2, 1, 2, 1, 2, 1, 2);
        store.append(stream.batch(2, 1));
        await store.sync();
        expect((await readAll(store)).messages.map(({ position }) => position)).toEqual([9, 10]);
        expect(store.stats(1)).toMatchObject({ messages: 1, firstPosition: 10 });
      });
    });

    it("moves into another node by its files: the same messages, gaps and marks", async () => {
      const { store, home } = await opened();
      const stream = new Stream();
      stream.timeMs = 1_000;
      for (const id of [1, 2, 1, 2, 3]) {
        store.append([stream.message(id)]);
        await store.sync();
      }
      await store.retain(
        policy({ nowMs: 1e6, topic: (id) => (id === 1 ? { ...FOREVER, ageMs: 1 } : FOREVER) }),
      );
      const mark = await store.sync();
      store.append(stream.batch(1, 2, 3));
      const letGo = store.hold();
      const files = store.files(mark);
      for (const { name: file } of files) expect(file).toMatch(/^[a-z0-9.-]+$/);
      await store.retain(policy({ bytesMax: 0 }));

      const other = await opened();
      const before = new Stream();
      other.store.append(before.batch(7, 7));
      await other.store.sync();
      await other.store.replace(
        files.map(({ name: file, bytes }) => ({ name: file, bytes })),
        async (file, offset, length) => {
          const from = files.find(({ name: known }) => known === file)!;
          return (await home.source(from.path, from.bytes)).slice(offset, offset + length);
        },
      );
      letGo();
      await other.store.open(mark, topicOf);
      expect(other.store.lastPosition).toBe(5);
      expect(await readAll(other.store, { topics: { ids: [2, 3] } })).toMatchObject({
        messages: [{ position: 2 }, { position: 4 }, { position: 5 }],
        gaps: [],
      });
      expect((await readAll(other.store, { topics: { ids: [1] } })).gaps).toEqual([3]);
      expect((await readAll(other.store, { topics: { ids: [7] } })).messages).toEqual([]);
      other.store.append(stream.from(5));
      const moved = await other.store.sync();
      await other.store.close();
      const again = other.home.create();
      await again.open(moved, topicOf);
      expect((await readAll(again, { after: 3 })).messages.map(show)).toEqual(stream.from(3).map(show));
    });
  });
}
