/** The machine's commands, one after the other: what each gives, what it leaves, what it lets out. */
import { describe, expect, it } from "vitest";
import type { Command, CreateTopicCommand } from "../../../src/commands/command.js";
import { Machine } from "../../../src/state-machine/machine.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { appended, Driver, START_MS, story } from "./driver.js";

const create = (topic: string, changes: Partial<CreateTopicCommand> = {}): Command => ({
  kind: "create-topic",
  topic,
  retention: {},
  ifMissing: false,
  ...changes,
});
const remove = (topic: string): Command => ({ kind: "delete-topic", topic });
const failed = (code: string) => expect.objectContaining({ kind: "failed", code });
const DONE = { kind: "done" };

describe("publish", () => {
  it("gives positions over all topics and offsets in each", () => {
    const driver = new Driver();
    const applied = driver.apply(publishOf("a", "1"), publishOf("b", "2"), publishOf("a", "3"));
    expect(appended(applied).map(({ topic, position, offset }) => [topic.name, position, offset])).toEqual([
      ["a", 1, 0],
      ["b", 2, 0],
      ["a", 3, 1],
    ]);
    expect(applied.results[2]).toEqual({
      kind: "published",
      topic: "a",
      count: 1,
      firstPosition: 3,
      lastPosition: 3,
      firstOffset: 1,
      lastOffset: 1,
      timestampMs: START_MS,
      replayed: false,
    });
    expect(driver.machine.head).toBe(3);
    expect(driver.machine.topicByName("a")).toMatchObject({ id: 1, nextOffset: 2, newestPosition: 3 });
  });

  it("keeps everything of a message", () => {
    const fields = { contentType: "text/plain", qos: 2, retain: true, expiresAtMs: START_MS + 1 } as const;
    const message = { ...fields, properties: Buffer.of(1, 1) };
    const [stored] = appended(new Driver().apply(publishOf("a", "body", { publisher: 7 }, message)));
    expect(stored).toEqual({
      position: 1,
      offset: 0,
      topic: { id: 1, name: "a" },
      timestampMs: START_MS,
      payload: Buffer.from("body"),
      properties: Buffer.of(1, 1),
      publisher: 7,
      ...fields,
    });
  });

  it("places several messages of one command side by side", () => {
    const driver = new Driver();
    driver.apply(publishOf("a", "0"));
    const { messages } = publishOf("a", "x");
    const result = driver.result(publishOf("a", "", { messages: [...messages, ...messages, ...messages] }));
    expect(result).toMatchObject({
      count: 3,
      firstPosition: 2,
      lastPosition: 4,
      firstOffset: 1,
      lastOffset: 3,
    });
  });

  it.each(["", "a/+", "#", "$SYS/x", "a\0b", "\ud800", "x".repeat(1025)])("refuses the topic %j", (topic) => {
    const driver = new Driver();
    expect(driver.result(publishOf(topic, "1"))).toEqual(failed("invalid_topic"));
    expect(driver.machine.topicCount).toBe(0);
  });

  it("makes a missing topic only when it may, and within the ceiling", () => {
    const driver = new Driver({ topicsMax: 1 });
    expect(driver.result(publishOf("a", "1", { autoCreate: false }))).toEqual(failed("topic_not_found"));
    expect(story(driver.apply(publishOf("a", "1")))).toBe("+a [a@1]");
    const second = driver.apply(publishOf("b", "1"), publishOf("a", "2", { autoCreate: false }));
    expect(second.results).toEqual([
      failed("too_many_topics"),
      expect.objectContaining({ firstPosition: 2 }),
    ]);
    expect(story(second)).toBe("[a@2]");
  });

  it("refuses a command without messages loudly: no encoder writes one", () => {
    expect(() => new Driver().apply(publishOf("a", "", { messages: [] }))).toThrow(
      expect.objectContaining({ code: "invariant" }),
    );
  });
});

describe("effects", () => {
  it("gather the messages of an envelope into one append, topics first", () => {
    const driver = new Driver();
    driver.apply(publishOf("a", "1"));
    expect(
      story(driver.apply(publishOf("a", "2"), publishOf("b", "3"), create("c"), publishOf("c", "4"))),
    ).toBe("+b +c [a@2 b@3 c@4]");
  });

  it("begin another append after a deletion", () => {
    const driver = new Driver();
    const applied = driver.apply(
      publishOf("a", "1"),
      publishOf("b", "2"),
      remove("a"),
      publishOf("a", "3"),
      publishOf("b", "4"),
    );
    expect(story(applied)).toBe("+a +b [a@1 b@2] -a +a [a@3 b@4]");
    const [first, , third] = appended(applied);
    expect([first?.topic.id, third?.topic.id]).toEqual([1, 3]);
    expect(third?.offset).toBe(0);
  });

  it("are none when nothing happened", () => {
    const driver = new Driver();
    expect(driver.apply(remove("a"), create("#")).effects).toEqual([]);
    expect(driver.apply()).toMatchObject({ outcome: "applied", results: [], effects: [] });
  });

  it("name a topic by one frozen object", () => {
    const driver = new Driver();
    const [first, second] = appended(driver.apply(publishOf("a", "1"), publishOf("a", "2")));
    expect(first?.topic).toBe(second?.topic);
    expect(first?.topic).toBe(driver.machine.topicById(1)?.ref);
    expect(Object.isFrozen(first?.topic)).toBe(true);
  });
});

