/** What live subscribers may rely on, told one case at a time; no-gap-no-repeat.test.ts tries all of it at once. */
import { describe, expect, test } from "vitest";
import { Bench, filterSet, RecordingSink, subscribe } from "./fan-out-bench.js";

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

  test.each([
    ["payloads", 60, 0],
    ["properties", 1, 59],
  ])("a queue that is full of %s does not wait for its turn, and flushes alone", (_, payload, properties) => {
    const bench = new Bench({ flushBytesMax: 100 });
    const [slow, a, b] = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
    slow.within = () => bench.clock.spend(10);
    subscribe(bench, "slow", null, slow);
    subscribe(bench, "a", null, a);
    subscribe(bench, "b", null, b);
    bench.publish(["slow"]);
    bench.clock.turn();
    bench.publish(["a", "b"], payload, properties);
    bench.publish(["a"], payload, properties);
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
