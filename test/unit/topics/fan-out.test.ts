/** What subscribers may rely on, told one case at a time; no-gap-no-repeat.test.ts tries all of it at once. */
import { describe, expect, test } from "vitest";
import type { SubscribeRequest, Subscription } from "../../../src/topics/subscriber.js";
import { Bench, CountingEncoder, filterSet, RecordingSink } from "./fan-out-bench.js";

function subscribe(
  bench: Bench,
  filters: string | readonly string[],
  after: SubscribeRequest["after"] = null,
  sink = new RecordingSink(),
): { sink: RecordingSink; subscription: Subscription } {
  const request = { filters: filterSet(...[filters].flat()), sink, after };
  return { sink, subscription: bench.brokers.subscribe(request) };
}

describe("live", () => {
  test("gets what is published after it came, a batch a flush", () => {
    const bench = new Bench();
    bench.publish(["a"]);
    const { sink, subscription } = subscribe(bench, "a");
    bench.publish(["a", "b"]);
    bench.publish(["a"]);
    expect(sink.log).toEqual([]);
    bench.clock.turn();
    expect(sink.log).toEqual([[2, 4]]);
    expect(subscription).toMatchObject({ cursor: 4, behind: false });
  });

  test("joins between publish and flush: what was applied before it came is not for it", () => {
    const bench = new Bench();
    const first = subscribe(bench, "a");
    bench.publish(["a"]);
    const second = subscribe(bench, "a");
    bench.publish(["a"]);
    bench.clock.turn();
    expect(first.sink.log).toEqual([[1, 2]]);
    expect(second.sink.log).toEqual([[2]]);
  });

  test("with nothing of its own published its cursor is the head, and before what waits otherwise", () => {
    const bench = new Bench();
    const { subscription } = subscribe(bench, "a");
    bench.publish(["b", "b"]);
    expect(subscription.cursor).toBe(2);
    bench.publish(["b", "a", "b"]);
    expect(subscription.cursor).toBe(3);
    bench.clock.turn();
    expect(subscription.cursor).toBe(5);
  });

  test("ranges of successive batches of a broker touch", () => {
    const bench = new Bench();
    const { sink } = subscribe(bench, "a/+");
    for (const names of [["a/1"], ["b", "b"], ["a/2", "b"], ["a/1"]]) {
      bench.publish(names);
      bench.clock.advance(100);
    }
    expect(sink.batches.map(({ after, through }) => [after, through])).toEqual([
      [0, 1],
      [1, 5],
      [5, 6],
    ]);
  });

  test("an entry larger than a batch comes in several", () => {
    const bench = new Bench({ flushMessagesMax: 4 });
    const { sink, subscription } = subscribe(bench, "a");
    bench.publish(Array<string>(10).fill("a"));
    bench.clock.turn();
    expect(sink.log).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10],
    ]);
    expect(subscription.behind).toBe(false);
  });

  test("a full queue does not wait for its turn, and flushes alone", () => {
    const bench = new Bench({ flushBytesMax: 100 });
    const [slow, a, b] = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
    slow.within = () => bench.clock.spend(10);
    subscribe(bench, "slow", null, slow);
    subscribe(bench, "a", null, a);
    subscribe(bench, "b", null, b);
    bench.publish(["slow"]);
    bench.clock.turn();
    bench.publish(["a", "b"], 60);
    bench.publish(["a"], 60);
    bench.clock.turn();
    expect([a.log, b.log]).toEqual([[[2, 4]], []]);
    bench.clock.advance(50);
    expect([a.log, b.log]).toEqual([[[2, 4]], [[3]]]);
  });

  test("says how long messages waited", () => {
    const bench = new Bench();
    subscribe(bench, "a");
    bench.publish(["a"]);
    bench.clock.spend(20);
    bench.clock.turn();
    expect(bench.deliverySeconds).toEqual([0.02]);
  });
});