describe("topics", () => {
  it("are created once, unless that is fine", () => {
    const driver = new Driver();
    driver.timeMs += 5;
    expect(driver.result(create("a", { retention: { ageMs: 10, bytes: 20 } }))).toEqual(DONE);
    expect(driver.result(create("a"))).toEqual(failed("topic_exists"));
    expect(driver.result(create("a", { ifMissing: true, retention: { ageMs: 99 } }))).toEqual(DONE);
    expect(driver.machine.topicByName("a")).toMatchObject({
      createdAtMs: START_MS + 5,
      retention: { ageMs: 10, bytes: 20 },
      nextOffset: 0,
      newestPosition: 0,
    });
  });

  it.each([
    ["a bad name", create("a/#"), "invalid_topic"],
    ["no age", create("b", { retention: { ageMs: 0 } }), "invalid_request"],
    ["no bytes", create("b", { retention: { bytes: 0 } }), "invalid_request"],
    ["one too many", create("b"), "too_many_topics"],
    ["one too many, if missing", create("b", { ifMissing: true }), "too_many_topics"],
  ])("are not created: %s", (_, command, code) => {
    const driver = new Driver({ topicsMax: 1 });
    driver.apply(create("a"));
    expect(driver.result(command)).toEqual(failed(code));
    expect(driver.machine.topicCount).toBe(1);
  });

  it.each([
    [{}, { ageMs: 10, bytes: 20 }],
    [{ ageMs: 11 }, { ageMs: 11, bytes: 20 }],
    [{ bytes: null }, { ageMs: 10 }],
    [{ ageMs: null, bytes: 21 }, { bytes: 21 }],
    [{ ageMs: null, bytes: null }, {}],
  ])("change their retention by %j to %j", (retention, after) => {
    const driver = new Driver();
    driver.apply(create("a", { retention: { ageMs: 10, bytes: 20 } }));
    expect(driver.result({ kind: "update-topic", topic: "a", retention })).toEqual(DONE);
    expect(driver.machine.topicByName("a")?.retention).toEqual(after);
  });

  it("are neither changed nor deleted when they are not there", () => {
    const driver = new Driver();
    expect(driver.result({ kind: "update-topic", topic: "a", retention: {} })).toEqual(
      failed("topic_not_found"),
    );
    expect(driver.result(remove("a"))).toEqual(failed("topic_not_found"));
    driver.apply(create("a"));
    expect(driver.result({ kind: "update-topic", topic: "a", retention: { ageMs: 0 } })).toEqual(
      failed("invalid_request"),
    );
  });

  it("take everything along when they are deleted, and their id is not used again", () => {
    const driver = new Driver();
    const keyed = publishOf("a", "1", { idempotency: { key: "k", digest: "d" } }, { retain: true });
    driver.apply(keyed);
    driver.apply(remove("a"));
    const { machine } = driver;
    expect(machine.topicByName("a")).toBeUndefined();
    expect(machine.topicById(1)).toBeUndefined();
    expect(machine.retained("a", 0)).toBeUndefined();
    expect([machine.retainedCount, machine.retainedBytes, machine.idempotencyKeyCount]).toEqual([0, 0, 0]);
    expect(driver.result(keyed)).toMatchObject({ firstPosition: 2, firstOffset: 0, replayed: false });
    expect(machine.topicByName("a")?.id).toBe(2);
  });
});

describe("genesis", () => {
  const genesis = (streamTag: string): Command => ({ kind: "genesis", streamTag });

  it("counts the first time", () => {
    const driver = new Driver();
    expect(driver.machine.streamTag).toBe("");
    expect(driver.result(genesis("ab12"))).toEqual(DONE);
    expect(driver.result(genesis("zz99"))).toEqual(DONE);
    expect(driver.machine.streamTag).toBe("ab12");
  });

  it.each(["", "abc", "abcde", "AB12", "a b1"])("refuses the tag %j", (tag) => {
    const driver = new Driver();
    expect(driver.result(genesis(tag))).toEqual(failed("invalid_request"));
    expect(driver.machine.streamTag).toBe("");
  });
});

describe("time and indexes", () => {
  it("time never moves backwards", () => {
    const driver = new Driver();
    driver.apply(publishOf("a", "1"));
    driver.timeMs -= 3_600_000;
    expect(driver.result(publishOf("a", "2"))).toMatchObject({ timestampMs: START_MS });
    driver.timeMs = START_MS + 1;
    expect(driver.result(publishOf("a", "3"))).toMatchObject({ timestampMs: START_MS + 1 });
  });

  it("entries without a command only move the index, which never goes back", () => {
    const machine = new Machine();
    machine.skip(2);
    expect(machine.appliedIndex).toBe(2);
    expect(() => machine.skip(2)).toThrow(expect.objectContaining({ code: "invariant" }));
    const envelope = { origin: "1", incarnation: 1, sequence: 1, timeMs: 1, commands: [] };
    expect(() => machine.apply(envelope, 1)).toThrow(expect.objectContaining({ code: "invariant" }));
  });
});
