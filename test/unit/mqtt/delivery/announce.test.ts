/** Messages of no stream: what a client is told of `$SYS` is sent now or never. */
import { beforeEach, expect, it } from "vitest";
import { NO_PROPERTIES } from "../../../../src/commands/command.js";
import { limits } from "../../../../src/limits.js";
import type { StoredMessage } from "../../../../src/state-machine/effects.js";
import { FilterSet } from "../../../../src/topics/filter-set.js";
import { Replicated, TestNode } from "./support/node.js";
import { type ConnectOptions, Peer, TestEdge } from "./support/peer.js";

let edge: TestEdge;
beforeEach(() => {
  edge = new TestEdge(new TestNode(new Replicated()));
});

const message = (name: string, text: string): StoredMessage => ({
  position: 0,
  offset: 0,
  topic: { id: 0, name },
  timestampMs: 0,
  payload: Buffer.from(text),
  contentType: "",
  qos: 0,
  retain: true,
  expiresAtMs: 0,
  properties: NO_PROPERTIES,
  publisher: 0,
});
const MESSAGES = [message("$SYS/a", "1"), message("$SYS/b", "2")];
const all = (change: object = {}) => new FilterSet([{ filter: "$SYS/#", qos: 2, ...change }]);
const peer = (options: ConnectOptions = {}): Peer => new Peer(edge, { isKept: false, ...options });

it("goes at QoS 0, with RETAIN when it is retained or published so", () => {
  const client = peer();
  client.delivery.announce(MESSAGES, all(), true);
  expect(client.wire.take()).toEqual(["PUBLISH $SYS/a 1 q0 retain", "PUBLISH $SYS/b 2 q0 retain"]);
  client.delivery.announce(MESSAGES, all({ subscriptionId: 5 }), false);
  expect(client.wire.take()).toEqual([
    "PUBLISH $SYS/a 1 q0 subscriptionIdentifier=5",
    "PUBLISH $SYS/b 2 q0 subscriptionIdentifier=5",
  ]);
  client.delivery.announce(MESSAGES, all({ retainAsPublished: true }), false);
  expect(client.wire.take()).toEqual(["PUBLISH $SYS/a 1 q0 retain", "PUBLISH $SYS/b 2 q0 retain"]);
});

it("is written at once, and what does not match is left out", () => {
  const client = peer();
  const before = client.wire.writes;
  client.delivery.announce(MESSAGES, new FilterSet([{ filter: "$SYS/b", qos: 0 }]), true);
  expect(client.wire.take()).toEqual(["PUBLISH $SYS/b 2 q0 retain"]);
  client.delivery.announce(MESSAGES, all(), true);
  expect(client.wire.writes - before).toBe(2);
});

it("uses topic aliases where the client allows them", () => {
  const client = peer({ topicAliasMax: 1 });
  client.delivery.announce(MESSAGES, all(), true);
  client.delivery.announce(MESSAGES, all(), false);
  expect(client.wire.take()).toEqual([
    "PUBLISH $SYS/a 1 q0 retain topicAlias=1",
    "PUBLISH $SYS/b 2 q0 retain",
    "PUBLISH  1 q0 topicAlias=1",
    "PUBLISH $SYS/b 2 q0",
  ]);
});

it("is dropped, and counted, for a client that is slow or takes only less", () => {
  const slow = peer({ clientId: "slow" });
  slow.wire.backlogBytes = limits.subscriberBufferBytesMax;
  slow.delivery.announce(MESSAGES, all(), true);
  expect([slow.wire.take(), edge.metrics.of("dropped slow_watcher")]).toEqual([[], 2]);
  const narrow = peer({ clientId: "narrow", packetBytesMax: 10 });
  narrow.delivery.announce(MESSAGES, all(), true);
  expect([narrow.wire.take(), edge.metrics.of("dropped packet_too_large")]).toEqual([[], 2]);
});

it("is not sent any more when the connection is over", () => {
  const client = peer();
  client.delivery.close();
  client.delivery.announce(MESSAGES, all(), true);
  expect(client.wire.take()).toEqual([]);
});
