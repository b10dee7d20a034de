/** What retention leaves of the segments, and what memory keeps of them. */
import { describe, expect, it } from "vitest";
import type { RetentionPolicy } from "../../../src/store/message-store.js";
import {
  EMPTY_MARK,
  FOREVER,
  policy,
  positions,
  query,
  readAll,
  Stream,
  show,
  topicOf,
} from "../../contracts/message-store.stream.js";
import { CrashingDisk } from "./crashing-disk.js";
import { copy, filled, opened, segmentsOf } from "./store-on-disk.js";

describe("retention", () => {
  it("drops whole segments, the oldest first, and nothing while they are held", async () => {
    const { disk, mark } = await filled();
    const store = await opened(disk, mark);
    const before = segmentsOf(disk);
    const letGo = store.hold();
    await store.retain(policy({ bytesMax: Math.ceil(store.bytes() / 2) }));
    expect(segmentsOf(disk)).toEqual(before);
    const first = (await readAll(store)).messages[0]!.position;
    expect(first).toBeGreaterThan(1);
    letGo();
    await store.close();
    const kept = segmentsOf(disk);
    expect(kept).toEqual(before.slice(before.length - kept.length));
    expect(kept.length).toBeLessThan(before.length);
    const again = await opened(disk, mark);
    const { messages, gaps } = await readAll(again);
    expect(messages[0]!.position).toBe(first);
    expect(gaps).toEqual([first - 1]);
  });

  it("drops a segment from the middle when only there nothing is left to see", async () => {
    const disk = new CrashingDisk();
    const store = await opened(disk);
    const stream = new Stream();
    for (const id of [1, 2, 2, 2, 1, 1]) {
      for (let i = 0; i < 12; i += 1) store.append([stream.message(id)]);
      await store.sync();
    }
    const before = segmentsOf(disk).length;
    const mark = await store.sync();
    await store.retain(
      policy({ nowMs: stream.timeMs + 1, topic: (id) => (id === 2 ? { ...FOREVER, ageMs: 0 } : FOREVER) }),
    );
    await store.close();
    const kept = segmentsOf(disk);
    expect(kept.length).toBeLessThan(before);
    expect(kept[0]).toBe(1);
    const again = await opened(disk, mark);
    const { messages } = await readAll(again, { topics: { ids: [1] } });
    expect(messages.map(show)).toEqual(stream.all.filter(({ topic }) => topic.id === 1).map(show));
    expect(again.trimmedThrough({ ids: [2] })).toBe(48);
  });

  it("goes on under new numbers after everything was dropped, the segment of the mark included", async () => {
    const { disk, stream, mark } = await filled();
    const store = await opened(disk, mark);
    await store.retain(policy({ bytesMax: 0 }));
    expect(segmentsOf(disk)).toEqual([]);
    expect(store.bytes()).toBe(0);
    const same = await opened(copy(disk), mark);
    expect(await readAll(same)).toEqual({ messages: [], gaps: [mark.position] });
    expect(same.lastPosition).toBe(mark.position);
    store.append(stream.batch(1, 2));
    const next = await store.sync();
    expect(next.segment).toBe(mark.segment + 1);
    await store.close();
    const again = await opened(disk, next);
    expect((await readAll(again)).messages.map(show)).toEqual(stream.from(mark.position).map(show));
  });

  it("beyond the mark is undone by a restart as far as segments go: their numbers are written again", async () => {
    const { disk, stream, marks } = await filled();
    const store = await opened(disk, marks.at(-1)!);
    await store.retain(policy({ bytesMax: 0 }));
    await store.close();
    const old = marks[3]!;
    // Larger ones this time: the numbers that are reached are fewer than were dropped.
    const again = await opened(disk, old, { segmentBytes: 100_000 });
    again.append(stream.from(old.position));
    await again.sync();
    expect((await readAll(again)).messages).toEqual([]);
    again.append(stream.batch(1, 2, 3));
    const end = await again.sync();
    expect(end.segment).toBe(old.segment + 1);
    await again.close();
    const third = await opened(disk, end);
    expect((await readAll(third)).messages.map(show)).toEqual(stream.all.slice(-3).map(show));
  });

  it("of a topic that was made after the mark is remembered until the topic is made again", async () => {
    const disk = new CrashingDisk();
    const store = await opened(disk);
    const stream = new Stream();
    store.append(stream.batch(1, 1));
    const mark = await store.sync();
    store.append(stream.batch(2, 2, 2));
    await store.retain(
      policy({ nowMs: stream.timeMs, topic: (id) => (id === 2 ? { ...FOREVER, ageMs: 0 } : FOREVER) }),
    );
    expect(store.trimmedThrough({ ids: [2] })).toBe(5);
    await store.close();
    const again = await opened(disk, mark, { resolve: (id) => (id === 1 ? topicOf(1) : undefined) });
    expect(again.trimmedThrough({ ids: [2] })).toBe(0);
    again.append(stream.from(2));
    again.append(stream.batch(2));
    expect(again.stats(2)).toMatchObject({ messages: 1, firstPosition: 6 });
    expect(await readAll(again, { topics: { ids: [2] } })).toMatchObject({
      messages: [{ position: 6 }],
      gaps: [5],
    });
  });

  it("counts right when a floor lies inside a block, because messages came into other blocks when applied again", async () => {
    const disk = new CrashingDisk();
    const store = await opened(disk);
    const stream = new Stream();
    store.append([stream.message(1)]);
    const mark = await store.sync();
    for (let i = 0; i < 4; i += 1) {
      store.append([stream.message(1)]);
      await store.sync();
    }
    const cutoff = stream.all[3]!.timestampMs;
    const byAge = (nowMs: number): RetentionPolicy =>
      policy({ nowMs, topic: () => ({ ...FOREVER, ageMs: 0 }) });
    await store.retain(byAge(cutoff));
    expect(store.stats(1)).toMatchObject({ messages: 2, firstPosition: 4 });
    await store.close();
    const again = await opened(disk, mark);
    again.append([...stream.from(1), stream.message(1)]);
    const end = await again.sync();
    const expected = { messages: 3, bytes: 27, firstPosition: 4 };
    expect(again.stats(1)).toEqual(expected);
    const third = await opened(copy(disk), end);
    expect(third.stats(1)).toEqual(expected);
    // The block is as old as its newest message: it stays until that is too old, and then goes as a whole.
    await third.retain(byAge(stream.timeMs - 1));
    expect(third.stats(1)).toEqual(expected);
    third.append([stream.message(1)]);
    await third.sync();
    await third.retain(byAge(stream.timeMs - 1));
    expect(third.stats(1)).toEqual({ messages: 1, bytes: 9, firstPosition: 7 });
  });

  it.each([
    ["again", true],
    ["in the midst of it", false],
  ])("ends without a word when the store was opened anew while it asked: %s", async (_, awaits) => {
    const { disk, stream, mark } = await filled();
    const store = await opened(disk, mark);
    let opening: Promise<void> = Promise.resolve();
    const holds = async (): Promise<() => number> => {
      opening = store.open(mark, topicOf);
      if (awaits) await opening;
      return () => Number.POSITIVE_INFINITY;
    };
    const outcome = await store.retain(policy({ bytesMax: 0, holds }));
    await opening;
    expect(outcome.lostMessages).toBe(0);
    expect((await readAll(store)).messages.map(show)).toEqual(stream.all.map(show));
  });

  it("leaves what is appended while it is under way", async () => {
    const { disk, stream, mark } = await filled();
    const store = await opened(disk, mark);
    const retaining = store.retain(policy({ bytesMax: 0 }));
    store.append(stream.batch(1, 9));
    await retaining;
    store.append(stream.batch(1));
    expect(store.stats(1)).toMatchObject({ messages: 2, firstPosition: mark.position + 1 });
    expect(store.stats(9)).toMatchObject({ messages: 1, firstPosition: mark.position + 2 });
    expect((await readAll(store)).messages.map(show)).toEqual(stream.from(mark.position).map(show));
  });
});

