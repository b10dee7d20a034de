/** What a node may find at a peer's address that is not that peer: it must neither believe it nor wait for it for long. */
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  encodeLinkFrame,
  FrameDecoder,
  type WireFrame,
  WireKind,
} from "../../../../cluster/transport/frame-codec.js";
import { AcceptorHandshake } from "../../../../cluster/transport/handshake.js";
import { makePeer, pause, type TestPeer, until } from "../../../support/tcp-nodes.js";

let server: Server;
let port: number;
let sockets: Socket[];
let one: TestPeer;

beforeEach(async () => {
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  port = typeof bound === "object" && bound !== null ? bound.port : 0;
  one = makePeer("1");
  one.transport.setPeers(new Map([["2", `127.0.0.1:${port}`]]));
});

async function vanish(): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

afterEach(async () => {
  await one.transport.stop();
  if (server.listening) await vanish();
});

/** What the impostor does with each frame that it gets. */
function onFrames(react: (socket: Socket, frame: WireFrame) => void): void {
  server.on("connection", (socket: Socket) => {
    const decoder = new FrameDecoder(4_096);
    socket.on("data", (chunk: Buffer) => {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame !== null; frame = decoder.next()) react(socket, frame);
    });
  });
}

/** A challenge as the real peer would give it, if it had this secret. */
function challengeFor(hello: WireFrame, secret: Uint8Array): Buffer {
  const self = { id: "2", clusterId: "c", tag: "tag-2", address: "127.0.0.1:2", secret };
  return encodeLinkFrame(WireKind.Challenge, new AcceptorHandshake(self).challenge(hello.content));
}

function verdict(code: string): Buffer {
  const bytes = Buffer.concat([Buffer.from(JSON.stringify({ code, text: "really" })), Buffer.alloc(32)]);
  return encodeLinkFrame(WireKind.Verdict, bytes);
}

const SECRET = new TextEncoder().encode("a secret");

describe("at a peer's address", () => {
  test.each<[string, () => void]>([
    ["a web server", () => onFrames((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))],
    ["one that hangs up", () => onFrames((socket) => socket.destroy())],
    ["one that says nothing", () => onFrames(() => undefined)],
    ["one that refuses unasked", () => onFrames((socket) => socket.write(verdict("member_removed")))],
    ["one that welcomes unasked", () => onFrames((socket) => socket.write(verdict("")))],
    [
      "one that knows the secret but signs no verdict",
      () =>
        onFrames((socket, frame) => {
          const isHello = frame.kind === WireKind.Hello;
          socket.write(isHello ? challengeFor(frame, SECRET) : verdict("member_wiped"));
        }),
    ],
  ])("%s is not believed, and the peer is found when it is there", async (_name, impersonate) => {
    impersonate();
    await one.transport.start();
    await until(() => sockets.length >= 3);
    await pause(100);
    expect(one.refused).toEqual([]);
    expect(one.met).toEqual([]);
    await vanish();
    const two = makePeer("2", { port });
    await two.transport.start();
    await until(() => one.met.length >= 3);
    await two.transport.stop();
  });

  test("one with another secret is taken for a mistake in the settings, and gets no proof", async () => {
    const kinds: number[] = [];
    onFrames((socket, frame) => {
      kinds.push(frame.kind);
      socket.write(challengeFor(frame, new Uint8Array(0)));
    });
    await one.transport.start();
    await until(() => one.refused.length > 0);
    await pause(50);
    expect(one.refused[0]?.code).toBe("peer_unauthorized");
    expect(new Set(kinds)).toEqual(new Set([WireKind.Hello]));
  });

  test("one that trickles is given up", async () => {
    await one.transport.stop();
    one = makePeer("1", { timings: { handshakeMs: 100, connectMs: 100 } });
    one.transport.setPeers(new Map([["2", `127.0.0.1:${port}`]]));
    let hungUp = 0;
    server.on("connection", (socket: Socket) => {
      const timer = setInterval(() => socket.write(Buffer.from([1])), 20);
      socket.on("data", () => undefined);
      socket.on("close", () => {
        clearInterval(timer);
        hungUp += 1;
      });
      socket.write(Buffer.from([0, 4, 0, 0]));
    });
    await one.transport.start();
    await until(() => hungUp >= 3);
  });

  test("nobody at all: the operator is told once", async () => {
    await vanish();
    await one.transport.start();
    await until(() => one.warnings.length > 0);
    await pause(300);
    expect(one.warnings).toEqual(["a peer cannot be reached: it is dialled again and again"]);
  });
});
