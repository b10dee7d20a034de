/** How subscribers that are behind come to the present, told one case at a time; no-gap-no-repeat.test.ts tries all of it at once. */
import { describe, expect, test } from "vitest";
import { Bench, filterSet, RecordingSink, subscribe } from "./fan-out-bench.js";

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

  test("what other topics still keep below a trim comes all the same, after one notice", async () => {
    const bench = new Bench();
    bench.publish(["a", "b", "a", "b", "a", "b"]);
    bench.store.trim(bench.topics.get("a")!.id, 5);
    const { sink } = subscribe(bench, "#", 0);
    await bench.settle();
    expect(sink.log).toEqual(["gap 0-5", [2, 4, 6]]);
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
      const bring = (): unknown => bench.append(["a", "b", "a"]);
      if (how === "restored") bench.install(bring);
      else bring();
      if (how === "the next publish") bench.publish(["a"]);
      await bench.settle();
      expect(sink.positions).toEqual(how === "the next publish" ? [1, 2, 4, 5] : [1, 2, 4]);
    },
  );

  test.each(["a", "#"])(
    "a topic came within a snapshot, and no message: whoever is behind with %s reads it",
    async (filter) => {
      const bench = new Bench();
      bench.publish(["a", "a"]);
      const { sink, subscription } = subscribe(bench, filter, 0);
      sink.room = 1;
      await bench.settle();
      bench.install(() => {
        bench.delete("a");
        bench.create("b");
        bench.create("a");
      });
      bench.publish(["b", "a"]);
      sink.room = Number.POSITIVE_INFINITY;
      subscription.resume();
      await bench.settle();
      expect(sink.log.flat()).toEqual(filter === "#" ? [1, 2, 3, 4] : [1, "deleted"]);
    },
  );

  test("a topic went within a snapshot: who has subscribed to it alone is told, and others are not", async () => {
    const bench = new Bench();
    bench.publish(["a", "b"]);
    const ended = subscribe(bench, "a");
    const others = [
      subscribe(bench, ["a", "b"]),
      subscribe(bench, "+"),
      subscribe(bench, "b"),
      subscribe(bench, "c"),
    ];
    bench.install(() => bench.delete("a"));
    bench.publish(["b", "a"]);
    await bench.settle();
    expect(ended.sink.log).toEqual(["deleted"]);
    expect(others.map(({ sink }) => sink.positions)).toEqual([[3, 4], [3, 4], [3], []]);
  });
});
