/**
 * Power losses and disk errors at every disk call: whatever happens, a store that is opened at the last mark has everything up to it,
 * nothing beyond, and goes on. Runs on a disk in memory that forgets what was not synced.
 */
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../../src/runtime/random.js";
import type { StoreMark } from "../../../src/store/message-store.js";
import { SegmentStore } from "../../../src/store/segment-store.js";
import { EMPTY_MARK, readAll, Stream, show, topicOf } from "../../contracts/message-store.stream.js";
import { CrashingDisk } from "./crashing-disk.js";

const FOREVER = { ageMs: 1e12, bytes: 1e12 };

/** What one life of the store is to do, and what it is known to have done. */
class Life {
  readonly stream: Stream;
  readonly store: SegmentStore;
  mark: StoreMark;
  /** By topic: at or below this position messages were, or may have been, trimmed. */
  readonly mayBeTrimmed: number[];
  readonly unit: () => number;

  constructor(disk: CrashingDisk, before: Life | null, unit: () => number) {
    this.stream = before?.stream ?? new Stream();
    this.mark = before?.mark ?? EMPTY_MARK;
    this.mayBeTrimmed = before?.mayBeTrimmed ?? [0, 0, 0, 0, 0];
    this.unit = unit;
    this.store = new SegmentStore({ dir: "/d", disk, segmentBytes: 700, recentBytesMax: 0 });
  }

  async open(): Promise<void> {
    await this.store.open(this.mark, topicOf);
    expect(this.store.lastPosition).toBe(this.mark.position);
  }

  /** Applies again what was applied after the mark. */
  catchUp(): void {
    this.store.append(this.stream.from(this.store.lastPosition));
  }

  async step(): Promise<void> {
    const chance = this.unit();
    if (chance < 0.5) {
      const count = 1 + Math.floor(this.unit() * 4);
      const ids = Array.from({ length: count }, () => 1 + Math.floor(this.unit() * 4));
      this.store.append(this.stream.batch(...ids));
    } else if (chance < 0.8) {
      this.mark = await this.store.sync();
    } else {
      await this.#retain();
    }
  }

  async #retain(): Promise<void> {
    const isByAge = this.unit() < 0.5;
    const topic = 1 + Math.floor(this.unit() * 4);
    const ageMs = 10;
    const bytesMax = isByAge ? 1e12 : 900;
    for (const message of this.stream.all) {
      const isOld = message.topic.id === topic && message.timestampMs < this.stream.timeMs - ageMs;
      const { id } = message.topic;
      if (isByAge ? isOld : true) this.mayBeTrimmed[id] = Math.max(this.mayBeTrimmed[id]!, message.position);
    }
    await this.store.retain({
      nowMs: this.stream.timeMs,
      bytesMax,
      topic: (id) => (isByAge && id === topic ? { ...FOREVER, ageMs } : FOREVER),
    });
  }

  /** Every topic has a suffix of what was written to it, and everything that cannot have been trimmed. */
  async check(): Promise<void> {
    for (const id of [1, 2, 3, 4]) {
      const written = this.stream.all.filter(
        ({ topic, position }) => topic.id === id && position <= this.store.lastPosition,
      );
      const { messages, gaps } = await readAll(this.store, { topics: { ids: [id] } });
      const trimmed = written.slice(0, written.length - messages.length);
      expect(messages.map(show)).toEqual(written.slice(trimmed.length).map(show));
      const floor = trimmed.at(-1)?.position ?? 0;
      expect(floor).toBeLessThanOrEqual(this.mayBeTrimmed[id]!);
      expect(this.store.trimmedThrough({ ids: [id] })).toBeGreaterThanOrEqual(floor);
      if (trimmed.length > 0) expect(gaps).toHaveLength(1);
      expect(this.store.stats(id)).toMatchObject({
        messages: messages.length,
        firstPosition: messages[0]?.position ?? 0,
      });
    }
  }
}