describe("catching up", () => {
  test("replays from its position, then live, in pages of the store", async () => {
    const bench = new Bench({ catchUpPageMessagesMax: 2 });
    bench.publish(["a", "b", "a", "a", "a"]);
    const { sink, subscription } = subscribe(bench, "a", 1);
    expect(sink.log).toEqual([]);
    expect(subscription).toMatchObject({ cursor: 1, behind: true });
    await bench.settle();
    expect(sink.log).toEqual([[3, 4], [5]]);
    expect(subscription.behind).toBe(false);
    bench.publish(["a"]);
    await bench.settle();
    expect(sink.log).toEqual([[3, 4], [5], [6]]);
  });

  test("what is published while a late read is under way comes after it, once", async () => {
    const bench = new Bench();
    bench.publish(["a", "a"]);
    bench.store.recentAbove = Number.POSITIVE_INFINITY;
    const { sink } = subscribe(bench, "a", 0);
    bench.clock.turn();
    bench.publish(["a"]);
    bench.clock.turn();
    expect(sink.log).toEqual([]);
    await bench.settle();
    expect(sink.log).toEqual([[1, 2], [3]]);
  });

  test("a full sink waits for `resume`, and goes on from what it took", async () => {
    const bench = new Bench();
    const { sink, subscription } = subscribe(bench, "a");
    sink.room = 2;
    bench.publish(["a", "a", "a"]);
    await bench.settle();
    expect(sink.log).toEqual([[1, 2]]);
    expect(subscription).toMatchObject({ cursor: 2, behind: true });
    bench.publish(["a"]);
    await bench.settle();
    expect(sink.log).toEqual([[1, 2]]);
    sink.room = 10;
    subscription.resume();
    await bench.settle();
    expect(sink.log).toEqual([[1, 2], [3], [4]]);
    expect(subscription.behind).toBe(false);
  });

  test("`resume` from within `deliver` counts, too", async () => {
    const bench = new Bench();
    const { sink, subscription } = subscribe(bench, "a");
    sink.room = 1;
    sink.within = () => {
      sink.room = 1;
      subscription.resume();
    };
    bench.publish(["a", "a", "a"]);
    await bench.settle();
    expect(sink.positions).toEqual([1, 2, 3]);
  });

  test("trimmed by retention: a gap, then what is left", async () => {
    const bench = new Bench();
    bench.publish(["a", "b", "a", "a"]);
    bench.store.trim(bench.topics.get("a")!.id, 3);
    const { sink } = subscribe(bench, "a", 0);
    const other = subscribe(bench, "b", 0);
    await bench.settle();
    expect(sink.log).toEqual(["gap 0-3", [4]]);
    expect(other.sink.log).toEqual([[2]]);
  });

  test("a gap is told once, also when the sink takes nothing after it", async () => {
    const bench = new Bench();
    bench.publish(["a", "a"]);
    bench.store.trim(bench.topics.get("a")!.id, 1);
    const { sink, subscription } = subscribe(bench, "a", 0);
    sink.gap = (after, resumedAt) => {
      sink.log.push(`gap ${after}-${resumedAt}`);
      sink.room = 0;
    };
    await bench.settle();
    expect(sink.log).toEqual(["gap 0-1", []]);
    sink.room = 10;
    subscription.resume();
    await bench.settle();
    expect(sink.log).toEqual(["gap 0-1", [], [2]]);
  });

  test("a gap ends where other filters begin, also when the page is shared with one that goes on", async () => {
    const bench = new Bench({ recentBatchBytesMax: 8_000 });
    bench.publish(["a", "a"]);
    const changing = subscribe(bench, "a", 0);
    changing.sink.room = 0;
    changing.subscription.change(filterSet("b"));
    bench.publish(["b", "a", "a", "a"]);
    await bench.settle();
    // Drives the batch that was flushed out of memory.
    subscribe(bench, "large");
    bench.publish(["large"], 7_000);
    await bench.settle();
    bench.store.trim(bench.topics.get("a")!.id, 5);
    const other = subscribe(bench, "a", 0);
    await bench.settle();
    expect(other.sink.log).toEqual(["gap 0-5", [6]]);
    changing.sink.room = 10;
    changing.subscription.resume();
    await bench.settle();
    expect(changing.sink.log).toEqual(["gap 0-2", [3]]);
  });

  test("a topic that does not exist has nothing to read, and all that comes", async () => {
    const bench = new Bench();
    bench.publish(["b", "b"]);
    const { sink } = subscribe(bench, "a", 0);
    await bench.settle();
    expect(bench.store.reads).toBe(0);
    bench.publish(["a"]);
    await bench.settle();
    expect(sink.log).toEqual([[3]]);
  });

  test("a topic created during the replay belongs to a wildcard's stream", async () => {
    const bench = new Bench({ catchUpPageMessagesMax: 2 });
    bench.publish(["a/1", "a/1", "a/1"]);
    const { sink, subscription } = subscribe(bench, "a/#", 0);
    sink.room = 1;
    await bench.settle();
    bench.publish(["a/new", "b", "a/1"]);
    sink.room = 100;
    subscription.resume();
    await bench.settle();
    expect(sink.positions).toEqual([1, 2, 3, 4, 6]);
  });

  test.each([
    ["few topics that match", 5, "ids"],
    ["many that match", 200, "accepts"],
    ["many in all", 1_200, "accepts"],
  ])("%s", async (_, count, kind) => {
    const bench = new Bench();
    const asked: string[] = [];
    const { readRecent } = bench.store;
    bench.store.readRecent = (query) => {
      asked.push(...Object.keys(query.topics));
      return readRecent.call(bench.store, query);
    };
    bench.publish(Array.from({ length: count }, (_, index) => (index < 300 ? `a/${index}` : `b/${index}`)));
    const { sink } = subscribe(bench, "a/+", 0);
    await bench.settle();
    expect(sink.positions).toHaveLength(Math.min(count, 300));
    expect(new Set(asked)).toEqual(new Set([kind]));
  });

  test("a read that fails ends those who waited for it, and nobody else", async () => {
    const bench = new Bench();
    bench.publish(["a", "b"]);
    bench.store.recentAbove = Number.POSITIVE_INFINITY;
    const [one, two, other] = [subscribe(bench, "a", 0), subscribe(bench, "a", 0), subscribe(bench, "b", 0)];
    bench.clock.turn();
    bench.store.failNext(new Error("bad disk"));
    await bench.settle();
    expect(one.sink.log).toEqual(["failed bad disk"]);
    expect(two.sink.log).toEqual(["failed bad disk"]);
    expect(other.sink.log).toEqual([[2]]);
    expect(bench.brokers.stats()).toMatchObject({ brokers: 1, subscriptions: 1 });
  });

  test("goes through a bounded time a turn", async () => {
    const bench = new Bench({ catchUpPageMessagesMax: 1 });
    bench.publish(Array<string>(100).fill("a"));
    const sinks = Array.from({ length: 20 }, () => {
      const sink = new RecordingSink();
      sink.within = () => bench.clock.spend(1);
      return subscribe(bench, "a", 0, sink).sink;
    });
    bench.clock.turn();
    expect(sinks.flatMap(({ positions }) => positions).length).toBeLessThan(20);
    await bench.settle();
    for (const { positions } of sinks) expect(positions).toHaveLength(100);
  });
});

