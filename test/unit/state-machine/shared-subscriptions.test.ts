/** Shared subscriptions (MQTT 5.0, 4.8.2), clause by clause. "a 1q2" says that client a was given the message at position 1 with QoS 2. */
import { describe, expect, it } from "vitest";
import { publishOf } from "../commands/arbitrary-command.js";
import { subscribe } from "./session-script.js";
import { SHARE, ShareScript, scriptOf } from "./share-script.js";

describe("who is given a message", () => {
  it("one member at a time, in turn", () => {
    const script = scriptOf({}, "a", "b", "c");
    expect(script.publish(1, 5)).toBe("a 1q1 4q1; b 2q1 5q1; c 3q1");
    expect(script.publish(1)).toBe("c 6q1");
  });

  it("the turn goes on after a restart", () => {
    const script = scriptOf({}, "a", "b", "c");
    script.publish(1, 2);
    script.driver.checkpoint();
    script.driver.restart();
    expect(script.publish(1, 2)).toBe("c 3q1; a 4q1");
  });

  it("shares of other names and of other filters get one each, and subscriptions that are not shared have no part in it", () => {
    const script = scriptOf({}, "a");
    script.join("b", { share: "other" });
    script.join("c", { filter: "t/+" });
    script.join("d", { filter: "u" });
    script.join("e", { share: "" });
    expect(script.publish(1, 1)).toBe("a 1q1; b 1q1; c 1q1");
  });

  it("a client in two shares gets a message for each", () => {
    const script = scriptOf({}, "a");
    script.subscribe("a", { share: "other" });
    expect(script.publish(1)).toBe("a 1q1 1q1");
  });

  it("with the QoS of the message or of the subscription, whichever is lower (MQTT-4.8.2-3)", () => {
    const script = new ShareScript();
    script.join("a", { qos: 0 });
    script.join("b", { qos: 1 });
    script.join("c", { qos: 2 });
    expect(script.publish(2, 3)).toBe("a 1q0; b 2q1; c 3q2");
    expect(script.publish(0, 3)).toBe("a 4q0; b 5q0; c 6q0");
    expect([script.held("a"), script.held("b"), script.held("c")]).toEqual(["", "2q1", "3q2"]);
  });

  it("nobody who is not connected", () => {
    const script = scriptOf({}, "a", "b");
    script.close("a");
    expect(script.publish(1, 2)).toBe("b 1q1 2q1");
  });

  it("a topic that comes later, and one that was deleted and comes again", () => {
    const script = scriptOf({}, "a");
    expect(script.publish(1, 1, "t/new")).toBe("a 1q1");
    script.driver.apply({ kind: "delete-topic", topic: "t/new" });
    expect(script.publish(1, 1, "t/new")).toBe("a 2q1");
    expect(script.publish(1, 1, "elsewhere")).toBe("");
    script.join("b", { filter: "elsewhere", share: "h" });
    expect(script.publish(1, 1, "elsewhere")).toBe("b 4q1");
  });

  it("from a subscription to the end of it, and no retained message at all", () => {
    const script = new ShareScript();
    script.driver.apply(publishOf("t/1", "retained", {}, { retain: true }));
    expect(script.join("a")).toBe("");
    expect(script.publish(1)).toBe("a 2q1");
    script.unsubscribe("a");
    expect(script.publish(1)).toBe("");
  });

  it("says as of which position, so that it has its place among the client's other messages", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a");
    script.publish(1, 3);
    script.done("a", 1);
    const { session } = script.of("a");
    expect(script.driver.machine.session(session)!.shared).toMatchObject([{ position: 2, asOf: 3 }]);
  });
});

