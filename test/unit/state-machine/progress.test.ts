/** How far a session is, and the packet identifiers of its publishes: what an acknowledgement leaves behind. */
import { describe, expect, it } from "vitest";
import type { Command, SessionProgress } from "../../../src/commands/command.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { appended, Driver } from "./driver.js";
import { close, open, progress, subscribe } from "./session-script.js";

/** Session 1, subscribed to "t", with ten messages before it. */
function withTen(): Driver {
  const driver = new Driver();
  driver.apply(open("a"), subscribe(1, 1, { filter: "t", qos: 2 }));
  for (let i = 0; i < 10; i += 1) driver.apply(publishOf("t", "x"));
  return driver;
}

describe("progress in the live stream", () => {
  const state = (through: number, done: number[], received: number[]): object => ({
    through,
    done,
    received,
  });

  it.each<[string, Partial<SessionProgress>[], object]>([
    ["goes forward", [{ through: 3 }, { through: 5 }], state(5, [], [])],
    ["and never back", [{ through: 5 }, { through: 3 }], state(5, [], [])],
    ["nor beyond the head", [{ through: 99 }], state(10, [], [])],
    ["out of order: ascending, each once", [{ done: [7, 4] }, { done: [5, 7] }], state(0, [4, 5, 7], [])],
    ["what the cursor passes is forgotten", [{ done: [3, 5] }, { through: 3 }], state(3, [5], [])],
    ["and not taken again", [{ through: 3 }, { done: [2, 4], received: [3, 6] }], state(3, [4], [6])],
    [
      "PUBREC: in the order in which they came",
      [{ received: [7, 4] }, { received: [5, 7] }],
      state(0, [], [7, 4, 5]),
    ],
    ["PUBCOMP ends it", [{ received: [7, 4] }, { done: [7] }], state(0, [7], [4])],
    ["also when it comes with its PUBREC", [{ received: [4], done: [4] }], state(0, [4], [])],
    ["and a late PUBREC does not begin it again", [{ done: [4] }, { received: [4] }], state(0, [4], [])],
    ["a cursor passes PUBRECs too", [{ received: [4, 6] }, { through: 5 }], state(5, [], [6])],
  ])("%s", (_, news, expected) => {
    const driver = withTen();
    for (const it of news) driver.apply(progress(1, 1, it));
    expect(driver.machine.session(1)?.live).toMatchObject(expected);
    driver.checkpoint();
    driver.restart();
    expect(driver.machine.session(1)?.live).toMatchObject(expected);
  });

  it("says how far was sent", () => {
    const driver = withTen();
    driver.apply(progress(1, 1, { sentThrough: 6 }));
    driver.apply(progress(1, 1, { sentThrough: 4 }));
    expect(driver.machine.session(1)?.sentThrough).toBe(6);
    driver.apply(progress(1, 1, { sentThrough: 99 }));
    expect(driver.machine.session(1)?.sentThrough).toBe(10);
  });

  it("counts after the connection has ended, but not of one before", () => {
    const driver = withTen();
    driver.apply(close(1, 1), progress(1, 1, { through: 4 }));
    expect(driver.machine.session(1)?.live.through).toBe(4);
    driver.apply(open("a"), progress(1, 1, { through: 6 }));
    expect(driver.machine.session(1)?.live.through).toBe(4);
  });

  it("is of several sessions in one command; what is of none is passed over", () => {
    const driver = withTen();
    driver.apply(open("b"), subscribe(2, 1, { filter: "t" }), publishOf("t", "x"));
    const entry = (session: number, through: number): SessionProgress => ({
      ...{ session, epoch: 1, source: 0, through, sentThrough: 0 },
      ...{ received: [], done: [] },
    });
    const command = { kind: "progress", entries: [entry(1, 3), entry(9, 4), entry(2, 11)] } as const;
    expect(driver.result(command)).toEqual({ kind: "done" });
    expect(driver.machine.sessions(0, 9).map(({ live }) => live.through)).toEqual([3, 11]);
  });

  it("is not kept for a session that is not", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 0 }), publishOf("t", "x"));
    driver.apply(progress(1, 1, { through: 1, done: [1], sentThrough: 1 }));
    expect(driver.machine.session(1)).toMatchObject({ sentThrough: 0, live: { through: 0, done: [] } });
  });

  it("writes itself and not the subscriptions", () => {
    const driver = withTen();
    driver.checkpoint();
    driver.apply(progress(1, 1, { through: 3, done: [5] }));
    expect(driver.checkpoint()).toEqual(["m", "o/1", "p/00000001"]);
  });
});