describe("messages that came by another way than publishing", () => {
  test("a node starts with a store: the present head is the store's", async () => {
    const bench = new Bench();
    bench.append(["a", "a"]);
    const live = subscribe(bench, "a");
    const replay = subscribe(bench, "a", 1);
    bench.publish(["a"]);
    await bench.settle();
    expect(live.sink.log).toEqual([[3]]);
    expect(replay.sink.positions).toEqual([2, 3]);
  });

  test("what was read already and is published after all is not repeated", async () => {
    const bench = new Bench();
    const first = bench.append(["a", "a"]);
    const { sink } = subscribe(bench, "a", 0);
    bench.brokers.publish(first);
    bench.publish(["a"]);
    await bench.settle();
    expect(sink.positions).toEqual([1, 2, 3]);
  });

  test.each(["restored", "the next publish", "a turn"])(
    "a snapshot is installed: noticed by %s",
    async (how) => {
      const bench = new Bench();
      const { sink } = subscribe(bench, "a");
      bench.publish(["a"]);
      bench.append(["a", "b", "a"]);
      if (how === "restored") bench.brokers.restored();
      if (how === "the next publish") bench.publish(["a"]);
      await bench.settle();
      expect(sink.positions).toEqual(how === "the next publish" ? [1, 2, 4, 5] : [1, 2, 4]);
    },
  );
});

describe("changing filters", () => {
  test("live: what is before the present head comes by the old ones", () => {
    const bench = new Bench();
    const { sink, subscription } = subscribe(bench, "a");
    bench.publish(["a", "b"]);
    subscription.change(filterSet("b"));
    expect(sink.log).toEqual([[1]]);
    bench.publish(["a", "b"]);
    bench.clock.turn();
    expect(sink.log).toEqual([[1], [4]]);
    expect(bench.brokers.stats().brokers).toBe(1);
  });

  test("behind: each stretch by the filters that were asked for it", async () => {
    const bench = new Bench();
    const { sink, subscription } = subscribe(bench, "a");
    sink.room = 0;
    for (const filters of ["b", "#", "c"]) {
      bench.publish(["a", "b", "c"]);
      subscription.change(filterSet(filters));
    }
    bench.publish(["a", "b", "c"]);
    await bench.settle();
    sink.room = 100;
    subscription.resume();
    await bench.settle();
    expect(sink.positions).toEqual([1, 5, 7, 8, 9, 12]);
    expect(subscription).toMatchObject({ cursor: 12, behind: false });
  });

  test("more than 64 places to switch at end the subscription with an error", () => {
    const bench = new Bench();
    const { sink, subscription } = subscribe(bench, "a");
    sink.room = 0;
    bench.publish(["a"]);
    bench.clock.turn();
    for (let i = 0; i < 64; i += 1) {
      bench.publish(["a"]);
      for (const again of ["x", "y", `f/${i}`]) subscription.change(filterSet(again));
    }
    expect(sink.log).toEqual([[]]);
    bench.publish(["a"]);
    subscription.change(filterSet("one/too/many"));
    expect(sink.log).toEqual([[], expect.stringMatching(/^failed .*64 times/)]);
    expect(bench.brokers.stats().subscriptions).toBe(0);
  });
});

