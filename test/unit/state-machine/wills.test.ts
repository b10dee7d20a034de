/** Wills, by clause (MQTT 5.0, 3.1.2.5 and 3.1.3.2; MQTT 3.1.1, 3.1.2.5): when they are published, and when not. */
import { describe, expect, it } from "vitest";
import type { Command, Will } from "../../../src/commands/command.js";
import { appended, Driver, START_MS, story } from "./driver.js";
import { close, open, TICK, willOf } from "./session-script.js";

const LOST = close(1, 1, { withWill: true });
const GOODBYE = close(1, 1);
const kick = (forget: boolean) => ({ kind: "displace-session", clientId: "a", forget }) as const;
const NODE_DOWN = { kind: "node-down", node: "1", incarnation: 1 } as const;

/** A client whose session outlives it by 60 s unless that is said otherwise, and then these, a second apart. */
function afterwards(will: Partial<Will>, commands: readonly Command[], expirySeconds = 60): string {
  const driver = new Driver();
  driver.apply(open("a", { will: willOf("gone", will), expirySeconds }));
  return commands
    .map((command) => {
      driver.timeMs += 1000;
      return appended(driver.apply(command)).length;
    })
    .join(" ");
}

describe("without a delay a will is published", () => {
  it.each<[string, Command, string]>([
    ["MQTT-3.1.2-8: when the connection is lost", LOST, "1"],
    ["MQTT-3.1.2-8: but not after DISCONNECT with reason 0x00", GOODBYE, "0"],
    ["3.1.4: when another connection takes over", open("a"), "1"],
    ["and when that one starts clean", open("a", { cleanStart: true }), "1"],
    ["when an operator disconnects the client", kick(false), "1"],
    ["when its node is given up", NODE_DOWN, "1"],
  ])("%s", (_, command, expected) => {
    expect(afterwards({}, [command])).toBe(expected);
    expect(afterwards({}, [command], 0)).toBe(expected);
  });
});

describe("with a Will Delay Interval of 2 s it is published (3.1.3.2.2)", () => {
  it.each<[string, number, Command[], string]>([
    ["2 s after the connection was lost", 60, [LOST, TICK, TICK, TICK], "0 0 1 0"],
    ["MQTT-3.1.3-9: but not when the client is back before", 60, [LOST, open("a"), TICK, TICK], "0 0 0 0"],
    ["nor when another connection takes over", 60, [open("a"), TICK, TICK], "0 0 0"],
    ["when the session ends before, which it does at once", 0, [LOST], "1"],
    ["or after a second", 1, [LOST, TICK, TICK], "0 1 0"],
    ["or because the client starts clean", 60, [LOST, open("a", { cleanStart: true })], "0 1"],
    ["even while the connection is there", 60, [open("a", { cleanStart: true })], "1"],
    ["or because the session is forgotten", 60, [LOST, kick(true)], "0 1"],
    ["2 s after its node was given up", 60, [NODE_DOWN, TICK, TICK], "0 0 1"],
    ["2 s after an operator disconnected the client", 60, [kick(false), TICK, TICK], "0 0 1"],
    ["and never after DISCONNECT", 1, [GOODBYE, TICK, TICK, TICK], "0 0 0 0"],
  ])("%s", (_, expirySeconds, commands, expected) => {
    expect(afterwards({ delaySeconds: 2 }, commands, expirySeconds)).toBe(expected);
  });

  it("is what is due next, unless the session ends before", () => {
    const due = (delaySeconds: number, expirySeconds: number): number => {
      const driver = new Driver();
      driver.apply(open("a", { will: willOf("gone", { delaySeconds }), expirySeconds }), LOST);
      return driver.machine.nextDueMs() - START_MS;
    };
    expect([due(2, 60), due(60, 2), due(3, 3)]).toEqual([2000, 2000, 3000]);
  });

  it("waits across a restart", () => {
    const driver = new Driver();
    driver.apply(open("a", { will: willOf("gone", { delaySeconds: 2 }) }), LOST);
    driver.checkpoint();
    driver.restart();
    expect(driver.machine.nextDueMs()).toBe(START_MS + 2000);
    driver.timeMs += 2000;
    expect(story(driver.apply(TICK))).toBe("+gone [gone@1]");
    expect(driver.machine.nextDueMs()).toBe(0);
    driver.checkpoint();
    driver.restart();
    expect(driver.machine.session(1)?.will).toBeNull();
  });
});

describe("what is published", () => {
  it("is the will, from its session, at the time of its end", () => {
    const driver = new Driver();
    const properties = Buffer.of(1, 1);
    const fields = { qos: 2, retain: true, contentType: "text/plain", properties } as const;
    driver.apply(open("b"), open("a", { will: willOf("gone", { ...fields, expirySeconds: 30 }) }));
    driver.timeMs += 5000;
    const [message] = appended(driver.apply(close(2, 1, { withWill: true })));
    expect(message).toEqual({
      ...fields,
      position: 1,
      offset: 0,
      topic: { id: 1, name: "gone" },
      timestampMs: driver.timeMs,
      payload: Buffer.from("will"),
      expiresAtMs: driver.timeMs + 30_000,
      publisher: 2,
    });
    expect(driver.machine.retained("gone", driver.timeMs)?.payload).toEqual(Buffer.from("will"));
  });

  it("holds no view of the entry that it came with", () => {
    const driver = new Driver();
    const entry = Buffer.from("....will....");
    driver.apply(open("a", { will: willOf("gone", { payload: entry.subarray(4, 8) }) }));
    const kept = driver.machine.session(1)?.will?.payload;
    expect([kept?.byteLength, kept?.buffer.byteLength]).toEqual([4, 4]);
    entry.fill(0);
    expect(Buffer.from(kept!).toString()).toBe("will");
  });

  it("comes in the order of the times, then of the sessions", () => {
    const driver = new Driver();
    for (const [clientId, delaySeconds] of [
      ["a", 3],
      ["b", 1],
      ["c", 3],
      ["d", 2],
    ] as const) {
      driver.apply(open(clientId, { will: willOf(clientId, { delaySeconds }) }));
    }
    for (const session of [4, 3, 2, 1]) driver.apply(close(session, 1, { withWill: true }));
    driver.timeMs += 3000;
    expect(appended(driver.apply(TICK)).map(({ topic }) => topic.name)).toEqual(["b", "d", "a", "c"]);
  });
});

describe("a will that cannot be published", () => {
  it.each([
    ["the topic is none", { topic: "a/#" }, {}],
    ["the topics are at their ceiling", { topic: "gone" }, { topicsMax: 0 }],
    ["the retained messages are at theirs", { topic: "gone", retain: true }, { retainedMessagesMax: 0 }],
  ])("is dropped and counted: %s", (_, will, ceilings) => {
    const driver = new Driver(ceilings);
    driver.apply(open("a", { will: willOf("gone", will) }), open("b", { will: willOf("b", will) }));
    const applied = driver.apply(LOST, close(2, 1));
    expect(applied.results).toEqual([{ kind: "done" }, { kind: "done" }]);
    expect(appended(applied)).toEqual([]);
    expect(driver.machine.sessionCounts()).toMatchObject({
      willsPublished: 0,
      willsDropped: 1,
      connected: 0,
    });
    expect(driver.machine.session(1)?.will).toBeNull();
  });
});