describe("members that have no room", () => {
  it("are passed over", () => {
    const script = scriptOf({ sharedOutstandingMax: 2 }, "slow", "quick");
    script.publish(1, 4);
    script.done("quick", 2, 4);
    expect(script.publish(1, 2)).toBe("quick 5q1 6q1");
  });

  it("what nobody has room for waits, and goes first when there is room", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a", "b");
    expect(script.publish(1, 5)).toBe("a 1q1; b 2q1");
    expect(script.done("b", 2)).toBe("b 3q1");
    expect(script.done("a", 1)).toBe("a 4q1");
    expect(script.join("c")).toBe("c 5q1");
  });

  it("what waits survives a restart", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a");
    script.publish(1, 700);
    script.driver.checkpoint();
    for (let position = 1; position < 600; position += 1) script.done("a", position);
    script.driver.checkpoint();
    script.driver.restart();
    for (let position = 600; position < 700; position += 1) {
      expect(script.done("a", position)).toBe(`a ${position + 1}q1`);
    }
    expect(script.done("a", 700)).toBe("");
    script.driver.checkpoint();
    expect(script.driver.records().filter(({ key }) => key.includes("/q/"))).toEqual([]);
  });

  it("QoS 0 needs no room with a member that asks for QoS 0, and does not wait for one that asks for more", () => {
    const script = new ShareScript({ sharedOutstandingMax: 1 });
    script.join("a");
    script.publish(1);
    expect(script.publish(0)).toBe("");
    expect(script.driver.machine.sharedCounts()).toMatchObject({ waiting: 0, unheard: 1 });
    script.join("b", { qos: 0 });
    expect(script.publish(1, 2)).toBe("b 3q0 4q0");
  });

  it("past the ceiling the oldest that waits is lost and counted", () => {
    const script = scriptOf({ sharedOutstandingMax: 1, sharedBacklogMax: 2 }, "a");
    script.publish(1, 5);
    expect(script.driver.machine.sharedCounts()).toMatchObject({ held: 1, waiting: 2, lost: 2 });
    expect(script.done("a", 1)).toBe("a 4q1");
  });

  it("past the ceiling of all shares as well", () => {
    const script = scriptOf({ sharedOutstandingMax: 1, sharedWaitingMax: 2 }, "a");
    script.join("b", { share: "h" });
    script.publish(1, 4);
    expect(script.driver.machine.sharedCounts()).toMatchObject({ held: 2, waiting: 2, lost: 4 });
  });

  it("when all shares together hold as many as they may, what waits goes on as soon as they hold less", () => {
    const script = scriptOf({ sharedHeldMax: 2 }, "a");
    script.publish(1, 2);
    script.join("b", { share: "h" });
    expect(script.publish(1)).toBe("");
    expect(script.done("a", 1)).toBe("a 3q1");
    expect(script.done("a", 2, 3)).toBe("b 3q1");
  });
});

describe("acknowledgements", () => {
  it("of what a member does not hold, twice, or of another epoch, say nothing", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a", "b");
    script.publish(1, 4);
    const old = script.of("a");
    const source = script.source("a");
    expect(script.done("a", 2, 3, 99)).toBe("");
    expect(script.done("b", 2, 2)).toBe("b 3q1");
    expect(script.received("a", 1)).toBe("");
    expect(script.held("a")).toBe("1q1");
    script.open("a");
    const entry = { ...old, source, through: 0, sentThrough: 0, received: [], done: [1] };
    script.driver.apply({ kind: "progress", entries: [entry] });
    expect(script.held("a")).toBe("1q1!");
  });

  it("of a share that the session is not in say nothing", () => {
    const script = scriptOf({}, "a");
    script.join("b", { share: "h" });
    script.publish(1);
    const { session, epoch } = script.of("a");
    const entry = {
      session,
      epoch,
      source: script.source("b"),
      through: 0,
      sentThrough: 0,
      received: [],
      done: [1],
    };
    script.driver.apply({ kind: "progress", entries: [entry] });
    expect([script.held("a"), script.held("b")]).toEqual(["1q1", "1q1"]);
  });
});

describe("what has to be kept for shares", () => {
  it("everything from the lowest position on that a member holds or that waits", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a", "b");
    const holds = (): unknown[] => [...script.driver.machine.sharedHolds()];
    expect(holds()).toEqual([]);
    script.publish(1, 4);
    script.done("a", 1);
    expect(holds()).toEqual([{ filter: SHARE.filter, position: 2 }]);
    script.done("b", 2);
    script.close("b");
    expect(holds()).toEqual([{ filter: SHARE.filter, position: 3 }]);
  });
});

describe("a subscription of a share", () => {
  it("changes its QoS for what comes", () => {
    const script = scriptOf({}, "a");
    script.publish(2);
    script.subscribe("a", { qos: 2 });
    script.publish(2);
    expect(script.held("a")).toBe("1q1 2q2");
    expect(script.driver.machine.session(script.of("a").session)!.subscriptions).toMatchObject([
      { ...SHARE, qos: 2 },
    ]);
  });

  it("is one of its own beside that of the same filter without a share", () => {
    const script = scriptOf({}, "a");
    const { session, epoch } = script.of("a");
    script.driver.apply(subscribe(session, epoch, { filter: SHARE.filter }));
    script.unsubscribe("a");
    const { subscriptions } = script.driver.machine.session(session)!;
    expect(subscriptions).toMatchObject([{ filter: SHARE.filter, share: "", source: 0 }]);
  });
});

describe("the name of a share", () => {
  it.each(["a+", "#", "a/b", "a\0", "x".repeat(2000)])("is not %j", (share) => {
    const script = new ShareScript();
    script.open("a");
    const { session, epoch } = script.of("a");
    const result = script.driver.result(subscribe(session, epoch, { share, filter: "t" }));
    expect(result).toEqual({
      kind: "subscribed",
      subscriptions: [{ existed: false, refused: "invalid_filter" }],
    });
  });
});