describe("deleted topics", () => {
  test("exact: the last messages, then the end; the same name is a new topic", async () => {
    const bench = new Bench();
    const old = subscribe(bench, "a");
    const wild = subscribe(bench, "#");
    bench.publish(["a"]);
    bench.delete("a");
    expect(old.sink.log).toEqual([[1], "deleted"]);
    const fresh = subscribe(bench, "a");
    bench.publish(["a"]);
    await bench.settle();
    expect(old.sink.log).toEqual([[1], "deleted"]);
    expect(fresh.sink.log).toEqual([[2]]);
    expect(wild.sink.positions).toEqual([1, 2]);
  });

  test("a sink may come again from within", async () => {
    const bench = new Bench();
    const sink = new RecordingSink();
    const again = new RecordingSink();
    sink.topicDeleted = () => void subscribe(bench, "a", null, again);
    subscribe(bench, "a", null, sink);
    bench.publish(["a"]);
    bench.delete("a");
    bench.publish(["a"]);
    await bench.settle();
    expect([sink.log, again.log]).toEqual([[[1]], [[2]]]);
  });

  test("behind: told at once; with another filter set in store it goes on with that", async () => {
    const bench = new Bench();
    const ends = subscribe(bench, "a");
    const goesOn = subscribe(bench, "a");
    for (const { sink } of [ends, goesOn]) sink.room = 0;
    bench.publish(["a"]);
    bench.clock.turn();
    goesOn.subscription.change(filterSet("b"));
    bench.publish(["b"]);
    bench.delete("a");
    expect(ends.sink.log).toEqual([[], "deleted"]);
    goesOn.sink.room = 10;
    goesOn.subscription.resume();
    await bench.settle();
    expect(goesOn.sink.log).toEqual([[], [2]]);
  });
});

describe("sinks that misbehave", () => {
  test.each(["deliver", "isWritable"] as const)(
    "%s throws: closed with an error, nobody else harmed",
    (method) => {
      const bench = new Bench();
      const bad = new RecordingSink();
      bad[method] = () => {
        throw new Error("broken socket");
      };
      subscribe(bench, "a", null, bad);
      const good = subscribe(bench, "a");
      bench.publish(["a"]);
      bench.clock.turn();
      expect(bad.log.at(-1)).toBe("failed broken socket");
      expect(good.sink.log).toEqual([[1]]);
      expect(bench.errors.map(String)).toEqual(["Error: broken socket"]);
      expect(bench.brokers.stats().subscriptions).toBe(1);
    },
  );

  test("failing at being told of the failure is told to the node", () => {
    const bench = new Bench();
    const bad = new RecordingSink();
    bad.deliver = bad.failed = () => {
      throw new Error("broken");
    };
    subscribe(bench, "a", null, bad);
    bench.publish(["a"]);
    bench.clock.turn();
    expect(bench.errors).toHaveLength(2);
  });

  test("closing itself and others from within a batch", () => {
    const bench = new Bench();
    const [one, two] = [subscribe(bench, "a"), subscribe(bench, "a")];
    one.sink.within = () => {
      one.subscription.close();
      two.subscription.close();
    };
    bench.publish(["a"]);
    bench.clock.turn();
    bench.publish(["a"]);
    bench.clock.advance(100);
    expect([one.sink.log, two.sink.log]).toEqual([[[1]], []]);
    expect(bench.brokers.stats()).toMatchObject({ brokers: 0, queuedMessages: 0 });
  });
});

test("an empty set of filters gets nothing and is never behind for long", async () => {
  const bench = new Bench();
  bench.publish(["a"]);
  const { sink, subscription } = subscribe(bench, [], 0);
  await bench.settle();
  expect(sink.log).toEqual([]);
  expect(subscription).toMatchObject({ cursor: 1, behind: false });
});

test("stopped: no timer, no call, no subscription is left", () => {
  const bench = new Bench();
  const { sink } = subscribe(bench, "a");
  bench.publish(["a"]);
  bench.brokers.stop();
  bench.clock.advance(100);
  expect(sink.log).toEqual([]);
  expect(bench.brokers.stats()).toMatchObject({ brokers: 0, subscriptions: 0 });
});

test("flushNow hands over what waits", () => {
  const bench = new Bench();
  const { sink } = subscribe(bench, "a");
  bench.publish(["a"]);
  bench.brokers.flushNow();
  expect(sink.log).toEqual([[1]]);
});

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
