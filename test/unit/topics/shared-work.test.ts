/** However many subscribers there are and however slow: each batch is encoded once a format, each page read once. */
import { describe, expect, test } from "vitest";
import { Bench, CountingEncoder, RecordingSink, subscribe } from "./fan-out-bench.js";

describe("work is shared", () => {
  /** A sink that uses the batch's bytes. */
  class EncodingSink extends RecordingSink {
    readonly encoder: CountingEncoder;

    constructor(encoder: CountingEncoder) {
      super();
      this.encoder = encoder;
    }

    override deliver(batch: Parameters<RecordingSink["deliver"]>[0]): number {
      expect(batch.encodedBy(this.encoder)).toEqual(batch.messages.map(({ position }) => position));
      return super.deliver(batch);
    }
  }

  test("live: one encoding a format and batch", () => {
    const bench = new Bench();
    const [mqtt, sse] = [new CountingEncoder(), new CountingEncoder()];
    for (let i = 0; i < 100; i += 1) {
      subscribe(bench, "a", null, new EncodingSink(i % 2 === 0 ? mqtt : sse));
    }
    for (let i = 0; i < 5; i += 1) {
      bench.publish(["a", "a"]);
      bench.clock.advance(100);
    }
    expect([mqtt.calls, sse.calls, mqtt.messages]).toEqual([5, 5, 10]);
  });

  test("2,000 that are all a bit slow: still one a batch, and no read of the store", async () => {
    const bench = new Bench();
    const encoder = new CountingEncoder();
    const everybody = Array.from({ length: 2_000 }, () =>
      subscribe(bench, "a", null, new EncodingSink(encoder)),
    );
    for (let round = 0; round < 20; round += 1) {
      for (const [index, { sink, subscription }] of everybody.entries()) {
        if ((index + round) % 3 === 0) sink.room = 0;
        else {
          sink.room = 1_000;
          subscription.resume();
        }
      }
      bench.publish(["a", "a", "a"]);
      bench.clock.advance(100);
    }
    for (const { sink, subscription } of everybody) {
      sink.room = 1_000;
      subscription.resume();
    }
    await bench.settle();
    for (const { sink } of everybody) expect(sink.positions).toHaveLength(60);
    expect(encoder.calls).toBe(20);
    expect(bench.store.reads).toBe(0);
  });

  test("1,000 that replay the same: one read and one encoding a page", async () => {
    const bench = new Bench({ catchUpPageMessagesMax: 50 });
    bench.publish(Array<string>(500).fill("a"));
    bench.store.recentAbove = Number.POSITIVE_INFINITY;
    const encoder = new CountingEncoder();
    const everybody = Array.from({ length: 1_000 }, () =>
      subscribe(bench, "a", 0, new EncodingSink(encoder)),
    );
    await bench.settle();
    for (const { sink } of everybody) expect(sink.positions).toHaveLength(500);
    expect(bench.store.reads).toBe(10);
    expect(encoder.calls).toBe(10);
  });

  test("300 that replay from places of their own meet at the next page", async () => {
    const bench = new Bench({ catchUpPageMessagesMax: 400 });
    bench.publish(Array<string>(1_000).fill("a"));
    const encoder = new CountingEncoder();
    const everybody = Array.from({ length: 300 }, (_, index) =>
      subscribe(bench, "a", index, new EncodingSink(encoder)),
    );
    await bench.settle();
    for (const [index, { sink }] of everybody.entries()) expect(sink.positions).toHaveLength(1_000 - index);
    expect(bench.store.reads).toBe(3);
    // Each its own part of the first page, and two that all share.
    expect(encoder.calls).toBe(300 + 2);
  });

  test("late reads in flight are bounded, and everybody gets his turn", async () => {
    const bench = new Bench();
    const names = Array.from({ length: 100 }, (_, index) => `t/${index}`);
    bench.publish(names);
    bench.store.recentAbove = Number.POSITIVE_INFINITY;
    const everybody = names.map((name) => subscribe(bench, name, 0));
    bench.clock.turn();
    expect(bench.store.lateReads).toBe(16);
    await bench.settle();
    for (const [index, { sink }] of everybody.entries()) expect(sink.log).toEqual([[index + 1]]);
  });
});
