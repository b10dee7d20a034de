/** What a kept session's client is sent when it comes back, to the same node or to another after the first one's death. */
import { beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../../../src/limits.js";
import { options } from "./support/session.js";
import { Succession } from "./support/succession.js";

let nodes: Succession;

beforeEach(() => {
  nodes = new Succession();
});

describe("after an orderly end", () => {
  test("what was acknowledged does not come again, and what came meanwhile does", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 1));
    nodes.node.publish("a");
    expect(before.receive()).toEqual(["PUBLISH a m1 q1 id=1"]);
    before.puback(1);
    before.disconnect();
    nodes.node.publish("a");
    expect(nodes.connect().receive()).toEqual(["PUBLISH a m2 q1 id=2"]);
  });

  test("DUP is on what was sent and not acknowledged, and on nothing else (MQTT-4.4.0-1)", () => {
    const before = nodes.connect({ receiveMax: 2 });
    before.subscribe(options("a", 1));
    nodes.node.publish("a", { count: 3 });
    before.receive();
    before.puback(2);
    expect(before.receive()).toEqual(["PUBLISH a m3 q1 id=3"]);
    before.disconnect();
    nodes.node.publish("a");
    expect(nodes.connect().receive()).toEqual([
      "PUBLISH a m1 q1 id=1 dup",
      "PUBLISH a m3 q1 id=3 dup",
      "PUBLISH a m4 q1 id=4",
    ]);
  });

  test("of QoS 0 what was sent does not come again, and what came meanwhile is counted and left out", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 1));
    nodes.node.publish("a", { qos: 0 });
    expect(before.receive()).toEqual(["PUBLISH a m1 q0"]);
    before.disconnect();
    nodes.node.publish("a", { qos: 0, count: 2 });
    nodes.node.publish("a");
    const after = nodes.connect();
    expect(after.receive()).toEqual(["PUBLISH a m4 q1 id=4"]);
    expect(nodes.edge.metrics.of("dropped offline")).toBe(2);
    nodes.node.publish("a", { qos: 0 });
    expect(after.receive()).toEqual(["PUBLISH a m5 q0"]);
  });

  test("of QoS 0 what a slow client had not been sent when it went is counted, and what it was sent is not", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 1));
    nodes.node.publish("a");
    nodes.node.publish("a", { qos: 0, count: 4 });
    expect(before.receive()).toHaveLength(5);
    before.wire.backlogBytes = 1_000_000;
    nodes.node.publish("a", { qos: 0, count: 3 });
    before.disconnect();
    expect(nodes.connect().receive()).toEqual(["PUBLISH a m1 q1 id=1 dup"]);
    expect(nodes.edge.metrics.of("dropped offline")).toBe(3);
  });

  test("a session that is not kept begins with nothing", () => {
    const before = nodes.connect({ isKept: false });
    before.subscribe(options("a", 1));
    nodes.node.publish("a");
    before.receive();
    before.disconnect();
    nodes.node.publish("a");
    expect(nodes.connect({ isKept: false }).receive()).toEqual([]);
  });
});

