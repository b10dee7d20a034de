/** Sessions and their connections, by clause of the standard: what a CONNECT finds, what an end leaves. */
import { describe, expect, it } from "vitest";
import { SESSION_NEVER_EXPIRES } from "../../../src/commands/command.js";
import type { Applied } from "../../../src/state-machine/effects.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver, START_MS } from "./driver.js";
import { close, open, progress, subscribe, TICK, unsubscribe, willOf } from "./session-script.js";

const DONE = { kind: "done" };
const DISPLACED = { kind: "failed", code: "session_displaced" };
const opened = (session: number, epoch: number, present: boolean): object => ({
  kind: "opened",
  session,
  epoch,
  present,
});

/** Who is told to let go: "session/epoch node reason". */
function displaced({ effects }: Applied): string[] {
  return effects.flatMap((it) =>
    it.kind === "session-displaced" ? [`${it.session}/${it.epoch} ${it.owner.node} ${it.reason}`] : [],
  );
}

describe("Session Present and Clean Start (MQTT 5.0, 3.1.2.4 and 3.2.2.1.1)", () => {
  const KEPT = { expirySeconds: 60 };
  const CLEAN = { cleanStart: true, ...KEPT };
  const SHORT = { expirySeconds: 0 };
  it.each([
    ["a client that nobody knows", [], {}, opened(1, 1, false)],
    ["MQTT-3.1.2-5: one that was here goes on", [open("a", KEPT), close(1, 1)], KEPT, opened(1, 2, true)],
    ["MQTT-3.1.2-4: unless it starts clean", [open("a", KEPT), close(1, 1)], CLEAN, opened(2, 1, false)],
    [
      "MQTT-3.1.2-23: a session of expiry 0 is over",
      [open("a", SHORT), close(1, 1)],
      {},
      opened(2, 1, false),
    ],
    ["as when DISCONNECT says so", [open("a"), close(1, 1, SHORT)], {}, opened(2, 1, false)],
    ["3.1.4: taken over, it goes on", [open("a", KEPT)], {}, opened(1, 2, true)],
    ["taken over with a clean start, it is over", [open("a", KEPT)], CLEAN, opened(2, 1, false)],
    ["taken over with an expiry of 0, it is over", [open("a", SHORT)], {}, opened(2, 1, false)],
    ["another client's session is another", [open("b"), close(1, 1)], {}, opened(2, 1, false)],
    [
      "a session that goes on is kept, whatever the new connection says of its end",
      [open("a"), close(1, 1), open("a", SHORT)],
      {},
      opened(2, 1, false),
    ],
  ])("%s", (_, before, changes, expected) => {
    const driver = new Driver();
    for (const command of before) driver.apply(command);
    expect(driver.result(open("a", changes))).toEqual(expected);
    expect(driver.machine.sessionOf("a")).toMatchObject({
      owner: { node: "1", incarnation: 1 },
      endsAtMs: 0,
      sinceMs: START_MS,
    });
  });

  it("what the session had is there again, or not", () => {
    const driver = new Driver();
    driver.apply(open("a"), subscribe(1, 1, { filter: "t" }), close(1, 1));
    driver.apply(open("a"));
    expect(driver.machine.session(1)?.subscriptions).toHaveLength(1);
    driver.apply(open("a", { cleanStart: true }));
    expect(driver.machine.session(1)).toBeUndefined();
    expect(driver.machine.session(2)?.subscriptions).toHaveLength(0);
  });

  it("a session is kept when it may outlive its first connection", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 1 }), open("b", { expirySeconds: 0 }));
    expect(driver.machine.sessions(0, 9).map(({ isKept }) => isKept)).toEqual([true, false]);
    driver.apply(open("a", { expirySeconds: 0 }));
    expect(driver.machine.sessionOf("a")).toMatchObject({ number: 1, isKept: true, expirySeconds: 0 });
  });
});

