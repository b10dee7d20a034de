/** Retained messages that a kept session asked for, when its client comes back before it has them all. */
import { beforeEach, describe, expect, test } from "vitest";
import { limits } from "../../../../src/limits.js";
import type { Peer } from "./support/peer.js";
import { options } from "./support/session.js";
import { Succession } from "./support/succession.js";

let nodes: Succession;

beforeEach(() => {
  nodes = new Succession();
});

describe("retained messages of a kept session", () => {
  test("a pass goes on where it stood, its QoS 0 left out", () => {
    for (const topic of ["r/1", "r/2", "r/3"]) nodes.node.publish(topic, { retain: true });
    nodes.node.publish("r/0", { retain: true, qos: 0 });
    const before = nodes.connect({ receiveMax: 2 });
    before.subscribe(options("r/+", 1));
    nodes.node.publish("r/1");
    expect(before.receive()).toEqual(["PUBLISH r/1 m1 q1 id=1 retain", "PUBLISH r/2 m2 q1 id=2 retain"]);
    before.puback(1);
    nodes.commitProgress();
    nodes.die();
    const after = nodes.connect();
    expect(after.receive()).toEqual([
      "PUBLISH r/2 m2 q1 id=2 dup retain",
      "PUBLISH r/3 m3 q1 id=3 dup retain",
      "PUBLISH r/1 m5 q1 id=5 dup",
    ]);
    after.puback(2, 3, 5);
    nodes.commitProgress();
    expect(after.state).toMatchObject({ passes: [], live: { through: 5 } });
  });

  test("PUBRELs of a pass are sent again too", () => {
    nodes.node.publish("r/1", { retain: true, qos: 2 });
    nodes.node.publish("r/2", { retain: true, qos: 2 });
    const before = nodes.connect();
    before.subscribe(options("r/+", 2));
    before.receive();
    before.pubrec(2);
    expect(before.receive()).toEqual(["PUBREL 2"]);
    nodes.die();
    const after = nodes.connect();
    expect(after.receive()).toEqual(["PUBREL 2", "PUBLISH r/1 m1 q2 id=1 dup retain"]);
  });

  describe("of QoS 2 that the client may have, and that is no more when it comes back", () => {
    const ways: readonly (readonly [string, () => void])[] = [
      ["replaced", () => nodes.node.publish("r/1", { retain: true, qos: 0 })],
      ["deleted", () => nodes.node.publish("r/1", { retain: true, qos: 0, payload: Buffer.alloc(0) })],
      ["deleted with its topic", () => nodes.node.perform({ kind: "delete-topic", topic: "r/1" })],
      ["expired", () => nodes.state.clock.advance(60_000)],
    ];
    const expiresAtMs = (): number => nodes.node.nowMs() + 50_000;

    /** A client that has r/1 and r/2, and acknowledged neither. */
    function begin(): void {
      nodes.node.publish("r/1", { retain: true, qos: 2, expiresAtMs: expiresAtMs() });
      nodes.node.publish("r/2", { retain: true, qos: 2 });
      const before = nodes.connect();
      before.subscribe(options("r/+", 2));
      expect(before.receive()).toHaveLength(2);
    }

    test.each(ways)("%s while it is away: PUBREL comes, and then the others", (_, end) => {
      begin();
      nodes.die();
      end();
      const after = nodes.connect();
      after.delivery.pubrec(2, 0);
      nodes.commitProgress();
      expect(after.receive().filter((words) => !words.startsWith("PUBLISH r/1"))).toEqual([
        "PUBLISH r/2 m2 q2 id=2 dup retain",
        "PUBREL 1",
        "PUBREL 2",
      ]);
      after.pubcomp(1, 2);
      nodes.commitProgress();
      expect(after.state.passes).toEqual([]);
    });

    test.each(ways)("%s while it is connected: PUBREL comes at the next connection", (_, end) => {
      begin();
      end();
      nodes.die();
      const after = nodes.connect();
      nodes.commitProgress();
      expect(after.receive()).toContain("PUBREL 1");
    });

    test.each(ways)("%s before its turn at the next connection", (_, end) => {
      nodes.node.publish("r/0", { retain: true, qos: 2 });
      nodes.node.publish("r/1", { retain: true, qos: 2, expiresAtMs: expiresAtMs() });
      const before = nodes.connect();
      before.subscribe(options("r/+", 2));
      expect(before.receive()).toHaveLength(2);
      nodes.die();
      const after = nodes.connect({ receiveMax: 1 });
      expect(after.receive()).toEqual(["PUBLISH r/0 m1 q2 id=1 dup retain"]);
      end();
      after.pubrec(1);
      const packets = after.receive();
      expect(packets.filter((words) => !words.startsWith("PUBLISH"))).toEqual(["PUBREL 1", "PUBREL 2"]);
      expect(packets).not.toContain("PUBLISH r/1 m2 q2 id=2 dup retain");
      after.pubcomp(1, 2);
      nodes.commitProgress();
      expect(after.state.passes).toEqual([]);
    });

    test("all of those that it may have", () => {
      begin();
      for (const topic of ["r/2", "r/1"]) nodes.node.publish(topic, { retain: true, qos: 0 });
      nodes.die();
      const after = nodes.connect();
      nodes.commitProgress();
      expect(after.receive()).toEqual(["PUBREL 1", "PUBREL 2"]);
    });

    test("once PUBREL is owed it is owed at every connection until PUBCOMP", () => {
      begin();
      nodes.node.publish("r/1", { retain: true, qos: 0 });
      nodes.die();
      nodes.connect();
      nodes.commitProgress();
      nodes.die();
      expect(nodes.connect().receive()[0]).toBe("PUBREL 1");
    });
  });

  test.each([
    ["live", {}],
    ["by a share", { share: "g" }],
  ])("what comes %s as well is not given up before that copy is over: PUBREL would end that", (_, more) => {
    const before = nodes.connect();
    before.subscribe(options("r/+", 2, more));
    nodes.node.publish("r/1", { retain: true, qos: 2 });
    expect(before.receive()).toEqual(["PUBLISH r/1 m1 q2 id=1"]);
    before.subscribe(options("r/+", 2));
    nodes.node.publish("r/1", { retain: true, qos: 0 });
    nodes.die();
    const after = nodes.connect();
    nodes.commitProgress();
    expect(after.receive()).toEqual(["PUBLISH r/1 m1 q2 id=1 dup"]);
    after.pubrec(1);
    expect(after.receive()).toEqual(["PUBREL 1"]);
    after.pubcomp(1);
    nodes.commitProgress();
    // Now the retained copy, which it never had.
    expect(after.receive()).toEqual(["PUBREL 1"]);
  });

  test("retained messages do not wait for live ones that have nothing to do with them", () => {
    const peer = nodes.connect({ receiveMax: 1 });
    peer.subscribe(options("a", 1));
    nodes.node.publish("r/1", { retain: true });
    nodes.node.publish("a", { count: 3 });
    expect(peer.receive()).toEqual(["PUBLISH a m2 q1 id=2"]);
    peer.subscribe(options("r/+", 1));
    peer.puback(2);
    expect(peer.receive()).toEqual(["PUBLISH r/1 m1 q1 id=1 retain"]);
  });

  describe("where one acknowledgement is missing", () => {
    /** r/1 is sent and not acknowledged; so many are retained. */
    function begin(count: number): Peer {
      for (let i = 1; i <= count; i += 1) nodes.node.publish(`r/${i}`, { retain: true, qos: 2 });
      const peer = nodes.connect({ receiveMax: 1 });
      peer.subscribe(options("r/+", 2));
      expect(peer.receive()).toEqual(["PUBLISH r/1 m1 q2 id=1 retain"]);
      return peer;
    }

    test("many that are gone further on do not stop a pass", () => {
      const count = limits.unsettledMax + 10;
      const peer = begin(count);
      for (let i = 3; i <= count; i += 1) nodes.node.publish(`r/${i}`, { retain: true, qos: 0 });
      peer.pubrec(1);
      peer.receive();
      peer.pubcomp(1);
      nodes.commitProgress();
      expect(peer.receive()[0]).toBe("PUBLISH r/2 m2 q2 id=2 retain");
    });

    test("those that are gone do not make the state grow", () => {
      const count = 2 * limits.unsettledMax;
      const peer = begin(count);
      for (let i = 2; i <= count; i += 1) {
        nodes.node.publish(`r/${i}`, { retain: true, qos: 0, payload: Buffer.alloc(0) });
      }
      for (let round = 0; round < 20; round += 1) {
        peer.delivery.pump();
        nodes.commitProgress();
        peer.receive();
      }
      expect(peer.state.passes[0]?.done.length).toBe(limits.unsettledMax - 1);
    });
  });

  test("a message that is replaced before its turn is not sent, and a pass does not wait for it", () => {
    for (const topic of ["r/1", "r/2", "r/3"]) nodes.node.publish(topic, { retain: true, qos: 2 });
    const peer = nodes.connect({ receiveMax: 1 });
    peer.subscribe(options("r/+", 2));
    expect(peer.receive()).toEqual(["PUBLISH r/1 m1 q2 id=1 retain"]);
    nodes.node.publish("r/2", { retain: true, qos: 0 });
    peer.pubrec(1);
    peer.receive();
    peer.pubcomp(1);
    expect(peer.receive()).toEqual(["PUBLISH r/3 m3 q2 id=3 retain", "PUBLISH r/2 m4 q0"]);
    peer.pubrec(3);
    peer.receive();
    peer.pubcomp(3);
    nodes.commitProgress();
    expect(peer.state.passes).toEqual([]);
  });

  test("a pass with nothing to send is over at once", () => {
    nodes.node.publish("r/1", { retain: true });
    const peer = nodes.connect();
    peer.subscribe(options("other/+", 1));
    peer.receive();
    nodes.commitProgress();
    expect(peer.state.passes).toEqual([]);
  });
});
