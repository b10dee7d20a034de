/** The checker of the kill -9 campaign: it passes a right history and finds every kind of fault that is planted in it. */
import { describe, expect, it } from "vitest";
import {
  checkSameOrder,
  checkSameStore,
  checkStore,
  checkStream,
  type Seen,
  type Stored,
  type ViolationKind,
} from "../../../load/crash/checker.js";
import { History } from "../../../load/crash/history.js";

const TOPICS = ["a", "b"];

/** Two publishers in turn over two topics, everything acknowledged; the second topic's messages are one batch. */
function rightWorld(): { history: History; topics: Map<string, Stored[]>; seen: Seen[] } {
  const history = new History();
  const topics = new Map<string, Stored[]>(TOPICS.map((topic) => [topic, []]));
  const seen: Seen[] = [];
  for (let at = 0; at < 12; at++) {
    const topic = TOPICS[at % 2]!;
    const stored = topics.get(topic)!;
    const attempt = history.invoke(`p${at % 3}`, at, topic, topic === "b" ? { batch: "batch" } : {});
    const record = { id: `id-${at}`, offset: stored.length, key: attempt.key };
    history.ok(attempt, record.id, record.offset);
    stored.push(record);
    seen.push({ id: record.id, topic, key: record.key });
  }
  return { history, topics, seen };
}

const kindsOf = (violations: readonly { kind: ViolationKind }[]): ViolationKind[] => [
  ...new Set(violations.map(({ kind }) => kind)),
];

type World = ReturnType<typeof rightWorld>;

describe("checkStore", () => {
  it("finds nothing in a right store", () => {
    const { history, topics } = rightWorld();
    expect(checkStore(history, topics)).toEqual([]);
  });

  it("lets an unanswered publish be there once or not at all", () => {
    const { history, topics } = rightWorld();
    const there = history.invoke("p9", 1, "a");
    history.invoke("p9", 2, "a");
    topics.get("a")!.push({ id: "id-there", offset: 6, key: there.key });
    expect(checkStore(history, topics)).toEqual([]);
  });

  it("finds nothing wrong with a batch that is missing as a whole and was never answered", () => {
    const { history, topics } = rightWorld();
    history.invoke("p9", 1, "b", { batch: "lost batch" });
    history.invoke("p9", 2, "b", { batch: "lost batch" });
    expect(checkStore(history, topics)).toEqual([]);
  });

  const planted: readonly (readonly [string, ViolationKind, (world: World) => void])[] = [
    ["an acknowledged message that is not there", "missing", ({ topics }) => void topics.get("a")!.pop()],
    [
      "an empty topic",
      "missing",
      ({ topics }) => {
        topics.set("a", []);
      },
    ],
    [
      "a message that is there twice",
      "doubled",
      ({ topics }) => {
        const stored = topics.get("a")!;
        stored.push({ id: "id-again", offset: stored.length, key: stored[2]!.key });
      },
    ],
    [
      "a message that is in two topics",
      "doubled",
      ({ topics }) => {
        const stored = topics.get("b")!;
        stored.push({ id: "id-again", offset: stored.length, key: topics.get("a")![0]!.key });
      },
    ],
    [
      "one id for two messages",
      "doubled",
      ({ history, topics }) => {
        const attempt = history.invoke("p9", 1, "a");
        topics.get("a")!.push({ id: "id-0", offset: 6, key: attempt.key });
      },
    ],
    [
      "a gap in the offsets",
      "gap",
      ({ topics }) => {
        topics.get("a")!.splice(2, 1);
      },
    ],
    [
      "offsets that do not begin at 0",
      "gap",
      ({ topics }) => {
        topics.get("a")!.shift();
      },
    ],
    [
      "one offset for two messages",
      "reordered",
      ({ history, topics }) => {
        const attempt = history.invoke("p9", 1, "a");
        topics.get("a")!.push({ id: "id-new", offset: 5, key: attempt.key });
      },
    ],
    [
      "two messages of one publisher in the wrong order",
      "reordered",
      ({ history, topics }) => {
        const first = history.invoke("p9", 1, "a");
        const second = history.invoke("p9", 2, "a");
        topics.get("a")!.push({ id: "id-x", offset: 6, key: second.key });
        topics.get("a")!.push({ id: "id-y", offset: 7, key: first.key });
      },
    ],
    [
      "a message that nobody published",
      "phantom",
      ({ topics }) => {
        topics.get("a")!.push({ id: "id-x", offset: 6, key: "nobody:1" });
      },
    ],
    [
      "a message that was refused",
      "refused_but_stored",
      ({ history, topics }) => {
        const attempt = history.invoke("p9", 1, "a");
        history.refused(attempt);
        topics.get("a")!.push({ id: "id-x", offset: 6, key: attempt.key });
      },
    ],
    [
      "a message in another topic than its own",
      "wrong_topic",
      ({ history, topics }) => {
        const attempt = history.invoke("p9", 1, "b");
        topics.get("a")!.push({ id: "id-x", offset: 6, key: attempt.key });
      },
    ],
    [
      "an id that is not the acknowledged one",
      "ack_mismatch",
      ({ topics }) => {
        const stored = topics.get("a")!;
        stored[3] = { ...stored[3]!, id: "id-other" };
      },
    ],
    [
      "an offset that is not the acknowledged one",
      "ack_mismatch",
      ({ history, topics }) => {
        const attempt = history.invoke("p9", 1, "a");
        history.ok(attempt, "id-x", 7);
        topics.get("a")!.push({ id: "id-x", offset: 6, key: attempt.key });
      },
    ],
    [
      "half of a batch",
      "torn_batch",
      ({ history, topics }) => {
        const attempt = history.invoke("p9", 1, "b", { batch: "torn" });
        history.invoke("p9", 2, "b", { batch: "torn" });
        topics.get("b")!.push({ id: "id-x", offset: 6, key: attempt.key });
      },
    ],
  ];

  it.each(planted)("finds %s", (_, kind, plant) => {
    const world = rightWorld();
    plant(world);
    expect(kindsOf(checkStore(world.history, world.topics))).toContain(kind);
  });
});