describe("one connection a client id (MQTT-3.1.4-3)", () => {
  it("the earlier one is displaced, wherever it is", () => {
    const driver = new Driver();
    driver.apply(open("a"));
    expect(displaced(driver.applyFrom("2", open("a")))).toEqual(["1/1 1 taken_over"]);
    expect(displaced(driver.applyFrom("2", open("a", { cleanStart: true })))).toEqual(["1/2 2 taken_over"]);
    expect(displaced(driver.apply(open("a", { expirySeconds: 0 })))).toEqual(["2/1 2 taken_over"]);
    expect(displaced(driver.apply(open("a")))).toEqual(["2/2 1 taken_over"]);
  });

  it("one that has ended is not", () => {
    const driver = new Driver();
    driver.apply(open("a"), close(1, 1));
    expect(displaced(driver.apply(open("a")))).toEqual([]);
  });

  it.each([
    ["close", close(1, 1), DISPLACED],
    ["subscribe", subscribe(1, 1, { filter: "t" }), DISPLACED],
    ["unsubscribe", unsubscribe(1, 1, "t"), DISPLACED],
    ["release", { kind: "release", session: 1, epoch: 1, packetId: 1 } as const, DISPLACED],
    ["publish", publishOf("t", "x", { publisher: 1, receipt: { epoch: 1, packetId: 1 } }), DISPLACED],
    ["progress", progress(1, 1, { through: 9, done: [10] }), DONE],
  ])("%s of the earlier one does nothing", (_, command, expected) => {
    const driver = new Driver();
    driver.apply(open("a"));
    driver.apply(publishOf("t", "x"), open("a"), subscribe(1, 2, { filter: "t" }));
    const before = driver.machine.stateHash();
    expect(driver.result(command)).toEqual(expected);
    driver.apply(TICK);
    const after = new Driver();
    after.apply(open("a"));
    after.apply(publishOf("t", "x"), open("a"), subscribe(1, 2, { filter: "t" }));
    expect(driver.machine.stateHash()).not.toBe(before);
    after.apply(TICK);
    after.apply(TICK);
    expect(driver.machine.stateHash()).toBe(after.machine.stateHash());
  });

  it.each([
    ["subscribe", subscribe(1, 1, { filter: "t" })],
    ["close", close(1, 1)],
    ["release", { kind: "release", session: 1, epoch: 1, packetId: 1 } as const],
  ])("nor does %s after the end, or of a session that is over", (_, command) => {
    const driver = new Driver();
    driver.apply(open("a"), close(1, 1));
    expect(driver.result(command)).toEqual(DISPLACED);
    driver.apply({ kind: "displace-session", clientId: "a", forget: true });
    expect(driver.result(command)).toEqual(DISPLACED);
  });
});

describe("Session Expiry (MQTT 5.0, 3.1.2.11.2)", () => {
  it("begins when the connection ends", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 60 }));
    driver.timeMs += 3_600_000;
    driver.apply(TICK);
    expect(driver.machine.sessionOf("a")?.endsAtMs).toBe(0);
    driver.apply(close(1, 1));
    expect(driver.machine.sessionOf("a")?.endsAtMs).toBe(driver.timeMs + 60_000);
    expect(driver.machine.nextDueMs()).toBe(driver.timeMs + 60_000);
  });

  it.each([
    [59_999, true],
    [60_000, false],
  ])("after %d ms of 60 s the session is there: %s", (passedMs, isThere) => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 60 }), close(1, 1));
    driver.timeMs += passedMs;
    expect(driver.result(open("a"))).toEqual(opened(isThere ? 1 : 2, isThere ? 2 : 1, isThere));
  });

  it("happens with any envelope", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 60 }), close(1, 1));
    driver.timeMs += 60_000;
    driver.apply(publishOf("t", "x"));
    expect(driver.machine.session(1)).toBeUndefined();
    expect([driver.machine.nextDueMs(), driver.machine.sessionCounts().sessions]).toEqual([0, 0]);
  });

  it("never comes for 0xFFFFFFFF", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: SESSION_NEVER_EXPIRES }), close(1, 1));
    driver.timeMs += 0xffff_ffff * 1000 + 1;
    driver.apply(TICK);
    expect(driver.machine.session(1)).toMatchObject({ endsAtMs: 0 });
    expect(driver.machine.nextDueMs()).toBe(0);
  });

  it.each([
    ["MQTT-3.14.2-1: DISCONNECT may change it", 60, 120, 120_000],
    ["and leave it alone", 60, null, 60_000],
    ["and make it last for ever", 60, SESSION_NEVER_EXPIRES, 0],
  ])("%s", (_, expirySeconds, changed, expectedMs) => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds }), close(1, 1, { expirySeconds: changed }));
    const endsAtMs = expectedMs === 0 ? 0 : START_MS + expectedMs;
    expect(driver.machine.session(1)).toMatchObject({ endsAtMs });
  });

  it("of 0 stays 0 (MQTT-3.14.2-2)", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 0 }), close(1, 1, { expirySeconds: 60 }));
    expect(driver.machine.session(1)).toBeUndefined();
    driver.apply(open("b"), close(2, 1), open("b", { expirySeconds: 0 }), close(2, 2, { expirySeconds: 9 }));
    expect(driver.machine.session(2)).toBeUndefined();
  });

  it("of very many is spread over envelopes, and a client that comes before its turn finds nothing", () => {
    const driver = new Driver();
    const count = 5_000;
    for (let i = 0; i < count; i += 1) driver.apply(open(`c${i}`, { expirySeconds: 1 }), close(i + 1, 1));
    driver.timeMs += 1000;
    expect(driver.result(open(`c${count - 1}`))).toEqual(opened(count + 1, 1, false));
    expect(driver.machine.sessionCounts().sessions).toBe(count - 4_096);
    expect(driver.machine.nextDueMs()).toBe(driver.timeMs);
    driver.apply(TICK);
    expect(driver.machine.sessionCounts().sessions).toBe(1);
    expect(driver.machine.nextDueMs()).toBe(0);
  });
});

