/** What else may come to the peer port: none of it may harm the nodes that talk there. */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  encodeFrame,
  encodeLinkFrame,
  FrameDecoder,
  type WireFrame,
  WireKind,
} from "../../../../cluster/transport/frame-codec.js";
import { DialerHandshake, type HandshakeSelf } from "../../../../cluster/transport/handshake.js";
import { HANDSHAKES_MAX } from "../../../../cluster/transport/transport-options.js";
import { addressOf, makePeer, startPair, type TestPeer, until } from "../../../support/tcp-nodes.js";

const SELF: HandshakeSelf = {
  id: "3",
  clusterId: "c",
  tag: "tag-3",
  address: "127.0.0.1:3",
  secret: new TextEncoder().encode("a secret"),
};

let one: TestPeer;
let two: TestPeer;
const sockets: Socket[] = [];
let close: () => Promise<void>;

beforeEach(async () => {
  one = makePeer("1");
  two = makePeer("2", { timings: { handshakeMs: 700, acceptedSilenceMs: 700 } });
  ({ close } = await startPair(one, two));
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await close();
});

interface Stranger {
  readonly socket: Socket;
  readonly bytes: () => Buffer;
  readonly isClosed: () => boolean;
}

async function stranger(): Promise<Stranger> {
  const [host = "", port = ""] = addressOf(two).split(":");
  const socket = connect({ host, port: Number(port) });
  sockets.push(socket);
  const chunks: Buffer[] = [];
  let isClosed = false;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isClosed = true;
  });
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return { socket, bytes: () => Buffer.concat(chunks), isClosed: () => isClosed };
}

function framesOf({ bytes }: Stranger): WireFrame[] {
  const decoder = new FrameDecoder(1_000_000);
  decoder.push(bytes());
  const frames: WireFrame[] = [];
  for (let frame = decoder.next(); frame !== null; frame = decoder.next()) frames.push(frame);
  return frames;
}

/** Everything is as it was: frames go through on links that were never renewed. */
async function expectIntact(): Promise<void> {
  const before = two.received.length;
  await until(() => one.met.length >= 6);
  one.transport.send("2", { kind: "proposal", group: 0, payload: new Uint8Array([1]) });
  await until(() => two.received.length > before);
  expect(one.met).toHaveLength(6);
  expect(one.unreachable).toEqual([]);
  expect(two.received.every(({ from }) => from === "1")).toBe(true);
}

const hello = (): Buffer => encodeLinkFrame(WireKind.Hello, new DialerHandshake(SELF, "2", "control").hello);
const proposal = (): Buffer =>
  Buffer.concat(encodeFrame({ kind: "proposal", group: 0, payload: new Uint8Array(9) }).parts);

/** A stranger that knows the secret, let in. */
async function intruder(): Promise<Stranger> {
  const guest = await stranger();
  const handshake = new DialerHandshake(SELF, "2", "control");
  guest.socket.write(encodeLinkFrame(WireKind.Hello, handshake.hello));
  await until(() => framesOf(guest).length >= 1);
  const answer = handshake.answer(framesOf(guest)[0]?.content ?? Buffer.alloc(0));
  guest.socket.write(encodeLinkFrame(WireKind.Proof, answer?.proof ?? new Uint8Array(0)));
  await until(() => framesOf(guest).length >= 2);
  return guest;
}

