/** What is kept in memory for those a little behind, and that it is bounded. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import { KeptBatches } from "../../../src/topics/kept-batches.js";
import { RecentBatches } from "../../../src/topics/recent-batches.js";
import { DeliveryBatch } from "../../../src/topics/subscriber.js";
import { Bench, CountingEncoder, filterSet, RecordingSink } from "./fan-out-bench.js";

const ALL = filterSet("#");

function message(position: number, payload: Uint8Array = new Uint8Array(100)): StoredMessage {
  const topic = { id: 1, name: "a" };
  const rest = {
    timestampMs: 0,
    contentType: "",
    qos: 0,
    retain: false,
    expiresAtMs: 0,
    properties: new Uint8Array(0),
    publisher: 0,
  } as const;
  return { position, offset: position, topic, payload, ...rest };
}

/** A batch of every position in the range. */
function batch(after: number, through: number, payload?: Uint8Array): DeliveryBatch {
  const messages = Array.from({ length: through - after }, (_, index) => message(after + 1 + index, payload));
  return new DeliveryBatch(ALL, messages, after, through);
}

describe("finding the batch that goes on after a cursor", () => {
  const kept = new KeptBatches();
  const roomy = new RecentBatches(1_000_000);
  for (const [after, through] of [
    [10, 20],
    [20, 30],
    [50, 60],
    [40, 45],
  ] as const) {
    kept.add(batch(after, through), 0, roomy);
  }
  test.each([
    [9, null, 10],
    [10, 10, 20],
    [19, 10, 20],
    [20, 20, 40],
    [30, null, 40],
    [44, 40, 50],
    [45, null, 50],
    [59, 50, Number.POSITIVE_INFINITY],
    [60, null, Number.POSITIVE_INFINITY],
  ])("after %d", (cursor, after, nextStart) => {
    expect(kept.find(cursor)?.batch.after ?? null).toBe(after);
    expect(kept.nextStart(cursor)).toBe(nextStart);
  });

  test.each([
    [15, 25],
    [5, 11],
    [29, 31],
    [46, 51],
    [0, 100],
  ])("a range (%d, %d] that overlaps is not kept", (after, through) => {
    const { bytes } = roomy;
    kept.add(batch(after, through), 0, roomy);
    expect(roomy.bytes).toBe(bytes);
  });
});

describe("the ceiling", () => {
  test("the oldest of all brokers goes first", () => {
    const recent = new RecentBatches(6_000);
    const [one, two] = [new KeptBatches(), new KeptBatches()];
    one.add(batch(0, 5), 0, recent);
    two.add(batch(0, 5), 0, recent);
    one.add(batch(5, 10), 0, recent);
    expect([one.find(0), two.find(0)?.batch.through]).toEqual([null, 5]);
    two.add(batch(5, 10), 0, recent);
    expect([two.find(0), one.find(5)?.batch.through, two.find(5)?.batch.through]).toEqual([null, 10, 10]);
    expect(recent.bytes).toBeLessThanOrEqual(6_000);
  });

  test("encodings count, also those that come later", () => {
    const recent = new RecentBatches(1_000_000);
    const kept = new KeptBatches();
    const held = batch(0, 10);
    kept.add(held, 0, recent);
    const plain = recent.bytes;
    held.encodedBy(new CountingEncoder());
    kept.reweigh(held);
    const one = recent.bytes - plain;
    expect(one).toBeGreaterThanOrEqual(1_000);
    held.encodedBy(new CountingEncoder());
    kept.reweigh(held);
    expect(recent.bytes - plain).toBe(2 * one);
  });

  test("a small view of a large buffer counts as the buffer, once however many hold it", () => {
    const recent = new RecentBatches(10_000_000);
    const entry = new ArrayBuffer(1_000_000);
    const homes = [new KeptBatches(), new KeptBatches()];
    for (const [index, home] of homes.entries()) {
      home.add(batch(0, 1, new Uint8Array(entry, index, 1)), 0, recent);
      expect(Math.floor(recent.bytes / 1_000_000)).toBe(1);
    }
    homes[0]!.close();
    expect(Math.floor(recent.bytes / 1_000_000)).toBe(1);
    homes[1]!.close();
    expect(recent.bytes).toBe(0);
  });

  test("what is larger than the ceiling is not kept, and everything given up is not counted", () => {
    const recent = new RecentBatches(1_500);
    const kept = new KeptBatches();
    kept.add(batch(0, 100), 0, recent);
    expect(kept.find(0)).toBe(null);
    expect(recent.bytes).toBe(0);
  });

  test("a broker that has gone keeps nothing, a page that lands late included", () => {
    const recent = new RecentBatches(1_000_000);
    const kept = new KeptBatches();
    kept.add(batch(0, 5), 0, recent);
    kept.close();
    kept.add(batch(5, 10), 0, recent);
    expect([recent.bytes, kept.find(0), kept.find(5)]).toEqual([0, null, null]);
  });
});

describe("a part of a batch", () => {
  test("cut out of the whole one's bytes when the format can be cut", () => {
    const whole = batch(10, 20);
    class Cutting extends CountingEncoder {
      slice(encoded: readonly number[], from: number, to: number): readonly number[] {
        return encoded.slice(from, to);
      }
    }
    const [cutting, plain] = [new Cutting(), new CountingEncoder()];
    whole.encodedBy(cutting);
    whole.encodedBy(plain);
    const part = whole.part(13, 18).part(14, 17);
    expect([part.after, part.through]).toEqual([14, 17]);
    expect(part.encodedBy(cutting)).toEqual([15, 16, 17]);
    expect(part.encodedBy(plain)).toEqual([15, 16, 17]);
    expect([cutting.calls, plain.calls]).toEqual([1, 2]);
  });

  test("is encoded by itself when the whole was not", () => {
    const encoder = new CountingEncoder();
    expect(batch(0, 1_000).part(998, 1_000).encodedBy(encoder)).toEqual([999, 1_000]);
    expect(encoder.messages).toBe(2);
  });
});

test("stalled subscribers hold nothing alive but what the recent batches may hold", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const bench = new Bench({ recentBatchBytesMax: 50_000 });
  const stalled = Array.from({ length: 20 }, () => {
    const sink = new RecordingSink();
    sink.room = 0;
    sink.batches.push = () => 0;
    return bench.brokers.subscribe({ filters: filterSet("a"), sink, after: null });
  });
  const payloads: WeakRef<Uint8Array>[] = [];
  for (let i = 0; i < 200; i += 1) {
    for (const { payload } of bench.publish(["a"], 5_000)) payloads.push(new WeakRef(payload));
    bench.clock.advance(100);
    // The store of the test gives up what it holds, place by place, as retention would.
    bench.store.messages[i] = { ...bench.store.messages[i]!, payload: new Uint8Array(0) };
  }
  // A WeakRef holds on to its target until the present job of the event loop is over.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const alive = payloads.filter((payload) => payload.deref() !== undefined).length;
  expect(alive).toBeGreaterThan(0);
  expect(alive).toBeLessThanOrEqual(10);
  expect(stalled.map(({ cursor }) => cursor)).toEqual(Array(20).fill(0));
});
