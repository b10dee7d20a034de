/** Idempotency keys: the first answer again, a refusal, or a new start once forgotten. */
import { describe, expect, it } from "vitest";
import type { Command } from "../../../src/commands/command.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { appended, Driver } from "./driver.js";

const AGE_MS = 1000;
const keyed = (topic: string, key: string, digest = "d"): Command =>
  publishOf(topic, "x", { idempotency: { key, digest } });
const conflict = expect.objectContaining({ kind: "failed", code: "idempotency_conflict" });
const isNew = expect.objectContaining({ kind: "published", replayed: false });

describe("an idempotency key", () => {
  it("gives the first answer to a repeat, and appends nothing", () => {
    const driver = new Driver();
    driver.apply(publishOf("a", "0"));
    const { messages } = publishOf("a", "1");
    const request = publishOf("a", "", {
      messages: [...messages, ...messages],
      idempotency: { key: "k", digest: "d" },
    });
    const first = driver.result(request);
    driver.apply(publishOf("a", "2"));
    driver.timeMs += 10;
    const again = driver.apply(request);
    expect(again.results).toEqual([{ ...first, replayed: true }]);
    expect(again.effects).toEqual([]);
    expect(driver.machine.head).toBe(4);
  });

  it("works within one envelope", () => {
    const applied = new Driver().apply(keyed("a", "k"), keyed("a", "k"), keyed("a", "k", "other"));
    expect(applied.results).toEqual([isNew, expect.objectContaining({ replayed: true }), conflict]);
    expect(appended(applied)).toHaveLength(1);
  });

  it("refuses another request", () => {
    const driver = new Driver();
    driver.apply(keyed("a", "k"));
    expect(driver.result(keyed("a", "k", "other"))).toEqual(conflict);
    expect(driver.machine.head).toBe(1);
  });

  it("belongs to its topic", () => {
    const driver = new Driver();
    driver.apply(keyed("a", "k"));
    expect(driver.result(keyed("b", "k", "other"))).toEqual(isNew);
  });

  it("is not taken by a publish that failed", () => {
    const driver = new Driver({ retainedMessagesMax: 0 });
    const idempotency = { key: "k", digest: "d" };
    expect(driver.result(publishOf("a", "x", { idempotency }, { retain: true }))).toMatchObject({
      code: "retained_full",
    });
    expect(driver.result(publishOf("a", "x", { idempotency: { ...idempotency, digest: "e" } }))).toEqual(
      isNew,
    );
  });

  it("is forgotten at its age by the log's time, not a moment earlier", () => {
    const driver = new Driver({ idempotencyAgeMs: AGE_MS });
    driver.apply(keyed("a", "k"));
    driver.timeMs += AGE_MS - 1;
    expect(driver.result(keyed("a", "k"))).toMatchObject({ replayed: true });
    driver.timeMs += 1;
    expect(driver.result(keyed("a", "k", "other"))).toEqual(isNew);
    expect(driver.machine.idempotencyKeyCount).toBe(1);
  });

  it("is forgotten with its topic", () => {
    const driver = new Driver();
    driver.apply(keyed("a", "k"), keyed("b", "k"), { kind: "delete-topic", topic: "a" });
    expect(driver.machine.idempotencyKeyCount).toBe(1);
    expect(driver.result(keyed("a", "k", "other"))).toEqual(isNew);
    expect(driver.result(keyed("b", "k"))).toMatchObject({ replayed: true });
  });
});

describe("the table of keys", () => {
  it("forgets the oldest past its ceiling", () => {
    const driver = new Driver({ idempotencyKeysMax: 2 });
    driver.apply(keyed("a", "1"), keyed("b", "2"), keyed("a", "3"));
    expect(driver.machine.idempotencyKeyCount).toBe(2);
    expect(driver.result(keyed("b", "2"))).toMatchObject({ replayed: true });
    expect(driver.result(keyed("a", "3"))).toMatchObject({ replayed: true });
    expect(driver.result(keyed("a", "1"))).toEqual(isNew);
  });

  it("finds the oldest past holes that deleted topics left", () => {
    const driver = new Driver({ idempotencyKeysMax: 2 });
    driver.apply(keyed("gone", "1"), keyed("a", "2"), { kind: "delete-topic", topic: "gone" });
    driver.apply(keyed("a", "3"), keyed("a", "4"));
    expect(driver.machine.idempotencyKeyCount).toBe(2);
    expect(driver.result(keyed("a", "3"))).toMatchObject({ replayed: true });
    expect(driver.result(keyed("a", "2"))).toEqual(isNew);
  });

  it("after a long silence forgets some in each envelope, and answers as if all were forgotten", () => {
    const driver = new Driver({ idempotencyAgeMs: AGE_MS });
    const keys = Array.from({ length: 1200 }, (_, i) => keyed("a", `k${i}`));
    driver.apply(...keys);
    driver.timeMs += AGE_MS;
    const last = driver.result(keyed("a", "k1199", "other"));
    expect(last).toEqual(isNew);
    expect(driver.machine.idempotencyKeyCount).toBeGreaterThan(1);
    driver.apply();
    driver.apply();
    expect(driver.machine.idempotencyKeyCount).toBe(1);
    expect(driver.result(keyed("a", "k1199", "other"))).toMatchObject({ replayed: true });
  });

  it("is the same after a restart, and goes on forgetting", () => {
    const driver = new Driver({ idempotencyKeysMax: 3, idempotencyAgeMs: AGE_MS });
    driver.apply(keyed("a", "1"), keyed("a", "2"), keyed("a", "3"), keyed("a", "4"));
    driver.checkpoint();
    driver.restart();
    expect(driver.result(keyed("a", "2"))).toMatchObject({
      replayed: true,
      firstPosition: 2,
      firstOffset: 1,
    });
    driver.apply(keyed("a", "5"));
    expect(driver.checkpoint()).toContain("-i/00000002");
    driver.timeMs += AGE_MS;
    driver.apply();
    expect(driver.machine.idempotencyKeyCount).toBe(0);
    driver.checkpoint();
    expect(driver.records().filter(({ key }) => key.startsWith("i/"))).toEqual([]);
  });
});
