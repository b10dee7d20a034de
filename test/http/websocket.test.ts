/** What travels on a WebSocket at GET /mqtt, what it may cost, and how it ends. Who serves MQTT is in the test's hand. */
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { SocketBudget } from "../../src/edges/socket-budget.js";
import { limits } from "../../src/limits.js";
import { clientFrame, Opcode } from "../support/websocket-frames.js";
import {
  bytesFrom,
  client,
  closeAll,
  closeCodeOn,
  framesIn,
  OPENING,
  openRaw,
  openUpgraded,
  startServing,
} from "../support/websocket-host.js";

afterEach(closeAll);

describe("what travels on it", () => {
  it.each<[string, Buffer[]]>([
    ["one message", [clientFrame(Opcode.Binary, "abcdef")]],
    [
      "several messages in one segment",
      [Buffer.concat(["a", "bc", "def"].map((part) => clientFrame(2, part)))],
    ],
    ["byte by byte", [...clientFrame(Opcode.Binary, "abcdef")].map((byte) => Buffer.from([byte]))],
    [
      "fragments with a ping between them",
      [
        clientFrame(Opcode.Binary, "ab", { fin: false }),
        clientFrame(Opcode.Ping, "?"),
        clientFrame(Opcode.Continuation, "cd", { fin: false }),
        clientFrame(Opcode.Continuation, "ef"),
      ],
    ],
    [
      "empty messages among others",
      ["", "abc", "", "def", ""].map((part) => clientFrame(Opcode.Binary, part)),
    ],
  ])("%s come as bytes in order (MQTT-6.0.0-2)", async (_name, pieces) => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    for (const piece of pieces) {
      raw.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await bytesFrom(await served(), 6)).toString()).toBe("abcdef");
  });

  it("takes frames that come together with the handshake", async () => {
    const { host, served } = await startServing();
    const raw = await openRaw(host);
    const head = Object.entries(OPENING).map(([name, value]) => `${name}: ${value}`);
    const request = ["GET /mqtt HTTP/1.1", ...head, "", ""].join("\r\n");
    raw.send(Buffer.concat([Buffer.from(request), clientFrame(Opcode.Binary, "early")]));
    expect((await bytesFrom(await served(), 5)).toString()).toBe("early");
  });

  it("every write is one binary message, also those that waited", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const stream = await served();
    const writes = ["a", "bc", "d".repeat(200), "e".repeat(70_000)];
    for (const bytes of writes) stream.write(bytes);
    const total = writes.join("").length;
    const text = await raw.until((all) => all.length >= total + 2 + 2 + 4 + 10);
    expect(framesIn(text).map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual(
      writes.map((bytes) => [Opcode.Binary, bytes]),
    );
  });

  it("answers a ping with its bytes", async () => {
    const { host } = await startServing();
    const raw = await openUpgraded(host);
    raw.send(clientFrame(Opcode.Ping, "are you there"));
    const text = await raw.until((all) => framesIn(all).length === 1);
    expect(framesIn(text)[0]).toEqual({ opcode: Opcode.Pong, payload: Buffer.from("are you there") });
  });

  it.each<[string, Buffer, number, string]>([
    ["text (MQTT-6.0.0-1)", clientFrame(Opcode.Text, "hello"), 1003, "unsupported_media_type"],
    [
      "a frame that is not masked",
      clientFrame(Opcode.Binary, "ab", { masked: false }),
      1002,
      "invalid_request",
    ],
    ["a reserved opcode", clientFrame(3, "ab"), 1002, "invalid_request"],
    ["a fragment of nothing", clientFrame(Opcode.Continuation, "ab"), 1002, "invalid_request"],
    ["a long ping", clientFrame(Opcode.Ping, "a".repeat(126)), 1002, "invalid_request"],
    ["a ping in fragments", clientFrame(Opcode.Ping, "a", { fin: false }), 1002, "invalid_request"],
    [
      "a compressed message, though nothing of the kind was agreed on",
      clientFrame(Opcode.Binary, Buffer.alloc(64), { reserved: 4 }),
      1002,
      "invalid_request",
    ],
    [
      "a message above the ceiling, as soon as it is announced",
      clientFrame(Opcode.Binary, "", { length: limits.webSocketMessageBytesMax + 1 }),
      1009,
      "payload_too_large",
    ],
    [
      "a message without an end",
      clientFrame(Opcode.Binary, "", { length: Number.MAX_SAFE_INTEGER }),
      1009,
      "payload_too_large",
    ],
    [
      "a length that no double holds",
      clientFrame(Opcode.Binary, "", { length: 2n ** 53n + 1n }),
      1009,
      "payload_too_large",
    ],
    [
      "a length whose lower half is small",
      clientFrame(Opcode.Binary, "ab", { length: 2n ** 62n + 2n }),
      1009,
      "payload_too_large",
    ],
    [
      "a length with the highest bit, which must be 0 (RFC 6455, 5.2)",
      clientFrame(Opcode.Binary, "ab", { length: 2n ** 63n + 2n }),
      1009,
      "payload_too_large",
    ],
  ])("%s ends the connection", async (_name, frame, code, counted) => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const ended = once((await served()).resume(), "end");
    raw.send(frame);
    expect(await closeCodeOn(raw)).toBe(code);
    await ended;
    expect(await host.metrics()).toContain(`jangada_refused_total{edge="http",code="${counted}"} 1`);
  });

  it("fragments above the ceiling end it too", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const stream = await served();
    stream.resume().write("known");
    const half = Buffer.alloc(limits.webSocketMessageBytesMax / 2);
    raw.send(clientFrame(Opcode.Binary, half, { fin: false }));
    raw.send(clientFrame(Opcode.Continuation, half, { fin: false }));
    raw.send(clientFrame(Opcode.Continuation, "!"));
    expect(await closeCodeOn(raw)).toBe(1009);
  });

  it("a message at the ceiling is taken", async () => {
    const { host, served } = await startServing();
    const socket = client(host);
    await once(socket, "open");
    const stream = await served();
    stream.write("known");
    const message = Buffer.alloc(limits.webSocketMessageBytesMax, 7);
    socket.send(message);
    expect((await bytesFrom(stream, message.length)).equals(message)).toBe(true);
  });

  it("the ceiling is never below the largest packet", async () => {
    const payloadBytesMax = 2 * limits.webSocketMessageBytesMax;
    const { host, served } = await startServing({ payloadBytesMax });
    const socket = client(host);
    await once(socket, "open");
    const stream = await served();
    stream.write("known");
    socket.send(Buffer.alloc(payloadBytesMax + limits.messagePropertiesBytesMax));
    await bytesFrom(stream, payloadBytesMax + limits.messagePropertiesBytesMax);
  });
});

