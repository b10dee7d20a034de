/** What every message store promises to those who still need messages that are past a limit. */
import { describe, expect, it } from "vitest";
import type { MessageStore, RetentionPolicy } from "../../src/store/message-store.js";
import type { MessageStoreUnderTest } from "./message-store.contract.js";
import {
  EMPTY_MARK,
  FOREVER,
  fillInTurns,
  policy,
  readAll,
  type Stream,
  topicOf,
} from "./message-store.stream.js";

type Holds = NonNullable<RetentionPolicy["holds"]>;

export function describeHolds(name: string, start: () => Promise<MessageStoreUnderTest>): void {
  const filled = async (): Promise<{ store: MessageStore; stream: Stream; home: MessageStoreUnderTest }> => {
    const home = await start();
    const store = home.create();
    await store.open(EMPTY_MARK, topicOf);
    return { store, stream: await fillInTurns(store), home };
  };
  const left = async (store: MessageStore): Promise<number[]> =>
    (await readAll(store)).messages.map(({ position }) => position);
  const held =
    (above: Record<number, number>): Holds =>
    async () =>
    (id) =>
      above[id] ?? Number.POSITIVE_INFINITY;
  const NOTHING_LOST = { lostMessages: 0, lost: new Map() };
  /** Positions 1 to 4 are too old. */
  const byAge = { nowMs: 9_000, topic: () => ({ ...FOREVER, ageMs: 4_000 }) };

  describe(`${name}, retention and what is held`, () => {
    it("keeps what is held although it is too old, and takes what is not", async () => {
      const { store } = await filled();
      expect(await store.retain(policy({ ...byAge, holds: held({ 1: 1 }) }))).toEqual(NOTHING_LOST);
      expect(await left(store)).toEqual([3, 5, 6, 7, 8]);
      expect(store.stats(1)).toEqual({ messages: 3, bytes: 30, firstPosition: 3 });
      expect(store.trimmedThrough({ ids: [1] })).toBe(1);
      expect(store.trimmedThrough({ ids: [2] })).toBe(4);
    });

    it("keeps what is held although the topic has too many bytes", async () => {
      const { store } = await filled();
      const topic = () => ({ ...FOREVER, bytes: 10 });
      await store.retain(policy({ topic, holds: held({ 2: 4 }) }));
      expect(await left(store)).toEqual([6, 7, 8]);
      await store.retain(policy({ topic, holds: held({ 2: 6 }) }));
      expect(await left(store)).toEqual([7, 8]);
    });

    it("asks which of the topics that would lose something are needed, and only when there are any", async () => {
      const { store } = await filled();
      const asked: ReadonlyMap<number, number>[] = [];
      const holds: Holds = async (wouldGo) => {
        asked.push(wouldGo);
        return () => Number.POSITIVE_INFINITY;
      };
      await store.retain(policy({ nowMs: 9_000, holds }));
      expect(asked).toEqual([]);
      const topic = (id: number) => (id === 1 ? { ...FOREVER, ageMs: 4_000 } : FOREVER);
      await store.retain(policy({ ...byAge, topic, holds }));
      expect(asked).toEqual([new Map([[1, 3]])]);
      await store.retain(policy({ bytesMax: 0, holds }));
      expect(asked.at(-1)).toEqual(
        new Map([
          [1, 7],
          [2, 8],
        ]),
      );
      expect(await left(store)).toEqual([]);
    });

    it("takes nothing that came after it asked, since nobody was asked about that", async () => {
      const { store, stream } = await filled();
      const topic = () => ({ ...FOREVER, bytes: 10 });
      const holds: Holds = async () => {
        store.append([stream.message(1, { payload: "p".repeat(10) })]);
        await store.sync();
        return () => Number.POSITIVE_INFINITY;
      };
      await store.retain(policy({ topic, holds }));
      expect(await left(store)).toEqual([7, 8, 9]);
      await store.retain(policy({ topic }));
      expect(await left(store)).toEqual([8, 9]);
    });

    it("takes no more than it asked about when there is more than enough meanwhile", async () => {
      const { store, stream } = await filled();
      let asked = 0;
      const holds: Holds = async (wouldGo) => {
        asked = Math.max(...wouldGo.values());
        for (let i = 0; i < 20; i += 1) {
          store.append(stream.batch(1, 2, 3));
          await store.sync();
        }
        return () => Number.POSITIVE_INFINITY;
      };
      const bytesMax = Math.ceil(store.bytes() / 2);
      expect(await store.retain(policy({ bytesMax, holds }))).toEqual(NOTHING_LOST);
      expect(asked).toBeGreaterThan(0);
      const kept = new Set(await left(store));
      expect(stream.from(asked).filter(({ position }) => !kept.has(position))).toEqual([]);
    });

    it("takes nothing that came while it found out what would go: nobody was asked about that either", async () => {
      const { store, stream } = await filled();
      // Whoever has everything that was written then holds nothing of it.
      const holds: Holds = async () => {
        await store.sync();
        return () => Number.POSITIVE_INFINITY;
      };
      const outcome = store.retain(policy({ bytesMax: 0, holds }));
      const last = stream.message(1, { payload: "p".repeat(10) });
      store.append([last]);
      expect(await outcome).toEqual(NOTHING_LOST);
      expect(await left(store)).toContain(last.position);
    });

    it("by the bytes of all takes what is not held, and nothing of the rest for its sake", async () => {
      const { store, home } = await filled();
      const holds = held({ 2: 4 });
      expect(await store.retain(policy({ bytesMax: 0, heldBytesMax: 1e12, holds }))).toEqual(NOTHING_LOST);
      expect(await left(store)).toEqual([6, 8]);
      expect(store.stats(1)).toEqual({ messages: 0, bytes: 0, firstPosition: 0 });
      expect(store.stats(2)).toEqual({ messages: 2, bytes: 20, firstPosition: 6 });
      const mark = await store.sync();
      await store.close();
      const again = home.create();
      await again.open(mark, topicOf);
      expect(await left(again)).toEqual([6, 8]);
      expect(again.stats(2)).toEqual({ messages: 2, bytes: 20, firstPosition: 6 });
      await again.retain(policy({ bytesMax: 0, heldBytesMax: 1e12, holds: held({ 2: 8 }) }));
      expect(await left(again)).toEqual([]);
    });

    it("takes even that when it is too much by itself, and says how much was needed", async () => {
      const { store } = await filled();
      const outcome = await store.retain(policy({ bytesMax: 0, heldBytesMax: 0, holds: held({ 2: 4 }) }));
      expect(outcome).toEqual({ lostMessages: 2, lost: new Map([[2, 8]]) });
      expect(await readAll(store)).toEqual({ messages: [], gaps: [8] });
      expect(await store.retain(policy({ bytesMax: 0, holds: held({ 2: 4 }) }))).toEqual(NOTHING_LOST);
    });
  });
}
