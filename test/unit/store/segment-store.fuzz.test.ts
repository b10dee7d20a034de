/**
 * Random lives of the segment store beside its memory twin, with 200 topics: every read gives the same. Retention is checked apart, as
 * the disk takes whole blocks where the twin takes messages.
 */
import { describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../../src/runtime/random.js";
import { MemoryMessageStore } from "../../../src/store/memory-store.js";
import type { StoreMark, TopicSelection } from "../../../src/store/message-store.js";
import { SegmentStore } from "../../../src/store/segment-store.js";
import { EMPTY_MARK, query, readAll, Stream, show, topicOf } from "../../contracts/message-store.stream.js";
import { CrashingDisk } from "./crashing-disk.js";

const TOPICS = 200;

class Chance {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(end: number): number {
    return Math.floor(this.#random.unit() * end);
  }

  /** Some topics are much busier than others. */
  topic(): number {
    return 1 + Math.floor(this.#random.unit() ** 3 * TOPICS);
  }

  selection(): TopicSelection {
    const kind = this.below(4);
    if (kind === 0) return { ids: [this.topic()] };
    if (kind === 1) return { ids: Array.from({ length: 1 + this.below(8) }, () => this.topic()) };
    const modulus = 1 + this.below(kind === 2 ? 3 : 40);
    return { accepts: (id) => id % modulus === 0 };
  }

  bytes(): Uint8Array {
    const length = this.below(10) === 0 ? this.below(3_000) : this.below(60);
    return Buffer.alloc(length, this.below(256));
  }
}

/** As the machine does: nothing is published to a deleted topic. */
function append(
  stores: readonly (SegmentStore | MemoryMessageStore)[],
  stream: Stream,
  chance: Chance,
  forgotten: ReadonlySet<number> = new Set(),
): void {
  const topics = Array.from({ length: 1 + chance.below(80) }, () => chance.topic());
  const batch = topics
    .filter((id) => !forgotten.has(id))
    .map((id) =>
      stream.message(id, {
        payload: chance.bytes(),
        contentType: chance.below(3) === 0 ? `type/${chance.below(3)}` : "",
        expiresAtMs: chance.below(5) === 0 ? stream.timeMs + chance.below(1e9) : 0,
        publisher: chance.below(3) === 0 ? chance.below(1_000) : 0,
        properties: new Uint8Array(chance.below(4) === 0 ? chance.below(300) : 0).fill(7),
        retain: chance.below(9) === 0,
        qos: chance.below(2) === 0 ? 0 : 1,
      }),
    );
  for (const store of stores) store.append(batch);
}

describe("segments read as the memory twin does", () => {
  it.each(Array.from({ length: 12 }, (_, seed) => seed))("seed %i", async (seed) => {
    const chance = new Chance(seed);
    const disk = new CrashingDisk();
    const options = {
      dir: "/d",
      disk,
      segmentBytes: 5_000 + chance.below(60_000),
      recentBytesMax: chance.below(30_000),
    };
    const image = { messages: [], floors: new Map(), syncedThrough: 0 };
    const forgotten = new Set<number>();
    const resolve = (id: number) => (forgotten.has(id) ? undefined : topicOf(id));
    let segments = new SegmentStore(options);
    let twin = new MemoryMessageStore(image);
    let marks: [StoreMark, StoreMark] = [EMPTY_MARK, EMPTY_MARK];
    const reopen = async (): Promise<void> => {
      await segments.open(marks[0], resolve);
      await twin.open(marks[1], resolve);
    };
    await reopen();
    const stream = new Stream();
    for (let step = 0; step < 150; step += 1) {
      const kind = chance.below(20);
      if (kind < 8) append([segments, twin], stream, chance, forgotten);
      else if (kind < 10) marks = [await segments.sync(), await twin.sync()];
      else if (kind === 10 && chance.below(4) === 0) {
        const topic = chance.topic();
        // Its deletion is in the state at the mark.
        marks = [await segments.sync(), await twin.sync()];
        forgotten.add(topic);
        segments.forget(topic);
        twin.forget(topic);
      } else if (kind === 11 && chance.below(3) === 0) {
        await segments.close();
        segments = new SegmentStore(options);
        twin = new MemoryMessageStore(image);
        await reopen();
        for (const store of [segments, twin]) store.append(stream.from(store.lastPosition));
      } else {
        const asked = query({
          topics: chance.selection(),
          after: chance.below(stream.all.length + 1),
          through: chance.below(3) === 0 ? chance.below(stream.all.length + 10) : Number.MAX_SAFE_INTEGER,
          messagesMax: 1 + chance.below(chance.below(2) === 0 ? 5 : 500),
          bytesMax: 1 + chance.below(20_000),
        });
        const expected = await twin.read(asked);
        const page = await segments.read(asked);
        expect(page.messages.map(show)).toEqual(expected.messages.map(show));
        expect(page.next).toBe(expected.next);
        const recent = segments.readRecent(asked);
        if (recent !== null) expect(recent.messages.map(show)).toEqual(expected.messages.map(show));
        const topic = chance.topic();
        if (!forgotten.has(topic)) expect(segments.stats(topic)).toEqual(twin.stats(topic));
      }
    }
    await segments.close();
  });
});

describe("retention leaves of every topic a suffix that keeps its limits", () => {
  it.each(Array.from({ length: 6 }, (_, seed) => seed))("seed %i", async (seed) => {
    const chance = new Chance(seed);
    const disk = new CrashingDisk();
    const options = {
      dir: "/d",
      disk,
      segmentBytes: 3_000 + chance.below(20_000),
      recentBytesMax: chance.below(3_000),
    };
    let store = new SegmentStore(options);
    let mark = EMPTY_MARK;
    await store.open(mark, topicOf);
    const stream = new Stream();
    const ageMs = 200 + chance.below(3_000);
    const bytes = 100 + chance.below(2_000);
    for (let round = 0; round < 8; round += 1) {
      for (let i = 0; i < 12; i += 1) {
        append([store], stream, chance);
        if (chance.below(3) === 0) mark = await store.sync();
      }
      const limitsOf = (id: number) => ({
        ageMs: id % 3 === 0 ? ageMs : 1e12,
        bytes: id % 3 === 1 ? bytes : 1e12,
      });
      await store.retain({ nowMs: stream.timeMs, bytesMax: 1e12, topic: limitsOf });
      if (chance.below(2) === 0) {
        await store.close();
        store = new SegmentStore(options);
        await store.open(mark, topicOf);
        store.append(stream.from(mark.position));
      }
      for (let id = 1; id <= TOPICS; id += 1) {
        const written = stream.all.filter(({ topic }) => topic.id === id);
        const { messages, gaps } = await readAll(store, { topics: { ids: [id] } });
        const trimmed = written.slice(0, written.length - messages.length);
        expect(messages.map(show)).toEqual(written.slice(trimmed.length).map(show));
        const floor = trimmed.at(-1)?.position ?? 0;
        expect(store.trimmedThrough({ ids: [id] })).toBe(floor);
        expect(gaps).toEqual(floor === 0 ? [] : [floor]);
        const kept = messages.reduce((sum, { payload }) => sum + payload.length, 0);
        expect(store.stats(id)).toEqual({
          messages: messages.length,
          bytes: kept,
          firstPosition: messages[0]?.position ?? 0,
        });
        const cutoff = stream.timeMs - limitsOf(id).ageMs;
        expect(trimmed.every(({ timestampMs }) => timestampMs < cutoff) || kept >= limitsOf(id).bytes).toBe(
          true,
        );
      }
    }
    await store.close();
  });
});

describe("what is held stays of every topic, unless it was said to be lost", () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed))("seed %i", async (seed) => {
    const chance = new Chance(seed);
    const disk = new CrashingDisk();
    const options = { dir: "/d", disk, segmentBytes: 3_000 + chance.below(10_000), recentBytesMax: 0 };
    let store = new SegmentStore(options);
    let mark = EMPTY_MARK;
    await store.open(mark, topicOf);
    const stream = new Stream();
    /** By topic: above this somebody needs its messages. He gets on now and then. */
    const above = new Map<number, number>();
    for (let round = 0; round < 12; round += 1) {
      for (let i = 0; i < 8; i += 1) append([store], stream, chance);
      mark = await store.sync();
      for (let i = 0; i < 12; i += 1) {
        const topic = chance.topic();
        const from = above.get(topic) ?? stream.all.length - chance.below(stream.all.length);
        above.set(topic, from + chance.below(stream.all.length - from));
      }
      if (chance.below(3) === 0) above.clear();
      const before = new Map<number, number>();
      for (let id = 1; id <= TOPICS; id += 1) before.set(id, store.trimmedThrough({ ids: [id] }));
      const bytesMax = chance.below(40_000);
      const heldBytesMax = chance.below(3) === 0 ? chance.below(60_000) : 1e12;
      const outcome = await store.retain({
        nowMs: stream.timeMs,
        bytesMax,
        heldBytesMax,
        topic: (id) => ({
          ageMs: id % 3 === 0 ? chance.below(3_000) : 1e12,
          bytes: id % 3 === 1 ? 500 : 1e12,
        }),
        holds: async () => (id) => above.get(id) ?? Number.POSITIVE_INFINITY,
      });
      if (chance.below(3) === 0) {
        await store.close();
        store = new SegmentStore(options);
        await store.open(mark, topicOf);
      }
      expect(store.bytes()).toBeLessThanOrEqual(bytesMax + heldBytesMax);
      let lostMessages = 0;
      for (let id = 1; id <= TOPICS; id += 1) {
        const written = stream.all.filter(({ topic }) => topic.id === id);
        const { messages } = await readAll(store, { topics: { ids: [id] } });
        const trimmed = written.slice(0, written.length - messages.length);
        expect(messages.map(show)).toEqual(written.slice(trimmed.length).map(show));
        const bytes = messages.reduce((sum, { payload }) => sum + payload.length, 0);
        expect(store.stats(id)).toMatchObject({ messages: messages.length, bytes });
        const needed = trimmed.filter(
          ({ position }) =>
            position > Math.max(before.get(id) ?? 0, above.get(id) ?? Number.POSITIVE_INFINITY),
        );
        for (const { position } of needed) expect(position).toBeLessThanOrEqual(outcome.lost.get(id) ?? 0);
        lostMessages += needed.length;
      }
      expect(outcome.lostMessages).toBeGreaterThanOrEqual(lostMessages);
      if (lostMessages === 0 && heldBytesMax === 1e12) expect(outcome.lostMessages).toBe(0);
    }
    await store.close();
  });
});