describe("a stranger at the peer port", () => {
  test.each<[string, () => Buffer]>([
    ["an HTTP request", () => Buffer.from("GET /cluster HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["a TLS hello", () => Buffer.from("16030100c8010000c40303", "hex")],
    ["a CONNECT of MQTT", () => Buffer.from("100e00044d5154540402003c00026162", "hex")],
    [
      "the handshake of a WebSocket",
      () => Buffer.from("GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    ],
    ["random bytes", () => randomBytes(4_096)],
    ["a huge length", () => Buffer.from([0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0])],
    ["a frame before any hello", proposal],
    ["a proof before any hello", () => encodeLinkFrame(WireKind.Proof, new Uint8Array(32))],
    ["a ping before any hello", () => encodeLinkFrame(WireKind.Ping, new Uint8Array(0))],
    ["two hellos", () => Buffer.concat([hello(), hello()])],
    ["a hello and a frame", () => Buffer.concat([hello(), proposal()])],
    ["a hello that is no hello", () => encodeLinkFrame(WireKind.Hello, Buffer.from("{}"))],
  ])("that sends %s is closed, and nothing else happens", async (_name, bytes) => {
    const guest = await stranger();
    guest.socket.write(bytes());
    await until(guest.isClosed);
    expect(two.warnings).toEqual(["what came in at the peer port is no frame"]);
    await expectIntact();
  });

  test("with a wrong proof hears peer_unauthorized and no word on the membership", async () => {
    const guest = await stranger();
    guest.socket.write(Buffer.concat([hello(), encodeLinkFrame(WireKind.Proof, randomBytes(32))]));
    await until(guest.isClosed);
    expect(framesOf(guest).map(({ kind }) => kind)).toEqual([WireKind.Challenge, WireKind.Verdict]);
    expect(guest.bytes().toString("latin1")).toContain("peer_unauthorized");
    expect(guest.bytes().toString("latin1")).not.toContain("tag-1");
    await expectIntact();
  });

  test.each(["says nothing", "sends one byte now and then", "stops after the hello", "says goodbye at once"])(
    "that %s is closed in time",
    async (how) => {
      const guest = await stranger();
      const timer = setInterval(() => {
        if (how.startsWith("sends")) guest.socket.write(Buffer.from([1]));
      }, 50);
      if (how.startsWith("stops")) guest.socket.write(hello());
      if (how.startsWith("says goodbye")) guest.socket.end();
      const startMs = performance.now();
      await until(guest.isClosed);
      clearInterval(timer);
      expect(performance.now() - startMs).toBeLessThan(1_500);
      await expectIntact();
    },
  );

  test("cannot lock a peer out, however many of it there are", async () => {
    const guests = await Promise.all(Array.from({ length: HANDSHAKES_MAX * 2 }, stranger));
    await until(() => guests.filter(({ isClosed }) => isClosed()).length >= HANDSHAKES_MAX);
    await intruder();
    await expectIntact();
  });
});

describe("a peer that has proved who it is", () => {
  test("is let in and told so; its silence is borne for a while only", async () => {
    const guest = await intruder();
    expect(two.met.some(({ id }) => id === "3")).toBe(true);
    await until(guest.isClosed);
    await expectIntact();
  });

  test("gets a pong for a ping, and for data", async () => {
    const guest = await intruder();
    guest.socket.write(encodeLinkFrame(WireKind.Ping, new Uint8Array(0)));
    await until(() => framesOf(guest).length >= 3);
    // A part of a frame: there is no ping to answer, and still it is heard.
    guest.socket.write(proposal().subarray(0, 15));
    await until(() => framesOf(guest).length >= 4);
    expect(
      framesOf(guest)
        .map(({ kind }) => kind)
        .slice(2),
    ).toEqual([WireKind.Pong, WireKind.Pong]);
  });

  test("that dials anew replaces its older connection", async () => {
    const first = await intruder();
    await intruder();
    await until(first.isClosed);
  });

  test.each<[string, () => Buffer]>([
    ["damaged frames", () => Buffer.from([...proposal().subarray(0, -1), 1])],
    ["another hello", hello],
    ["a verdict", () => encodeLinkFrame(WireKind.Verdict, new Uint8Array(40))],
    ["a length past the ceiling", () => Buffer.from([1, 0, 0, 4, 0, 0, 0, 0])],
  ])("and then sends %s is closed", async (_name, bytes) => {
    const guest = await intruder();
    guest.socket.write(bytes());
    await until(guest.isClosed);
    expect(two.warnings).toEqual(["what came in at the peer port is no frame"]);
    await expectIntact();
  });
});