describe("an operator", () => {
  const displace = (forget: boolean) => ({ kind: "displace-session", clientId: "a", forget }) as const;

  it.each([
    ["disconnects", false, ["1/1 1 administrative"]],
    ["disconnects and forgets", true, ["1/1 1 administrative"]],
  ])("%s", (_, forget, expected) => {
    const driver = new Driver();
    driver.apply(open("a", { will: willOf("gone") }));
    const applied = driver.apply(displace(forget));
    expect(displaced(applied)).toEqual(expected);
    expect(applied.results).toEqual([DONE]);
    expect(driver.machine.session(1) === undefined).toBe(forget);
    expect(driver.machine.topicByName("gone")?.nextOffset).toBe(1);
  });

  it("forgets one that is not connected, and leaves it alone else", () => {
    const driver = new Driver();
    driver.apply(open("a"), close(1, 1));
    const before = driver.machine.session(1);
    expect(driver.apply(displace(false))).toMatchObject({ results: [DONE], effects: [] });
    expect(driver.machine.session(1)).toEqual(before);
    expect(driver.apply(displace(true))).toMatchObject({ results: [DONE], effects: [] });
    expect(driver.machine.session(1)).toBeUndefined();
    expect(driver.result(displace(true))).toEqual({ kind: "failed", code: "session_not_found" });
  });
});

describe("ceilings", () => {
  it("of sessions: who is there may go on, and nothing is touched for who is not", () => {
    const driver = new Driver({ sessionsMax: 2 });
    driver.apply(open("a"), open("b"));
    const refused = driver.apply(open("c"));
    expect(refused).toMatchObject({ results: [{ code: "too_many_sessions" }], effects: [] });
    expect(driver.result(open("a", { cleanStart: true }))).toEqual(opened(3, 1, false));
    driver.apply(close(2, 1, { expirySeconds: 0 }));
    expect(driver.result(open("c"))).toEqual(opened(4, 1, false));
  });

  it("of the bytes of wills: a smaller one of the same client always fits", () => {
    const driver = new Driver({ willBytesMax: 8 });
    const will = (bytes: number) => ({
      will: willOf("w", { payload: Buffer.alloc(bytes), delaySeconds: 9 }),
    });
    driver.apply(open("a", will(5)));
    expect(driver.result(open("b", will(4)))).toMatchObject({ code: "too_many_sessions" });
    expect(driver.result(open("b", will(3)))).toEqual(opened(2, 1, false));
    expect(driver.result(open("a", will(6)))).toMatchObject({ code: "too_many_sessions" });
    expect(driver.result(open("a", will(4)))).toEqual(opened(1, 2, true));
    driver.apply(close(2, 1));
    driver.checkpoint();
    driver.restart();
    expect(driver.result(open("a", will(8)))).toEqual(opened(1, 3, true));
  });
});

describe("the list of sessions", () => {
  it("goes page by page in the order of the numbers, whatever has ended", () => {
    const driver = new Driver();
    for (let i = 1; i <= 500; i += 1) {
      driver.apply(open(`c${i}`));
      if (i % 3 !== 0) driver.apply({ kind: "displace-session", clientId: `c${i}`, forget: true });
    }
    const listed: number[] = [];
    for (let after = 0, page = driver.machine.sessions(0, 7); page.length > 0; ) {
      listed.push(...page.map(({ number }) => number));
      after = listed.at(-1)!;
      page = driver.machine.sessions(after, 7);
    }
    expect(listed).toEqual(Array.from({ length: 166 }, (_, i) => 3 * (i + 1)));
    expect(driver.machine.sessionOf("c3")?.number).toBe(3);
    expect(driver.machine.sessionCounts()).toMatchObject({ sessions: 166, connected: 166 });
  });
});

describe("what a connection leaves behind", () => {
  it("after an orderly end: where the stream was, and what was sent", () => {
    const driver = new Driver();
    driver.apply(publishOf("t", "1"), open("a"), subscribe(1, 1, { filter: "t" }));
    expect(driver.machine.session(1)).toMatchObject({ openedAt: 1, closedAt: 0, sentThrough: 0 });
    driver.apply(publishOf("t", "2"), publishOf("t", "3"), publishOf("t", "4"));
    driver.apply(close(1, 1, { sentThrough: 3 }));
    expect(driver.machine.session(1)).toMatchObject({ closedAt: 4, sentThrough: 3, owner: null });
    driver.apply(publishOf("t", "5"), open("a"));
    expect(driver.machine.session(1)).toMatchObject({ openedAt: 5, closedAt: 4, sentThrough: 3 });
    driver.apply(close(1, 2));
    expect(driver.machine.session(1)).toMatchObject({ closedAt: 5, sentThrough: 3 });
  });

  it.each([
    ["a takeover", open("a")],
    ["an operator's doing", { kind: "displace-session", clientId: "a", forget: false } as const],
    ["the end of its node", { kind: "node-down", node: "1", incarnation: 1 } as const],
  ])("after %s: anything up to the head may have been sent", (_, command) => {
    const driver = new Driver();
    driver.apply(open("a"), subscribe(1, 1, { filter: "t" }), publishOf("t", "1"), publishOf("t", "2"));
    driver.apply(command);
    expect(driver.machine.session(1)).toMatchObject({ closedAt: 2, sentThrough: 2 });
  });
});