describe("progress in a pass over retained messages", () => {
  /** Sources 1 and 2 as of position 2. */
  function withPasses(): Driver {
    const driver = new Driver();
    driver.apply(publishOf("t", "x", {}, { retain: true }), publishOf("u", "x", {}, { retain: true }));
    driver.apply(open("a"), subscribe(1, 1, { filter: "t" }), subscribe(1, 1, { filter: "+" }));
    return driver;
  }
  const sources = (driver: Driver): number[] => driver.machine.session(1)!.passes.map(({ source }) => source);

  it("is apart from the live stream and from other passes", () => {
    const driver = withPasses();
    driver.apply(progress(1, 1, { source: 2, through: 1, received: [2], sentThrough: 2 }));
    expect(driver.machine.session(1)).toMatchObject({
      sentThrough: 0,
      live: { through: 2, received: [] },
      passes: [
        { source: 1, through: 0, received: [] },
        { source: 2, through: 1, received: [2] },
      ],
    });
  });

  it("is over at its end", () => {
    const driver = withPasses();
    driver.apply(progress(1, 1, { source: 1, through: 1 }));
    expect(sources(driver)).toEqual([1, 2]);
    driver.apply(progress(1, 1, { source: 1, through: 2 }));
    expect(sources(driver)).toEqual([2]);
    driver.checkpoint();
    driver.apply(progress(1, 1, { source: 2, through: 3 }));
    expect(sources(driver)).toEqual([]);
    expect(driver.checkpoint()).toEqual(["m", "o/1", "p/00000001"]);
  });

  it("of a source that is none is passed over", () => {
    const driver = withPasses();
    const before = driver.machine.session(1);
    expect(driver.result(progress(1, 1, { source: 7, through: 9, done: [9] }))).toEqual({ kind: "done" });
    expect(driver.machine.session(1)).toEqual(before);
    expect(sources(driver)).toEqual([1, 2]);
  });
});

describe("QoS 2 publishes of a kept session (MQTT 5.0, 4.3.3, method B)", () => {
  const qos2 = (packetId: number, body = "x", epoch = 1): Command =>
    publishOf("t", body, { publisher: 1, receipt: { epoch, packetId } }, { qos: 2 });
  const release = (packetId: number, epoch = 1): Command => ({
    kind: "release",
    session: 1,
    epoch,
    packetId,
  });

  it("MQTT-4.3.3-10: one is appended once until it is released, wherever it comes again", () => {
    const driver = new Driver();
    driver.apply(open("a"));
    expect(driver.apply(qos2(7)).results[0]).toMatchObject({ kind: "published", firstPosition: 1 });
    const again = driver.apply(qos2(7));
    expect([again.results, again.effects]).toEqual([[{ kind: "done" }], []]);
    driver.checkpoint();
    driver.restart();
    driver.applyFrom("2", open("a"));
    expect(appended(driver.applyFrom("2", qos2(7, "x", 2)))).toEqual([]);
    expect(driver.apply(release(7, 2)).results).toEqual([{ kind: "done" }]);
    expect(driver.apply(qos2(7, "y", 2)).results[0]).toMatchObject({ kind: "published", firstPosition: 2 });
  });

  it("identifiers are apart from each other, and from those of other sessions", () => {
    const driver = new Driver();
    driver.apply(open("a"), open("b"));
    driver.apply(
      qos2(7),
      qos2(65_535),
      publishOf("t", "x", { publisher: 2, receipt: { epoch: 1, packetId: 7 } }),
    );
    expect(driver.machine.head).toBe(3);
    driver.apply(release(7));
    expect([...driver.machine.session(1)!.incoming]).toEqual([65_535]);
    expect([...driver.machine.session(2)!.incoming]).toEqual([7]);
    expect(driver.result(release(8))).toEqual({ kind: "done" });
  });

  it("one that fails is not remembered", () => {
    const driver = new Driver({ topicsMax: 1 });
    driver.apply(open("a"), publishOf("other", "x"));
    expect(driver.result(qos2(7))).toMatchObject({ code: "too_many_topics" });
    expect(driver.machine.session(1)?.incoming.size).toBe(0);
    driver.apply({ kind: "delete-topic", topic: "other" });
    expect(driver.result(qos2(7))).toMatchObject({ kind: "published" });
  });

  it("of a session that keeps nothing have no place here", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 0 }));
    expect(driver.result(qos2(7))).toMatchObject({ code: "invalid_request" });
    expect(driver.machine.head).toBe(0);
  });

  it("are gone with the session", () => {
    const driver = new Driver();
    driver.apply(open("a"), qos2(7), open("a", { cleanStart: true }));
    expect(driver.machine.sessionOf("a")?.incoming.size).toBe(0);
  });
});