describe("a power loss", () => {
  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    "between any two calls, life after life (seed %i)",
    async (seed) => {
      const { unit } = seededRandom(seed);
      let disk = new CrashingDisk();
      let life: Life | null = null;
      for (let lives = 0; lives < 12; lives += 1) {
        disk.dies = true;
        const before: Life | null = life;
        const current: Life = new Life(disk, before, unit);
        life = current;
        disk.failAt = disk.calls + 1 + Math.floor(unit() * 60);
        try {
          await current.open();
          await current.check();
          current.catchUp();
          for (;;) await current.step();
        } catch (error) {
          if (disk.calls < disk.failAt) throw error;
        }
        disk = disk.afterCrash(unit);
      }
      const last = new Life(disk, life, unit);
      await last.open();
      await last.check();
      last.catchUp();
      await last.check();
      await last.store.sync();
      await last.check();
      await last.store.close();
    },
  );

  it("takes nothing that was synced, at whichever call of a restart it comes", async () => {
    for (let failAt = 1; ; failAt += 1) {
      const { unit } = seededRandom(failAt);
      const disk = new CrashingDisk();
      const first = new Life(disk, null, unit);
      await first.open();
      for (let i = 0; i < 12; i += 1) {
        first.store.append(first.stream.batch(1, 2, 3, 1));
        if (i === 7) first.mark = await first.store.sync();
      }
      await first.store.sync();
      disk.dies = true;
      disk.failAt = disk.calls + failAt;
      const second = new Life(disk, first, unit);
      const isOpen = await second.open().then(
        () => true,
        () => false,
      );
      const third = new Life(disk.afterCrash(unit), second, unit);
      await third.open();
      await third.check();
      if (isOpen) return;
    }
  });
});

describe("a disk error", () => {
  it.each([
    ["EIO", "disk_failed"],
    ["ENOSPC", "disk_full"],
  ])(
    "%s at any call is told as %s, for good, and loses nothing that was synced",
    async (systemCode, code) => {
      for (let failAt = 1; ; failAt += 1) {
        const { unit } = seededRandom(failAt);
        const disk = new CrashingDisk();
        const life = new Life(disk, null, unit);
        await life.open();
        disk.failure = Object.assign(new Error(`${systemCode}: no`), { code: systemCode });
        disk.failAt = disk.calls + failAt;
        let failed: unknown = null;
        try {
          for (let i = 0; i < 12; i += 1) {
            life.store.append(life.stream.batch(1, 2, 3, 1));
            life.mark = await life.store.sync();
          }
        } catch (error) {
          failed = error;
        }
        if (failed === null) return;
        expect(failed).toMatchObject({ code });
        life.store.append(life.stream.batch(1));
        await expect(life.store.sync()).rejects.toMatchObject({ code });
        await life.store.close();
        const next = new Life(disk.afterCrash(unit), life, unit);
        await next.open();
        await next.check();
      }
    },
  );
});

describe("a snapshot that is taken over", () => {
  const take = async (disk: CrashingDisk, name: string, topics: number[]): Promise<Life> => {
    const life = new Life(disk, null, seededRandom(1).unit);
    await life.open();
    life.stream.timeMs += name.length;
    for (let i = 0; i < 10; i += 1) life.store.append(life.stream.batch(...topics));
    life.mark = await life.store.sync();
    return life;
  };

  it("counts once the state has its mark, and not before, wherever the power goes", async () => {
    const source = await take(new CrashingDisk(), "source", [1, 2, 3]);
    const files = source.store.files(source.mark);
    const sourceDisk = new CrashingDisk();
    const origin = await take(sourceDisk, "source", [1, 2, 3]);
    const read = async (name: string, offset: number, length: number): Promise<Uint8Array> => {
      const file = files.find((known) => known.name === name)!;
      return sourceDisk.file(file.path).bytes.subarray(offset, offset + length);
    };
    expect(origin.mark).toEqual(source.mark);
    for (let failAt = 1; ; failAt += 1) {
      const { unit } = seededRandom(failAt);
      const disk = new CrashingDisk();
      const target = await take(disk, "target", [4, 4, 1]);
      disk.dies = true;
      disk.failAt = disk.calls + failAt;
      // The state's mark is what decides: it changes between the two calls.
      let current = target;
      let isDone = false;
      try {
        await target.store.replace(files, read);
        current = origin;
        await target.store.open(origin.mark, topicOf);
        isDone = true;
      } catch (error) {
        if (disk.calls < disk.failAt) throw error;
      }
      const next = new Life(disk.afterCrash(unit), current, unit);
      await next.open();
      await next.check();
      expect((await readAll(next.store)).messages.map(show)).toEqual(current.stream.all.map(show));
      if (isDone) return;
    }
  });
});
