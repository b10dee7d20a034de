/** Readers beside a writer that appends, syncs, seals and lets go: none misses a message that it was not told of, none sees one twice. */
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/runtime/random.js";
import type { DiskFile, OpenMode } from "../../../src/store/disk.js";
import type { SegmentStore } from "../../../src/store/segment-store.js";
import {
  EMPTY_MARK,
  FOREVER,
  policy,
  positions,
  query,
  Stream,
} from "../../contracts/message-store.stream.js";
import { CrashingDisk } from "./crashing-disk.js";
import { opened } from "./store-on-disk.js";

const TOPICS = 8;

class Reader {
  readonly #store: SegmentStore;
  readonly #topic: number | null;
  cursor = 0;
  readonly seen: number[] = [];
  readonly gaps: [after: number, through: number][] = [];

  constructor(store: SegmentStore, topic: number | null) {
    this.#store = store;
    this.#topic = topic;
  }

  async read(messagesMax: number): Promise<void> {
    const topics = this.#topic === null ? { accepts: () => true } : { ids: [this.#topic] };
    const asked = query({ topics, after: this.cursor, through: this.#store.lastPosition, messagesMax });
    const page = this.#store.readRecent(asked) ?? (await this.#store.read(asked));
    if (page.trimmedThrough > this.cursor) this.gaps.push([this.cursor, page.trimmedThrough]);
    this.seen.push(...positions(page));
    this.cursor = page.next;
  }

  /** What it saw, against what was written. */
  check(stream: Stream): void {
    const told = (position: number): boolean =>
      this.gaps.some(([after, through]) => after < position && position <= through);
    const seen = new Set(this.seen);
    expect(this.seen).toEqual([...seen].sort((a, b) => a - b));
    const missed = stream.all.filter(
      ({ position, topic }) =>
        (this.#topic === null || topic.id === this.#topic) && !seen.has(position) && !told(position),
    );
    expect(missed.map(({ position }) => position)).toEqual([]);
  }
}

describe("readers beside a writer", () => {
  it.each([
    ["that lets go of nothing", false],
    ["that lets go of the oldest", true],
  ])("%s", async (_, retains) => {
    const { unit } = seededRandom(7);
    const store = await opened(new CrashingDisk(), EMPTY_MARK, {
      segmentBytes: 3_000,
      recentBytesMax: 4_000,
    });
    const stream = new Stream();
    const readers = [
      ...Array.from({ length: TOPICS }, (_unused, i) => new Reader(store, i + 1)),
      new Reader(store, null),
    ];
    let isWriting = true;
    const write = async (): Promise<void> => {
      for (let round = 0; round < 300; round += 1) {
        const count = 1 + Math.floor(unit() * 10);
        store.append(stream.batch(...Array.from({ length: count }, () => 1 + Math.floor(unit() * TOPICS))));
        if (unit() < 0.3) await store.sync();
        if (retains && round % 25 === 24) {
          const topic = (id: number) => (id < 4 ? { ...FOREVER, ageMs: 150 } : FOREVER);
          await store.retain(policy({ nowMs: stream.timeMs, bytesMax: 40_000, topic }));
        }
        await Promise.resolve();
      }
      isWriting = false;
    };
    const follow = async (reader: Reader): Promise<void> => {
      while (isWriting || reader.cursor < store.lastPosition) {
        await reader.read(1 + Math.floor(unit() * 30));
        await new Promise((resume) => setImmediate(resume));
      }
    };
    await Promise.all([write(), ...readers.map(follow)]);
    for (const reader of readers) reader.check(stream);
    expect(readers.some((reader) => reader.gaps.length > 0)).toBe(retains);
  });
});

describe("a read that retention overtakes", () => {
  /** A disk whose reads wait while somebody holds them. */
  class SlowDisk extends CrashingDisk {
    gate: Promise<void> = Promise.resolve();

    override async open(path: string, mode: OpenMode): Promise<DiskFile> {
      const file = await super.open(path, mode);
      const read = async (target: Uint8Array, position: number): Promise<number> => {
        await this.gate;
        return file.read(target, position);
      };
      return { ...file, read };
    }
  }

  it("tells of what went meanwhile", async () => {
    const disk = new SlowDisk();
    const store = await opened(disk, EMPTY_MARK, { segmentBytes: 500 });
    const stream = new Stream();
    for (let i = 0; i < 30; i += 1) {
      store.append(stream.batch(1, 2));
      await store.sync();
    }
    const ofTopic = query({ topics: { ids: [1] }, messagesMax: 1_000 });
    // With the indexes in memory the reader waits at the messages, while retention gets by without a read.
    await store.read(ofTopic);
    let open = (): void => undefined;
    disk.gate = new Promise((resume) => {
      open = resume;
    });
    const reading = store.read(ofTopic);
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
    store.forget(2);
    const retaining = store.retain(policy({ bytesMax: 1_000 }));
    for (let i = 0; i < 50; i += 1) await Promise.resolve();
    open();
    const page = await reading;
    await retaining;
    const seen = positions(page);
    const expected = stream.all.filter(({ topic }) => topic.id === 1).map(({ position }) => position);
    expect(expected.filter((position) => position > page.trimmedThrough || seen.includes(position))).toEqual(
      seen,
    );
    expect(page.trimmedThrough > 0 || seen.length === expected.length).toBe(true);
  });
});

describe("a topic with very many blocks in a segment", () => {
  it("is read from any position", async () => {
    const disk = new CrashingDisk();
    const store = await opened(disk, EMPTY_MARK, { segmentBytes: 250_000 });
    const stream = new Stream();
    for (let i = 0; i < 1_500; i += 1) {
      store.append(i % 3 === 2 ? stream.batch(2) : stream.batch(1));
      await store.sync();
    }
    store.append([stream.message(3, { payload: Buffer.alloc(200_000) })]);
    await store.sync();
    expect(disk.paths().filter((path) => path.endsWith(".idx"))).toHaveLength(1);
    const ofTopic = stream.all.filter(({ topic }) => topic.id === 1).map(({ position }) => position);
    for (let after = 0; after < 1_500; after += 7) {
      const page = await store.read(query({ topics: { ids: [1] }, after, messagesMax: 3 }));
      expect(positions(page)).toEqual(ofTopic.filter((position) => position > after).slice(0, 3));
    }
  });
});

describe("a sync that is asked for while much is being written", () => {
  it("gives a mark that ends where the store ended when it was asked for, whatever came after", async () => {
    const store = await opened(new CrashingDisk(), EMPTY_MARK, { segmentBytes: 1 << 22 });
    const stream = new Stream();
    const topics = Array.from({ length: 3_000 }, (_unused, i) => 1 + (i % TOPICS));
    const ends: [asked: number, given: number][] = [];
    const syncs: Promise<void>[] = [];
    for (let round = 0; round < 12; round += 1) {
      store.append(stream.batch(...topics));
      const asked = store.lastPosition;
      syncs.push(store.sync().then(({ position }) => void ends.push([asked, position])));
      store.append(stream.batch(...topics));
      await Promise.resolve();
    }
    await Promise.all(syncs);
    expect(ends.map(([, given]) => given)).toEqual(ends.map(([asked]) => asked));
    expect((await store.sync()).position).toBe(store.lastPosition);
  });
});
