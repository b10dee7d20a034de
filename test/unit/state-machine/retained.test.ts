/** Retained messages (MQTT 3.1.1, 3.3.1.3): the last one in log order, or none. */
import { describe, expect, it } from "vitest";
import type { Command, OutgoingMessage } from "../../../src/commands/command.js";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { appended, Driver, START_MS } from "./driver.js";

const retain = (topic: string, body: string, message: Partial<OutgoingMessage> = {}): Command =>
  publishOf(topic, body, {}, { retain: true, ...message });
const body = (message: StoredMessage | undefined): string | undefined =>
  message === undefined ? undefined : Buffer.from(message.payload).toString();
const all = (driver: Driver, nowMs = START_MS): string[] =>
  driver.machine
    .retainedMatching(() => true, nowMs)
    .map((message) => `${message.topic.name}=${body(message)}`);

describe("retained messages", () => {
  it("are the last of their topic; others leave them alone", () => {
    const driver = new Driver();
    driver.apply(retain("a", "1"), retain("a", "2"), publishOf("a", "3"), retain("b", "4"));
    expect(body(driver.machine.retained("a", START_MS))).toBe("2");
    expect(driver.machine.retained("a", START_MS)).toMatchObject({ position: 2, offset: 1, retain: true });
    expect(all(driver)).toEqual(["a=2", "b=4"]);
  });

  it("of several in one command: the last that is to be retained", () => {
    const driver = new Driver();
    const message = (text: string, isRetained: boolean): OutgoingMessage =>
      publishOf("a", text, {}, { retain: isRetained }).messages[0]!;
    const messages = [message("1", true), message("2", true), message("3", false)];
    driver.apply(publishOf("a", "", { messages }));
    expect(all(driver)).toEqual(["a=2"]);
  });

  it("are deleted by an empty payload, which is a message all the same (MQTT-3.3.1-10, 3.3.1-11)", () => {
    const driver = new Driver();
    driver.apply(retain("a", "1"));
    const applied = driver.apply(retain("a", ""));
    expect(appended(applied)).toMatchObject([{ position: 2, retain: true, payload: Buffer.alloc(0) }]);
    expect(all(driver)).toEqual([]);
    expect(driver.machine.retainedBytes).toBe(0);
    expect(driver.result(retain("never", ""))).toMatchObject({ kind: "published" });
  });

  it("are listed in position order, by topic", () => {
    const driver = new Driver();
    driver.apply(retain("c", "1"), retain("a", "2"), retain("b", "3"), retain("c", "4"));
    expect(all(driver)).toEqual(["a=2", "b=3", "c=4"]);
    const matches = driver.machine.retainedMatching((topic) => topic !== "b", START_MS);
    expect(matches.map(body)).toEqual(["2", "4"]);
  });

  it("are left out from the moment they expire", () => {
    const driver = new Driver();
    driver.apply(retain("a", "1", { expiresAtMs: START_MS + 10 }), retain("b", "2"));
    expect(all(driver, START_MS + 9)).toEqual(["a=1", "b=2"]);
    expect(all(driver, START_MS + 10)).toEqual(["b=2"]);
    expect(driver.machine.retained("a", START_MS + 10)).toBeUndefined();
    expect(driver.machine.retainedCount).toBe(2);
  });

  it("hold no more memory than their payload and their properties", () => {
    const driver = new Driver();
    const entry = Buffer.alloc(100_000, "x");
    driver.apply(retain("a", "", { payload: entry.subarray(10, 20), properties: entry.subarray(30, 33) }));
    const { payload, properties } = driver.machine.retained("a", START_MS)!;
    expect([payload.buffer.byteLength, properties.buffer.byteLength]).toEqual([10, 3]);
    entry.fill("y");
    expect(Buffer.from(payload).toString()).toBe("x".repeat(10));
    expect(Buffer.from(properties).toString()).toBe("xxx");
  });
});

describe("the ceilings of retained messages", () => {
  const full = expect.objectContaining({ kind: "failed", code: "retained_full" });

  it("on their number", () => {
    const driver = new Driver({ retainedMessagesMax: 1 });
    driver.apply(retain("a", "1"), publishOf("b", "2"));
    expect(driver.result(retain("b", "3"))).toEqual(full);
    expect(driver.result(retain("c", "3"))).toEqual(full);
    expect(driver.machine.topicByName("c"), "nothing of a refused publish is done").toBeUndefined();
    expect(driver.machine.head).toBe(2);
    expect(driver.result(retain("a", "4"))).toMatchObject({ kind: "published" });
    driver.apply(retain("a", ""));
    expect(driver.result(retain("b", "5"))).toMatchObject({ kind: "published" });
  });

  it("on their bytes", () => {
    const driver = new Driver({ retainedBytesMax: 10 });
    driver.apply(retain("a", "123456"), retain("b", "1234"));
    expect(driver.machine.retainedBytes).toBe(10);
    expect(driver.result(retain("b", "12345"))).toEqual(full);
    expect(driver.result(retain("c", "1"))).toEqual(full);
    expect(driver.result(retain("b", "4321"))).toMatchObject({ kind: "published" });
    expect(driver.result(retain("c", ""))).toMatchObject({ kind: "published" });
    expect(driver.result(retain("a", "1"))).toMatchObject({ kind: "published" });
    expect(driver.machine.retainedBytes).toBe(5);
  });

  it("on the bytes of their properties as well", () => {
    const driver = new Driver({ retainedBytesMax: 10 });
    const properties = Buffer.of(1, 1);
    expect(driver.result(retain("a", "123456789", { properties }))).toEqual(full);
    driver.apply(retain("a", "12345678", { properties }));
    expect(driver.machine.retainedBytes).toBe(10);
    driver.checkpoint();
    driver.restart();
    expect(driver.result(retain("b", "1"))).toEqual(full);
    driver.apply(retain("a", ""));
    expect(driver.machine.retainedBytes).toBe(0);
  });

  it("let a smaller one take its topic's place even when they were lowered below what is there", () => {
    const driver = new Driver();
    driver.apply(retain("a", "123456"), retain("b", "123456"));
    driver.checkpoint();
    driver.restart({ retainedBytesMax: 5, retainedMessagesMax: 1 });
    expect(driver.result(retain("a", "1234567"))).toEqual(full);
    expect(driver.result(retain("a", "12345"))).toMatchObject({ kind: "published" });
    expect(driver.machine.retainedBytes).toBe(11);
  });
});