describe("what a client may cost", () => {
  it("one that does not read holds up who writes, and gets everything once it does", async () => {
    const { host, served } = await startServing();
    const socket = client(host);
    await once(socket, "open");
    socket.pause();
    const stream = await served();
    const chunk = Buffer.alloc(64 * 1024, 1);
    let written = 0;
    while (stream.writableLength < 1024 * 1024) {
      expect(stream.write(chunk)).toBe(false);
      written += chunk.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    let received = 0;
    socket.on("message", (data: Buffer) => {
      received += data.length;
    });
    socket.resume();
    await once(stream, "drain");
    stream.end();
    await once(socket, "close");
    expect(received).toBe(written);
  });

  it("one that is not read is held up", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const stream = await served();
    stream.write("known");
    const message = clientFrame(Opcode.Binary, Buffer.alloc(64 * 1024));
    let sent = 0;
    while (raw.socket.writableLength < 1024 * 1024) {
      raw.send(message);
      sent += 64 * 1024;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stream.readableLength).toBeLessThanOrEqual(2 * 64 * 1024);
    let received = 0;
    stream.on("data", (bytes: Buffer) => {
      received += bytes.length;
    });
    while (received < sent) await once(stream, "data");
  });

  it("a stranger may say a CONNECT in any number of messages", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const piece = Buffer.alloc(8 * 1024, 5);
    for (let i = 0; i < 32; i += 1) raw.send(clientFrame(Opcode.Binary, piece));
    await bytesFrom(await served(), 32 * piece.length);
  });

  it("pings whose answers are not read end it", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const stream = await served();
    const closed = once(stream.resume(), "close");
    raw.socket.pause();
    raw.send(Buffer.concat(Array.from({ length: 200_000 }, () => clientFrame(Opcode.Ping, "a".repeat(125)))));
    await closed;
  });

  it("its socket is counted among those of all edges as long as it is open", async () => {
    const sockets = new SocketBudget(1);
    const { host, served } = await startServing({ sockets });
    const raw = await openUpgraded(host);
    const stream = await served();
    expect(sockets.take()).toBe(false);
    const closed = once(stream.resume(), "close");
    raw.close();
    await closed;
    while (host.edge.connectionsOpen > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(sockets.take()).toBe(true);
  });
});

describe("how it ends", () => {
  it("a client that closes is answered with its own code, behind what it still sent", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    raw.send(
      Buffer.concat([clientFrame(Opcode.Binary, "bye"), clientFrame(Opcode.Close, Buffer.of(3, 232))]),
    );
    const stream = await served();
    expect((await bytesFrom(stream, 3)).toString()).toBe("bye");
    expect(await closeCodeOn(raw)).toBe(1000);
    await raw.closed();
  });

  it("our end is said, and the client's answer awaited", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const stream = await served();
    const closed = once(stream.resume(), "close");
    stream.end("last");
    expect(await closeCodeOn(raw)).toBe(1000);
    expect(framesIn(raw.text)[0]?.payload.toString()).toBe("last");
    raw.send(clientFrame(Opcode.Close, Buffer.of(3, 232)));
    await closed;
    await raw.closed();
  });

  it("a stream that is destroyed takes the socket with it", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    (await served()).destroy();
    await raw.closed();
  });

  it("a socket that is gone ends the stream, and what is written then is lost in silence", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    const stream = await served();
    const closed = new Promise((resolve) => stream.resume().once("close", resolve));
    raw.socket.resetAndDestroy();
    stream.write("into the void");
    await closed;
  });

  it("when the edge stops the client is told that it goes away", async () => {
    const { host, served } = await startServing();
    const raw = await openUpgraded(host);
    (await served()).resume();
    const stopped = host.edge.stop();
    expect(await closeCodeOn(raw)).toBe(1001);
    raw.send(clientFrame(Opcode.Close, Buffer.of(3, 233)));
    await stopped;
  });

  it("when the edge stops, one that does not answer is cut off", async () => {
    const { host } = await startServing();
    const raw = await openUpgraded(host);
    await host.edge.stop();
    await raw.closed();
  });
});
