/** Members of shared subscriptions that leave, with messages in flight (MQTT 5.0, 4.8.2): what they keep and what others get. */
import { describe, expect, it } from "vitest";
import { publishOf } from "../commands/arbitrary-command.js";
import { ShareScript, scriptOf } from "./share-script.js";

describe("a member whose connection ends", () => {
  it("QoS 1 goes to others at once, in the order of the messages", () => {
    const script = scriptOf({}, "a", "b", "c");
    script.publish(1, 6);
    expect(script.close("b")).toBe("a 2q1; c 5q1");
    expect(script.held("b")).toBe("");
  });

  it("QoS 1 waits at the front when nobody else has room", () => {
    const script = scriptOf({ sharedOutstandingMax: 2 }, "a", "b");
    script.publish(1, 6);
    script.close("a");
    expect(script.done("b", 2, 4)).toBe("b 1q1 3q1");
    expect(script.done("b", 1, 3)).toBe("b 5q1 6q1");
  });

  it("QoS 1 comes back to the same client, with DUP, when nobody else could have it (MQTT-4.4.0-1)", () => {
    const script = scriptOf({}, "a");
    script.publish(1, 2);
    script.close("a");
    expect(script.held("a")).toBe("");
    script.publish(1);
    script.open("a");
    expect(script.held("a")).toBe("1q1! 2q1! 3q1");
  });

  it("QoS 2 stays with its client, which gets it again (MQTT-4.8.2-4)", () => {
    const script = scriptOf({}, "z");
    script.join("a", { qos: 2 });
    script.join("b", { qos: 2 });
    script.publish(2, 6);
    expect(script.held("a")).toBe("2q2 5q2");
    expect(script.close("a")).toBe("");
    script.driver.checkpoint();
    script.driver.restart();
    expect(script.held("a")).toBe("2q2 5q2");
    script.open("a");
    expect(script.held("a")).toBe("2q2! 5q2!");
  });

  it("after PUBREC only PUBREL is sent, in the order of the PUBRECs (MQTT-4.6.0-4)", () => {
    const script = new ShareScript();
    script.join("a", { qos: 2 });
    script.publish(2, 4);
    script.received("a", 3);
    script.received("a", 1, 1);
    script.close("a");
    script.driver.checkpoint();
    script.driver.restart();
    script.open("a");
    expect(script.held("a")).toBe("3q2r! 1q2r! 2q2! 4q2!");
    script.done("a", 3);
    expect(script.held("a")).toBe("1q2r! 2q2! 4q2!");
  });

  it("QoS 2 goes with its session and to nobody else (MQTT-4.8.2-5); QoS 1 goes to others", () => {
    const script = scriptOf({}, "b");
    script.join("a", { qos: 2 });
    script.driver.apply(publishOf("t/1", "", {}, { qos: 1 }), publishOf("t/1", "", {}, { qos: 1 }));
    script.publish(2, 2);
    expect(script.held("a")).toBe("2q1 4q2");
    expect(script.close("a", 0)).toBe("b 2q1");
    expect(script.driver.machine.sharedCounts()).toMatchObject({ held: 3, waiting: 0, ended: 1 });
  });

  it("a session that is not kept ends with its connection", () => {
    const script = scriptOf({}, "a");
    script.join("b", {}, { expirySeconds: 0 });
    script.publish(1, 2);
    expect(script.close("b")).toBe("a 2q1");
  });

  it("an expired session does the same", () => {
    const script = scriptOf({}, "b");
    script.join("a", { qos: 2 }, { expirySeconds: 60 });
    script.publish(2, 2);
    script.close("a");
    script.driver.timeMs += 60_000;
    script.driver.apply({ kind: "tick" });
    expect(script.driver.machine.sharedCounts()).toMatchObject({ held: 1, ended: 1 });
  });

  it("a client that takes over its session keeps what it had, with DUP (MQTT-4.4.0-1)", () => {
    const script = scriptOf({}, "a", "b");
    script.publish(1, 2);
    script.open("a", {}, "2");
    expect([script.held("a"), script.held("b")]).toEqual(["1q1!", "2q1"]);
  });

  it("members of one dead node are given nothing of each other", () => {
    const script = scriptOf({}, "a", "b");
    script.open("c", {}, "2");
    script.subscribe("c", { qos: 2 });
    script.publish(1, 3);
    const down = script.driver.applyFrom("2", { kind: "node-down", node: "1", incarnation: 1 });
    expect(script.told(down)).toBe("c 1q1 2q1");
  });

  it("is not told what it was given in the same breath", () => {
    const script = scriptOf({}, "a", "b");
    const { session, epoch } = script.of("a");
    const applied = script.driver.apply(publishOf("t/1", "x"), {
      kind: "close-session",
      session,
      epoch,
      withWill: false,
      expirySeconds: null,
      sentThrough: 0,
    });
    expect(script.told(applied)).toBe("b 1q1");
  });
});

describe("a member that unsubscribes", () => {
  it("goes on with what it has (MQTT-3.10.4-3) and gets nothing more (MQTT-3.10.4-2)", () => {
    const script = scriptOf({}, "a", "b");
    script.publish(1, 2);
    const source = script.source("a");
    script.unsubscribe("a");
    expect(script.publish(1)).toBe("b 3q1");
    expect(script.held("a")).toBe("1q1");
    script.driver.checkpoint();
    script.driver.restart();
    expect(script.held("a")).toBe("1q1");
    const { session, epoch } = script.of("a");
    const entry = { session, epoch, source, through: 0, sentThrough: 0, received: [], done: [1] };
    script.driver.apply({ kind: "progress", entries: [entry] });
    expect(script.held("a")).toBe("");
  });

  it("and then disconnects: QoS 1 goes to those who are still subscribed", () => {
    const script = scriptOf({}, "a", "b");
    script.publish(1, 2);
    script.unsubscribe("a");
    expect(script.close("a")).toBe("b 1q1");
  });

  it("as the last one takes along what waits; what it holds it may finish, also at its next connection", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a");
    script.publish(1, 3);
    script.unsubscribe("a");
    expect(script.driver.machine.sharedCounts()).toMatchObject({ held: 1, waiting: 0, ended: 2 });
    script.close("a");
    script.open("a");
    expect(script.held("a")).toBe("1q1!");
  });

  it("subscribes again, before or after it is done: it is the same share as long as somebody is in it", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a");
    script.publish(1);
    const source = script.source("a");
    script.unsubscribe("a");
    script.subscribe("a", { qos: 2 });
    expect(script.source("a")).toBe(source);
    expect(script.publish(2)).toBe("");
    expect(script.done("a", 1)).toBe("a 2q2");
  });

  it("leaves no record behind once everything is done", () => {
    const script = scriptOf({ sharedOutstandingMax: 1 }, "a", "b");
    script.publish(1, 5);
    script.driver.checkpoint();
    const keysOf = (): string[] =>
      script.driver
        .records()
        .map(({ key }) => key)
        .filter((key) => key.startsWith("g/"));
    expect(keysOf()).toHaveLength(4);
    script.close("a", 0);
    script.close("b", 0);
    script.driver.checkpoint();
    expect(keysOf()).toEqual([]);
  });
});