describe("memory", () => {
  it("has what is not written, however much that is, and lets go of the rest", async () => {
    const disk = new CrashingDisk();
    const store = await opened(disk, EMPTY_MARK, { segmentBytes: 1 << 20, recentBytesMax: 20_000 });
    const stream = new Stream();
    for (let i = 0; i < 200; i += 1) stream.message(1 + (i % 3), { payload: Buffer.alloc(900, i) });
    store.append(stream.all);
    expect(store.unwrittenBytes).toBeGreaterThan(180_000);
    expect(positions(store.readRecent(query({ messagesMax: 2 }))!)).toEqual([1, 2]);
    await store.sync();
    expect(store.unwrittenBytes).toBe(0);
    expect(store.readRecent(query({ messagesMax: 2 }))).toBeNull();
    expect(positions(store.readRecent(query({ after: 190, messagesMax: 2 }))!)).toEqual([191, 192]);
    expect((await readAll(store, { bytesMax: 5_000 })).messages.map(show)).toEqual(stream.all.map(show));
  });

  it("answers for a topic whose messages are all in it, wherever the reader comes from", async () => {
    const disk = new CrashingDisk();
    const store = await opened(disk, EMPTY_MARK, { recentBytesMax: 2_000 });
    const stream = new Stream();
    for (let i = 0; i < 50; i += 1) store.append(stream.batch(1, 1));
    await store.sync();
    store.append(stream.batch(2));
    expect(store.readRecent(query({ topics: { ids: [1] } }))).toBeNull();
    expect(store.readRecent(query({ topics: { ids: [2] } }))).toMatchObject({
      messages: [{ position: 101 }],
      next: 101,
    });
    expect(store.readRecent(query({ topics: { ids: [3] } }))).toMatchObject({ messages: [], next: 101 });
  });

  it("writes by itself once there is enough", async () => {
    const disk = new CrashingDisk();
    const store = await opened(disk, EMPTY_MARK, { segmentBytes: 1 << 22 });
    const stream = new Stream();
    store.append([stream.message(1, { payload: Buffer.alloc(300_000, 1) })]);
    await expect.poll(() => store.unwrittenBytes).toBe(0);
    store.append([stream.message(1, { payload: "small" })]);
    expect(store.unwrittenBytes).toBeGreaterThan(0);
    expect((await readAll(store)).messages.map(show)).toEqual(stream.all.map(show));
  });
});