describe("checkStream", () => {
  it("finds nothing in a stream that has everything once in order", () => {
    const { history, topics, seen } = rightWorld();
    expect(checkStream(history, "s", seen, topics)).toEqual([]);
  });

  const planted: readonly (readonly [string, ViolationKind, (world: World) => void])[] = [
    ["an event that never came", "missing", ({ seen }) => void seen.splice(4, 1)],
    ["the newest event that never came", "missing", ({ seen }) => void seen.pop()],
    ["an event that came again", "doubled", ({ seen }) => void seen.splice(7, 0, seen[3]!)],
    [
      "two events of a topic in the wrong order",
      "reordered",
      ({ seen }) => {
        [seen[0], seen[2]] = [seen[2]!, seen[0]!];
      },
    ],
    [
      "two events of a publisher in the wrong order over two topics",
      "reordered",
      ({ seen }) => {
        // p0 published 0 to "a" and 3 to "b".
        const [third] = seen.splice(3, 1);
        seen.unshift(third!);
      },
    ],
    [
      "an event that is not stored",
      "phantom",
      ({ seen }) => void seen.push({ id: "id-x", topic: "a", key: "p9:1" }),
    ],
    [
      "an event of a topic that does not exist",
      "phantom",
      ({ seen }) => void seen.push({ id: "id-x", topic: "elsewhere", key: "p9:1" }),
    ],
    [
      "an event whose payload is another message's",
      "ack_mismatch",
      ({ seen }) => {
        seen[5] = { ...seen[5]!, key: "p2:99" };
      },
    ],
  ];

  it.each(planted)("finds %s", (_, kind, plant) => {
    const world = rightWorld();
    plant(world);
    expect(kindsOf(checkStream(world.history, "s", world.seen, world.topics))).toContain(kind);
  });
});

