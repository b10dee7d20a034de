/** How far a stranger's message is read: nobody is known before the server has said something. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { WebSocketStream } from "../../../src/edges/http/websocket-stream.js";
import { limits } from "../../../src/limits.js";
import { clientFrame, Opcode, serverFrames } from "../../support/websocket-frames.js";
import { bytesFrom } from "../../support/websocket-host.js";

const CHUNK_BYTES = 64 * 1024;

let server: Server;
let client: Socket;
afterEach(() => {
  client.destroy();
  server.close();
});

/** Both ends of one connection: the stream over the socket that the server has, and the client's bare socket. */
async function open(): Promise<{ readonly stream: WebSocketStream; readonly socket: Socket }> {
  server = createServer();
  const webSockets = new WebSocketServer({ noServer: true, maxPayload: limits.webSocketMessageBytesMax });
  const made = new Promise<{ stream: WebSocketStream; socket: Socket }>((resolve) => {
    server.on("upgrade", (request, _socket, head) => {
      const { socket } = request;
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        const onRefused = (): void => undefined;
        const stream = new WebSocketStream({ webSocket, socket, closeCode: () => 1000, onRefused });
        resolve({ stream, socket });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  client = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
  client.write(
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  const both = await made;
  expect(String(await once(client, "data"))).toContain(" 101 ");
  client.removeAllListeners("data").pause();
  return both;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("a message that grows longer than a CONNECT may be is read on when the client was answered", async () => {
  const { stream, socket } = await open();
  const message = Buffer.alloc(limits.webSocketMessageBytesMax, 3);
  const whole = bytesFrom(stream, message.length);
  client.write(clientFrame(Opcode.Binary, message));
  while (!socket.isPaused()) await turn();
  await turn();
  expect(socket.bytesRead).toBeGreaterThan(limits.connectPacketBytesMax);
  expect(socket.bytesRead).toBeLessThan(2 * limits.connectPacketBytesMax + 3 * CHUNK_BYTES);
  stream.write("CONNACK");
  expect((await whole).equals(message)).toBe(true);
});

it("so are fragments of one, each of them small", async () => {
  const { stream, socket } = await open();
  stream.resume();
  const fragment = clientFrame(Opcode.Continuation, Buffer.alloc(1_000), { fin: false });
  client.write(clientFrame(Opcode.Binary, "", { fin: false }));
  client.write(Buffer.concat(Array.from({ length: 1_000 }, () => fragment)));
  while (!socket.isPaused()) await turn();
  expect(socket.bytesRead).toBeLessThan(2 * limits.connectPacketBytesMax + 3 * CHUNK_BYTES);
});

it("complete messages are no reason to stop, however many", async () => {
  const { stream, socket } = await open();
  const message = clientFrame(Opcode.Binary, Buffer.alloc(CHUNK_BYTES));
  for (let i = 0; i < 32; i += 1) client.write(message);
  await bytesFrom(stream, 32 * CHUNK_BYTES);
  expect(socket.bytesRead).toBeGreaterThan(32 * CHUNK_BYTES);
});

it("a stranger that is turned away is told so, behind all that it sends", async () => {
  const { stream, socket } = await open();
  stream.resume();
  client.write(clientFrame(Opcode.Binary, Buffer.alloc(CHUNK_BYTES), { length: 1024 * 1024 }));
  client.write(Buffer.alloc(2 * CHUNK_BYTES));
  while (!socket.isPaused()) await turn();
  stream.end();
  const [close] = serverFrames(await bytesFrom(client, 4));
  expect([close?.opcode, close?.payload.readUInt16BE(0)]).toEqual([Opcode.Close, 1000]);
});
