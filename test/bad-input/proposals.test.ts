/** What a member may hand the leader for the log: bytes that no node could read again never get there. */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeFrame, encodeLinkFrame, FrameDecoder, WireKind } from "../../cluster/transport/frame-codec.js";
import { DialerHandshake } from "../../cluster/transport/handshake.js";
import { EnvelopeEncoder } from "../../src/commands/codec.js";
import { until } from "../support/tcp-nodes.js";
import { startTestNode, type TestNode } from "../support/test-node.js";

const PEER = { singleNode: true, peerHost: "127.0.0.1", peerPort: 0 };

let node: TestNode;
const sockets: Socket[] = [];

beforeEach(async () => {
  node = await startTestNode(PEER);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await node.close();
});

/** An envelope of one publish to the topic `a`. */
function envelope(payload: string): Buffer {
  const encoder = new EnvelopeEncoder(0);
  encoder.begin("2", 1);
  const message = {
    ...{ payload: Buffer.from(payload), contentType: "", qos: 1 as const, retain: false },
    ...{ expiresAtMs: 0, properties: new Uint8Array(0) },
  };
  const publish = { kind: "publish", topic: "a", messages: [message], autoCreate: true } as const;
  encoder.add({ ...publish, idempotency: null, publisher: 0, receipt: null });
  return Buffer.from(encoder.finish(1, Date.now()));
}

/** Proves itself as a member that this node has not heard of yet, as one does that was added a moment ago; `null` when it is turned away. */
async function enter(
  clusterId: string,
): Promise<{ readonly socket: Socket; readonly clusterId: string; readonly isIn: boolean }> {
  const peer = node.node.peer ?? "";
  const socket = connect({ host: "127.0.0.1", port: Number(peer.slice(peer.lastIndexOf(":") + 1)) });
  sockets.push(socket);
  const self = { id: "2", clusterId, tag: "tag", address: "127.0.0.1:2", secret: new Uint8Array(0) };
  const handshake = new DialerHandshake(self, "1", "entries");
  const decoder = new FrameDecoder(1_000_000);
  let met = "";
  let verdict: string | null = null;
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    decoder.push(chunk);
    for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
      if (frame.kind === WireKind.Verdict) verdict = handshake.verdict(frame.content)?.code ?? "";
      if (frame.kind !== WireKind.Challenge) continue;
      const answer = handshake.answer(frame.content);
      met = answer?.peer.clusterId ?? "";
      socket.write(encodeLinkFrame(WireKind.Proof, answer?.proof ?? new Uint8Array(0)));
    }
  });
  socket.write(encodeLinkFrame(WireKind.Hello, handshake.hello));
  await until(() => verdict !== null);
  return { socket, clusterId: met, isIn: verdict === "" };
}

async function member(): Promise<Socket> {
  const { clusterId } = await enter("");
  const { socket, isIn } = await enter(clusterId);
  expect(isIn).toBe(true);
  return socket;
}

const frame = (payload: Uint8Array): Buffer =>
  Buffer.concat(encodeFrame({ kind: "proposal", group: 0, payload }).parts);

/** What stands in the topic `a`. */
async function texts(): Promise<unknown> {
  const response = await fetch(`${node.url}/topics/a/messages`);
  if (response.status === 404) return [];
  const { messages } = (await response.json()) as { readonly messages: { readonly payload: string }[] };
  return messages.map(({ payload }) => payload);
}

describe("a proposal of a peer", () => {
  const whole = envelope("from a peer");
  it.each<[string, Uint8Array]>([
    ["nothing at all", new Uint8Array(0)],
    ["one byte", new Uint8Array([1])],
    ["noise", randomBytes(300)],
    ["an envelope that is cut short", whole.subarray(0, -1)],
    ["an envelope with more behind it", Buffer.concat([whole, new Uint8Array(1)])],
    ["an envelope of a later release", Buffer.concat([new Uint8Array([200]), whole.subarray(1)])],
  ])(
    "that is %s stays out of the log, and the node goes on, also after a restart",
    async (_what, payload) => {
      const socket = await member();
      socket.write(frame(payload));
      socket.write(frame(whole));
      await vi.waitFor(async () => expect(await texts()).toEqual(["from a peer"]));
      await node.stop();
      node = await startTestNode({ ...PEER, dataDir: node.dataDir });
      expect(await texts()).toEqual(["from a peer"]);
    },
  );
});
