/** Shares, from a member's side: the state machine decides who is given what, and this is what the members are sent. */
import { beforeEach, expect, test } from "vitest";
import { limits } from "../../../../src/limits.js";
import { Replicated, TestNode } from "./support/node.js";
import { type ConnectOptions, Peer, TestEdge } from "./support/peer.js";
import { options } from "./support/session.js";

let state: Replicated;
let node: TestNode;
let edge: TestEdge;

beforeEach(() => {
  state = new Replicated();
  node = new TestNode(state);
  edge = new TestEdge(node);
});

const member = (clientId: string, more: ConnectOptions = {}): Peer => new Peer(edge, { clientId, ...more });

const share = (filter: string, qos: 0 | 1 | 2, more = {}) => options(filter, qos, { share: "s", ...more });

function commitProgress(): void {
  state.clock.advance(limits.progressPeriodMs);
  state.clock.advance(0);
}

test.each([{ isKept: true }, { isKept: false }])("members take turns; kept: $isKept", ({ isKept }) => {
  const [one, two] = [member("one", { isKept }), member("two", { isKept })];
  for (const peer of [one, two]) peer.subscribe(share("a", 1));
  node.publish("a", { count: 4 });
  const words = [one.receive(), two.receive()];
  expect(words.map((each) => each.length)).toEqual([2, 2]);
  expect(words.flat().sort()).toEqual([1, 2, 3, 4].map((n) => `PUBLISH a m${n} q1 id=${n}`));
});

test("options of the member's subscription: QoS, identifier, Retain As Published", () => {
  const peer = member("one");
  peer.subscribe(share("a", 1, { subscriptionId: 7, retainAsPublished: true }));
  node.publish("a", { qos: 2, retain: true });
  node.publish("a", { qos: 0 });
  expect(peer.receive()).toEqual([
    "PUBLISH a m1 q1 id=1 retain subscriptionIdentifier=7",
    "PUBLISH a m2 q0 subscriptionIdentifier=7",
  ]);
});

test("what is acknowledged makes room for more, in the member's window and in the share", () => {
  const peer = member("one", { receiveMax: 2 });
  peer.subscribe(share("a", 1));
  node.publish("a", { count: limits.sharedOutstandingMax + 1 });
  const got: number[] = [];
  for (let turn = 0; turn <= limits.sharedOutstandingMax; turn += 1) {
    const ids = peer.receive().map((words) => Number(/id=(\d+)/.exec(words)?.[1]));
    expect(ids.length).toBeLessThanOrEqual(2);
    got.push(...ids);
    peer.puback(...ids);
    commitProgress();
  }
  expect(got).toEqual(Array.from({ length: limits.sharedOutstandingMax + 1 }, (_, index) => index + 1));
  expect(peer.state.shared).toEqual([]);
});

test("QoS 2: PUBREL when PUBREC is committed; it goes on at another node", () => {
  const before = member("one");
  before.subscribe(share("a", 2));
  node.publish("a", { qos: 2, count: 2 });
  before.receive();
  before.pubrec(2);
  expect(before.receive()).toEqual(["PUBREL 2"]);
  node.die();
  node = new TestNode(state);
  edge = new TestEdge(node);
  const after = member("one");
  expect(after.receive()).toEqual(["PUBREL 2", "PUBLISH a m1 q2 id=1 dup"]);
  after.pubcomp(2);
  after.pubrec(1);
  expect(after.receive()).toEqual(["PUBREL 1"]);
  after.pubcomp(1);
  commitProgress();
  expect(after.state.shared).toEqual([]);
});

test("QoS 2 of a session that is not kept waits for no commit", () => {
  const peer = member("one", { isKept: false });
  peer.subscribe(share("a", 2));
  node.publish("a", { qos: 2 });
  peer.receive();
  node.isPrompt = false;
  peer.pubrec(1);
  expect(peer.receive()).toEqual(["PUBREL 1"]);
});

test("what a member did not acknowledge goes to another when it leaves", () => {
  const [one, two] = [member("one", { isKept: false }), member("two")];
  one.subscribe(share("a", 1));
  node.publish("a", { count: 2 });
  one.receive();
  one.puback(1);
  two.subscribe(share("a", 1));
  one.disconnect();
  expect(two.receive()).toEqual(["PUBLISH a m2 q1 id=2"]);
});

test("what it was given before it unsubscribed still comes (MQTT-3.10.4-3)", () => {
  const peer = member("one", { receiveMax: 1 });
  peer.subscribe(share("a", 1));
  node.publish("a", { count: 2 });
  expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1"]);
  peer.unsubscribe("a", "s");
  node.publish("a");
  peer.puback(1);
  expect(peer.receive()).toEqual(["PUBLISH a m2 q1 id=2"]);
});

test("what expired or is gone is done; what may have arrived at QoS 2 gets its PUBREL", () => {
  const before = member("one");
  before.subscribe(share("a", 2));
  node.publish("a", { qos: 2, expiresAtMs: node.nowMs() + 1_000 });
  node.publish("a", { qos: 1, expiresAtMs: node.nowMs() + 1_000 });
  before.receive();
  before.disconnect();
  state.clock.spend(2_000);
  const after = member("one");
  expect(after.receive()).toEqual(["PUBREL 1"]);
  after.pubcomp(1);
  commitProgress();
  expect(after.state.shared).toEqual([]);
});

test("messages that have to be read are waited for, one by one, in order", async () => {
  const before = member("one");
  before.subscribe(share("a", 2));
  node.publish("a", { qos: 2, count: 2 });
  before.receive();
  before.disconnect();
  state.store.recentAbove = 100;
  const after = member("one");
  expect(after.receive()).toEqual([]);
  await state.store.land();
  expect(after.receive()).toEqual(["PUBLISH a m1 q2 id=1 dup"]);
  await state.store.land();
  expect(after.receive()).toEqual(["PUBLISH a m2 q2 id=2 dup"]);
});

test("of QoS 0 only so many wait for a slow member, and what is dropped is counted", () => {
  const peer = member("one");
  peer.subscribe(share("a", 0));
  peer.wire.backlogBytes = 1_000_000;
  node.publish("a", { qos: 0, count: limits.sharedWaitingMax + 3 });
  peer.wire.backlogBytes = 0;
  peer.delivery.pump();
  expect(peer.receive()).toHaveLength(limits.sharedWaitingMax);
  expect(edge.metrics.of("dropped slow_member")).toBe(3);
});

test("a message that comes by a share and by a subscription of its own comes twice, one after the other", () => {
  const peer = member("one");
  peer.subscribe(share("a", 1), options("a", 1));
  node.publish("a");
  expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1"]);
  peer.puback(1);
  commitProgress();
  expect(peer.receive()).toEqual(["PUBLISH a m1 q1 id=1"]);
});