describe("after the death of its node", () => {
  test("QoS 1: what was not committed as acknowledged comes again, in its order", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 1));
    nodes.node.publish("a", { count: 3 });
    before.receive();
    before.puback(2);
    nodes.commitProgress();
    before.puback(1);
    nodes.die();
    expect(nodes.connect().receive()).toEqual(["PUBLISH a m1 q1 id=1 dup", "PUBLISH a m3 q1 id=3 dup"]);
  });

  test("QoS 2: PUBREL follows only when PUBREC is committed, and is all that comes again (MQTT-4.3.3)", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 2));
    nodes.node.publish("a", { qos: 2, count: 3 });
    before.receive();
    nodes.node.isPrompt = false;
    before.pubrec(2, 1);
    expect(before.receive()).toEqual([]);
    nodes.node.commit();
    expect(before.receive()).toEqual(["PUBREL 2", "PUBREL 1"]);
    nodes.die();
    const after = nodes.connect();
    expect(after.receive()).toEqual(["PUBREL 2", "PUBREL 1", "PUBLISH a m3 q2 id=3 dup"]);
    after.pubcomp(2, 1);
    after.pubrec(3);
    expect(after.receive()).toEqual(["PUBREL 3"]);
    after.pubcomp(3);
    nodes.commitProgress();
    expect(after.state.live).toMatchObject({ through: 3, done: [], received: [] });
  });

  test("a PUBREC that was not committed is as none", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 2));
    nodes.node.publish("a", { qos: 2 });
    before.receive();
    nodes.node.isPrompt = false;
    before.pubrec(1);
    before.receive();
    nodes.die();
    expect(nodes.connect().receive()).toEqual(["PUBLISH a m1 q2 id=1 dup"]);
  });

  test("a PUBREC is answered although the commit was refused at first", () => {
    const peer = nodes.connect();
    peer.subscribe(options("a", 2));
    nodes.node.publish("a", { qos: 2 });
    peer.receive();
    nodes.node.refusal = "not_ready";
    peer.pubrec(1);
    expect(peer.receive()).toEqual([]);
    nodes.node.refusal = null;
    nodes.state.clock.advance(1_000);
    expect(peer.receive()).toEqual(["PUBREL 1"]);
  });

  test("an identifier is used again only when it is committed that it is free", () => {
    const peer = nodes.connect();
    peer.subscribe(options("a", 1));
    nodes.node.publish("a");
    expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1"]);
    nodes.node.publish("other", { count: 65_534 });
    nodes.node.publish("a");
    peer.receive();
    peer.puback(1);
    expect(peer.receive()).toEqual([]);
    nodes.commitProgress();
    expect(peer.receive()).toEqual(["PUBLISH a m65536 q1 id=1"]);
  });

  test("a message that may have arrived and has expired counts as received: PUBREL frees its identifier", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 2));
    nodes.node.publish("a", { qos: 2, expiresAtMs: nodes.node.nowMs() + 1_000 });
    nodes.node.publish("a", { qos: 2 });
    before.receive();
    nodes.die();
    nodes.state.clock.spend(2_000);
    const after = nodes.connect();
    expect(after.receive()).toEqual(["PUBLISH a m2 q2 id=2 dup", "PUBREL 1"]);
    after.pubcomp(1);
    after.pubrec(2);
    after.receive();
    after.pubcomp(2);
    nodes.commitProgress();
    expect(after.state.live.through).toBe(2);
  });

  test("so is one that the client has become too small for", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 2));
    nodes.node.publish("a", { qos: 2, payload: Buffer.alloc(50) });
    before.receive();
    nodes.die();
    expect(nodes.connect({ packetBytesMax: 30 }).receive()).toEqual(["PUBREL 1"]);
    expect(nodes.edge.metrics.of("dropped packet_too_large")).toBe(1);
  });
});

describe("subscriptions along the stream", () => {
  test("each counts from where it was made to where it was removed", () => {
    const before = nodes.connect({ receiveMax: 1 });
    before.subscribe(options("a", 1));
    nodes.node.publish("a");
    nodes.node.publish("b");
    before.receive();
    before.subscribe(options("b", 1, { subscriptionId: 5 }));
    nodes.node.publish("a");
    nodes.node.publish("b");
    before.unsubscribe("a");
    nodes.node.publish("a");
    nodes.node.publish("b");
    nodes.die();
    expect(nodes.connect().receive()).toEqual([
      "PUBLISH a m1 q1 id=1 dup",
      "PUBLISH a m3 q1 id=3 dup",
      "PUBLISH b m4 q1 id=4 dup subscriptionIdentifier=5",
      "PUBLISH b m6 q1 id=6 dup subscriptionIdentifier=5",
    ]);
  });

  test("what is published in the log entry of the SUBSCRIBE, after it, belongs to it", () => {
    const peer = nodes.connect();
    peer.subscribe(options("a", 1));
    nodes.node.isPrompt = false;
    const subscribe = (filter: string): void => {
      nodes.node.submit({ kind: "subscribe", ...peer.speaker, subscriptions: [options(filter, 1)] }, () =>
        peer.delivery.subscriptionsChanged(),
      );
    };
    const publish = (topic: string): void => {
      const message = { payload: Buffer.from(topic), contentType: "", qos: 1 as const, retain: false };
      const messages = [{ ...message, expiresAtMs: 0, properties: new Uint8Array(0) }];
      const rest = { autoCreate: true, idempotency: null, publisher: 0, receipt: null };
      nodes.node.submit({ kind: "publish", topic, messages, ...rest }, () => undefined);
    };
    publish("b");
    subscribe("b");
    publish("b");
    publish("a");
    subscribe("c");
    publish("c");
    nodes.node.commit();
    expect(peer.receive()).toEqual(["PUBLISH b b q1 id=2", "PUBLISH a a q1 id=3", "PUBLISH c c q1 id=4"]);
  });
});

