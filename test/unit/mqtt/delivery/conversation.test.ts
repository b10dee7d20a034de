/** What a client is sent, in words, for what it does and what is published: one client, one node, nothing goes wrong. */
import { beforeEach, describe, expect, test } from "vitest";
import { Replicated, TestNode } from "./support/node.js";
import { type ConnectOptions, Peer, TestEdge } from "./support/peer.js";
import { options } from "./support/session.js";

let node: TestNode;
let edge: TestEdge;

beforeEach(() => {
  node = new TestNode(new Replicated());
  edge = new TestEdge(node);
});

const connect = (more: ConnectOptions = {}): Peer => new Peer(edge, more);

describe.each([{ isKept: true }, { isKept: false }])("a session that is kept: $isKept", ({ isKept }) => {
  test("the QoS of a delivery is the lower of the message's and the subscription's", () => {
    const peer = connect({ isKept });
    peer.subscribe(options("a/#", 1));
    for (const qos of [0, 1, 2] as const) node.publish("a/b", { qos });
    expect(peer.receive()).toEqual(["PUBLISH a/b m1 q0", "PUBLISH a/b m2 q1 id=2", "PUBLISH a/b m3 q1 id=3"]);
  });

  test("QoS 1: nothing more is said after PUBACK, and a second PUBACK belongs to nothing", () => {
    const peer = connect({ isKept });
    peer.subscribe(options("a", 1));
    node.publish("a");
    expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1"]);
    expect(peer.delivery.puback(1, 0)).toBe(true);
    expect(peer.delivery.puback(1, 0)).toBe(false);
    expect(peer.receive()).toEqual([]);
  });

  test("QoS 2: PUBREC, PUBREL, PUBCOMP (MQTT-4.3.3)", () => {
    const peer = connect({ isKept });
    peer.subscribe(options("a", 2));
    node.publish("a", { qos: 2 });
    expect(peer.receive()).toEqual(["PUBLISH a m1 q2 id=1"]);
    peer.pubrec(1);
    expect(peer.receive()).toEqual(["PUBREL 1"]);
    expect(peer.delivery.pubcomp(1, 0)).toBe(true);
    expect(peer.delivery.pubcomp(1, 0)).toBe(false);
    expect(peer.receive()).toEqual([]);
  });

  test("a PUBREC that says no ends the exchange", () => {
    const peer = connect({ isKept, receiveMax: 1 });
    peer.subscribe(options("a", 2));
    node.publish("a", { qos: 2, count: 2 });
    expect(peer.receive()).toEqual(["PUBLISH a m1 q2 id=1"]);
    expect(peer.delivery.pubrec(1, 0x97)).toBe(true);
    peer.delivery.pump();
    expect(peer.receive()).toEqual(["PUBLISH a m2 q2 id=2"]);
  });

  test.each([
    [5, "PUBREL 9 0x92"],
    [4, "PUBREL 9"],
  ] as const)("a PUBREC that belongs to nothing, version %i", (level, answer) => {
    const peer = connect({ isKept, level });
    expect(peer.delivery.pubrec(9, 0)).toBe(false);
    expect(peer.receive()).toEqual([answer]);
  });

  test.each([1, 2] as const)("the window is the client's Receive Maximum, QoS %i", (qos) => {
    const peer = connect({ isKept, receiveMax: 2 });
    peer.subscribe(options("a", qos));
    node.publish("a", { qos, count: 4 });
    expect(peer.receive()).toEqual([`PUBLISH a m1 q${qos} id=1`, `PUBLISH a m2 q${qos} id=2`]);
    if (qos === 2) {
      peer.pubrec(2);
      expect(peer.receive()).toEqual(["PUBREL 2"]);
      peer.pubcomp(2);
    } else peer.puback(2);
    expect(peer.receive()).toEqual([`PUBLISH a m3 q${qos} id=3`]);
  });

  test("what has no QoS goes on while the window is full, in its order (MQTT 5.0, 4.9)", () => {
    const peer = connect({ isKept, receiveMax: 1 });
    peer.subscribe(options("a", 1));
    for (const qos of [1, 0, 1, 0] as const) node.publish("a", { qos });
    expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1", "PUBLISH a m2 q0"]);
    peer.puback(1);
    expect(peer.receive()).toEqual(["PUBLISH a m3 q1 id=3", "PUBLISH a m4 q0"]);
  });

  test("retained messages come first, oldest first, with RETAIN; live ones after them without", () => {
    node.publish("a/2", { retain: true });
    node.publish("a/1", { retain: true });
    node.publish("a/3");
    const peer = connect({ isKept });
    peer.subscribe(options("a/+", 1));
    node.publish("a/2", { retain: true });
    expect(peer.receive()).toEqual([
      "PUBLISH a/2 m1 q1 id=1 retain",
      "PUBLISH a/1 m2 q1 id=2 retain",
      "PUBLISH a/2 m4 q1 id=4",
    ]);
  });

  test("retained messages wait for the window, and live ones for them", () => {
    node.publish("a/1", { retain: true });
    node.publish("a/2", { retain: true });
    const peer = connect({ isKept, receiveMax: 1 });
    peer.subscribe(options("a/+", 1));
    node.publish("a/3");
    expect(peer.receive()).toEqual(["PUBLISH a/1 m1 q1 id=1 retain"]);
    peer.puback(1);
    expect(peer.receive()).toEqual(["PUBLISH a/2 m2 q1 id=2 retain"]);
    peer.puback(2);
    expect(peer.receive()).toEqual(["PUBLISH a/3 m3 q1 id=3"]);
  });

  test("a retained message that was deleted meanwhile does not come back", () => {
    node.publish("a/1", { retain: true });
    node.publish("a/2", { retain: true });
    const peer = connect({ isKept, receiveMax: 1 });
    peer.subscribe(options("a/+", 1));
    expect(peer.receive()).toEqual(["PUBLISH a/1 m1 q1 id=1 retain"]);
    node.publish("a/2", { retain: true, payload: Buffer.alloc(0) });
    peer.puback(1);
    expect(peer.receive()).toEqual(["PUBLISH a/2  q1 id=3"]);
  });

  test("nothing that was unsubscribed comes from the retained ones", () => {
    node.publish("a", { retain: true });
    node.publish("b", { retain: true });
    const peer = connect({ isKept, receiveMax: 1 });
    peer.subscribe(options("a", 1), options("b", 1));
    expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1 retain"]);
    peer.unsubscribe("b");
    peer.puback(1);
    expect(peer.receive()).toEqual([]);
  });

  test("options of MQTT 5: identifiers of all that match, Retain As Published, No Local", () => {
    const peer = connect({ isKept });
    const { number } = peer.session;
    peer.subscribe(options("a/+", 1, { subscriptionId: 3, retainAsPublished: true }));
    peer.subscribe(options("a/b", 0, { subscriptionId: 300 }), options("n", 1, { noLocal: true }));
    node.publish("a/b", { retain: true });
    node.publish("n", { publisher: number });
    node.publish("n", { publisher: number + 1 });
    expect(peer.receive()).toEqual([
      "PUBLISH a/b m1 q1 id=1 retain subscriptionIdentifier=[3,300]",
      "PUBLISH n m3 q1 id=3",
    ]);
  });

  test("properties travel on; what is left of the expiry is counted when it is sent, and what has expired is not", () => {
    const nowMs = node.nowMs();
    const peer = connect({ isKept });
    peer.subscribe(options("a", 1));
    // Payload format 1, correlation data "x".
    const properties = Buffer.from([0x01, 1, 0x09, 0, 1, 0x78]);
    node.publish("a", { properties, contentType: "text/plain", expiresAtMs: nowMs + 10_000 });
    node.publish("a", { expiresAtMs: nowMs + 1_000 });
    node.state.clock.spend(2_500);
    expect(peer.receive()).toEqual([
      'PUBLISH a m1 q1 id=1 messageExpiryInterval=8 contentType="text/plain" payloadFormatIndicator=true correlationData={"type":"Buffer","data":[120]}',
    ]);
  });

  test("3.1.1 gets the same without properties", () => {
    const peer = connect({ isKept, level: 4 });
    peer.subscribe(options("a", 1));
    node.publish("a", { properties: Buffer.from([0x01, 1]), contentType: "text/plain", retain: true });
    expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1"]);
  });

  test("a packet larger than the client takes is left out and counted (MQTT-3.1.2-24, 3.1.2-25)", () => {
    const peer = connect({ isKept, packetBytesMax: 12 });
    peer.subscribe(options("a", 1));
    node.publish("a");
    node.publish("a", { payload: Buffer.alloc(6) });
    node.publish("a");
    expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1", "PUBLISH a m3 q1 id=3"]);
    expect(edge.metrics.of("dropped packet_too_large")).toBe(1);
  });

  test("topic aliases: the name once, as many as the client allows (MQTT 5.0, 3.3.2.3.4)", () => {
    const peer = connect({ isKept, topicAliasMax: 1 });
    peer.subscribe(options("#", 1));
    for (const topic of ["a", "b", "a"]) node.publish(topic);
    expect(peer.receive()).toEqual([
      "PUBLISH a m1 q1 id=1 topicAlias=1",
      "PUBLISH b m2 q1 id=2",
      "PUBLISH  m3 q1 id=3 topicAlias=1",
    ]);
  });

  test("while the socket is full nothing is sent, and nothing is lost", () => {
    const peer = connect({ isKept });
    peer.subscribe(options("a", 0));
    peer.wire.backlogBytes = 1_000_000;
    node.publish("a", { count: 3 });
    expect(peer.receive()).toEqual([]);
    peer.wire.backlogBytes = 0;
    peer.delivery.pump();
    expect(peer.receive()).toEqual(["PUBLISH a m1 q0", "PUBLISH a m2 q0", "PUBLISH a m3 q0"]);
  });

  test("a topic that is deleted and comes again", () => {
    const peer = connect({ isKept });
    peer.subscribe(options("a", 1));
    node.publish("a");
    node.perform({ kind: "delete-topic", topic: "a" });
    node.publish("a");
    expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1", "PUBLISH a m2 q1 id=2"]);
  });
});