describe("checkSameOrder", () => {
  it("finds nothing in two equal sequences", () => {
    const { seen } = rightWorld();
    expect(checkSameOrder("#", seen, [...seen])).toEqual([]);
  });

  it.each([
    ["another order of topics", (seen: Seen[]) => [seen[1]!, seen[0]!, ...seen.slice(2)]],
    ["one event fewer", (seen: Seen[]) => seen.slice(0, -1)],
    ["one event more", (seen: Seen[]) => [...seen, { id: "id-x", topic: "a", key: "p9:1" }]],
  ] as const)("finds %s", (_, change) => {
    const { seen } = rightWorld();
    expect(kindsOf(checkSameOrder("#", seen, change(seen)))).toEqual(["reordered"]);
  });
});

describe("History", () => {
  it("refuses a key that was used", () => {
    const history = new History();
    history.invoke("p", 1, "a");
    expect(() => history.invoke("p", 1, "b")).toThrow("p:1 was published before");
  });

  it("counts what was acknowledged and what was refused", () => {
    const history = new History();
    history.ok(history.invoke("p", 1, "a"), "id", 0);
    history.refused(history.invoke("p", 2, "a"));
    history.invoke("p", 3, "a");
    expect([history.attempted, history.acknowledgedCount, history.refusedCount]).toEqual([3, 1, 1]);
  });
});

describe("order over connections", () => {
  /** Two messages of one publisher, the second stored first: the first was sent on `session` 1, the second on `later`. */
  function swapped(later: number, firstAnswered: boolean): ViolationKind[] {
    const history = new History();
    const [first, second] = [
      history.invoke("p", 1, "a", { session: 1 }),
      history.invoke("p", 2, "a", { session: later }),
    ];
    if (firstAnswered) history.ok(first);
    history.ok(second);
    const stored = [second, first].map(({ key }, offset) => ({ id: `id-${offset}`, offset, key }));
    const seen = stored.map(({ id, key }) => ({ id, topic: "a", key }));
    const topics = new Map([["a", stored]]);
    return kindsOf([...checkStore(history, topics), ...checkStream(history, "s", seen, topics)]);
  }

  it("lets what an earlier connection left unanswered come later", () => {
    expect(swapped(2, false)).toEqual([]);
  });

  it("finds what was acknowledged on an earlier connection and comes later", () => {
    expect(swapped(2, true)).toEqual(["reordered"]);
  });

  it("finds what was unanswered on the same connection and comes later", () => {
    expect(swapped(1, false)).toEqual(["reordered"]);
  });
});

describe("checkSameStore", () => {
  it("finds nothing in two equal stores", () => {
    expect(checkSameStore("s", rightWorld().topics, rightWorld().topics)).toEqual([]);
  });

  it.each([
    ["one record fewer", (stored: Stored[]) => stored.slice(0, -1)],
    ["one record more", (stored: Stored[]) => [...stored, { id: "id-x", offset: 6, key: "p9:1" }]],
    ["no record", () => []],
    ["another order", (stored: Stored[]) => [stored[1]!, stored[0]!, ...stored.slice(2)]],
    ["another id", (stored: Stored[]) => [{ ...stored[0]!, id: "id-x" }, ...stored.slice(1)]],
    ["another offset", (stored: Stored[]) => [{ ...stored[0]!, offset: 9 }, ...stored.slice(1)]],
    ["another message", (stored: Stored[]) => [{ ...stored[0]!, key: "p9:1" }, ...stored.slice(1)]],
  ] as const)("finds %s", (_, change) => {
    const [one, other] = [rightWorld().topics, rightWorld().topics];
    other.set("a", change(other.get("a")!));
    expect(kindsOf(checkSameStore("s", one, other))).toEqual(["diverged"]);
    expect(kindsOf(checkSameStore("s", other, one))).toEqual(["diverged"]);
  });

  it("finds a topic that only one has", () => {
    const [one, other] = [rightWorld().topics, rightWorld().topics];
    other.delete("b");
    expect(kindsOf(checkSameStore("s", one, other))).toEqual(["diverged"]);
    expect(kindsOf(checkSameStore("s", other, one))).toEqual(["diverged"]);
  });
});