describe("progress", () => {
  test("is gathered: one command for what many clients acknowledged in a while", () => {
    const peers = Array.from({ length: 20 }, (_, index) => nodes.connect({ clientId: `c${index}` }));
    for (const peer of peers) peer.subscribe(options("a", 1));
    nodes.node.publish("a", { count: 10 });
    for (const peer of peers) peer.receive();
    const before = nodes.node.submitted.length;
    for (const peer of peers) for (let id = 1; id <= 10; id += 1) peer.puback(id);
    nodes.commitProgress();
    expect(nodes.node.submitted.slice(before)).toMatchObject([{ kind: "progress" }]);
    for (const peer of peers) expect(peer.state.live).toMatchObject({ through: 10, done: [] });
  });

  test("of an idle session is told seldom, and only if the stream went on", () => {
    const peer = nodes.connect();
    peer.subscribe(options("a", 1));
    nodes.node.publish("other", { count: 5 });
    peer.receive();
    const before = nodes.node.submitted.length;
    nodes.state.clock.advance(limits.cursorPeriodMs);
    nodes.state.clock.advance(0);
    expect(peer.state.live.through).toBe(5);
    nodes.state.clock.advance(10 * limits.cursorPeriodMs);
    expect(nodes.node.submitted.length - before).toBe(1);
  });

  test("one lost acknowledgement holds up the rest after a bounded number of messages", () => {
    const peer = nodes.connect();
    peer.subscribe(options("a", 1));
    nodes.node.publish("a", { count: 10_000 });
    let sent = 0;
    for (;;) {
      const ids = peer.receive().map((words) => Number(/id=(\d+)/.exec(words)?.[1]));
      if (ids.length === 0) break;
      sent += ids.length;
      peer.puback(...ids.filter((id) => id !== 1));
      nodes.commitProgress();
    }
    expect(sent).toBe(limits.unsettledMax);
    expect(peer.state.live.done).toHaveLength(limits.unsettledMax - 1);
    peer.puback(1);
    expect(peer.receive().length).toBeGreaterThan(0);
  });

  test("of a connection that was displaced frees nothing: no PUBREL comes from it", () => {
    const before = nodes.connect();
    before.subscribe(options("a", 2));
    nodes.node.publish("a", { qos: 2 });
    before.receive();
    nodes.node.isPrompt = false;
    before.pubrec(1);
    nodes.state.clock.turn();
    const displaced = nodes.node.pending.splice(0);
    const after = nodes.connect();
    expect(after.receive()).toEqual(["PUBLISH a m1 q2 id=1 dup"]);
    nodes.node.pending.push(...displaced);
    nodes.node.commit();
    expect(before.receive()).toEqual([]);
    expect(after.state.live.received).toEqual([]);
  });
});

test("a gap is counted, and the session goes on behind it", () => {
  const before = nodes.connect();
  before.subscribe(options("a", 1));
  before.disconnect();
  nodes.node.publish("a", { count: 5 });
  nodes.state.store.trim(1, 3);
  expect(nodes.connect().receive()).toEqual(["PUBLISH a m4 q1 id=4", "PUBLISH a m5 q1 id=5"]);
  expect(nodes.edge.metrics.of("dropped trimmed")).toBe(3);
});
