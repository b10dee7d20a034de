/**
 * A WebSocket as a stream of bytes, after a good handshake: any bytes of a stranger, whole and in pieces as the first byte says. Whatever the pieces, the same
 * bytes come out and the same is refused; the server's own frames are whole and unmasked; when he is gone nothing is left. Frames have a mask of zeros in
 * the seeds, so that what is changed in a payload is changed behind the frame too.
 */
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { WebSocketServer } from "ws";
import { WebSocketStream } from "../../../src/edges/http/websocket-stream.js";
import { connectPacket, publishPacket, subscribePacket } from "../../mqtt/support/raw-client.js";
import { serverFrames } from "../../support/websocket-frames.js";
import { FuzzSocket, leave, turnOfLoop } from "../edges.js";
import { must, type Target } from "../target.js";

/** Much less than the edge allows, so that inputs reach it. */
const MESSAGE_BYTES_MAX = 300;
const TURNS = 3;
/** Codes that no endpoint sends (RFC 6455, 7.4.1). */
const NEVER_SENT: ReadonlySet<number> = new Set([1004, 1005, 1006, 1015]);
const HEAD_END = "\r\n\r\n";

/** As the HTTP edge has it (websocket.ts). */
const server = new WebSocketServer({
  noServer: true,
  maxPayload: MESSAGE_BYTES_MAX,
  perMessageDeflate: false,
});

function opening(): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.method = "GET";
  request.headers = {
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
  };
  return request;
}

interface Outcome {
  readonly bytes: Buffer;
  readonly refused: readonly string[];
  readonly isOver: boolean;
}

async function converse(pieces: readonly Buffer[], answers: boolean): Promise<Outcome> {
  const socket = new FuzzSocket();
  const received: Buffer[] = [];
  const refused: string[] = [];
  let isOver = false;
  let stream: WebSocketStream | null = null;
  server.handleUpgrade(opening(), socket, Buffer.alloc(0), (webSocket) => {
    stream = new WebSocketStream({
      webSocket,
      socket,
      closeCode: () => 1000,
      onRefused: (code) => refused.push(code),
    });
  });
  const made: WebSocketStream | null = stream;
  if (made === null) throw new Error("the handshake failed");
  attach(made, received, answers, () => {
    isOver = true;
  });
  for (const piece of pieces) socket.push(piece);
  for (let turn = 0; turn < TURNS; turn += 1) await turnOfLoop();
  checkFrames(socket.received);
  const outcome = { bytes: Buffer.concat(received), refused, isOver };
  await leave(socket);
  for (let turn = 0; server.clients.size > 0; turn += 1) {
    must(turn < 100, "a WebSocket is left though its client is gone");
    await turnOfLoop();
  }
  return outcome;
}

/** Reads as the MQTT edge does, and ends its side when the other has ended. */
function attach(stream: WebSocketStream, received: Buffer[], answers: boolean, onEnd: () => void): void {
  stream.on("error", () => undefined);
  stream.on("data", (bytes: Buffer) => {
    received.push(bytes);
    if (answers && stream.writable) stream.write("answer");
  });
  stream.once("end", () => {
    onEnd();
    stream.end();
  });
}

function checkFrames(sent: Buffer): void {
  const head = sent.indexOf(HEAD_END);
  must(sent.toString("latin1", 0, 12) === "HTTP/1.1 101" && head > 0, "the handshake failed");
  for (const { opcode, payload } of serverFrames(sent.subarray(head + HEAD_END.length))) {
    must(opcode === 2 || opcode === 8 || opcode === 10, `a frame of opcode ${opcode}`);
    if (opcode !== 8 || payload.length < 2) continue;
    const code = payload.readUInt16BE(0);
    // One that the stranger sent is sent back, if it is one that may be sent (RFC 6455, 7.4.2).
    must(code >= 1_000 && code < 5_000 && !NEVER_SENT.has(code), `closed with ${code}`);
  }
}

function cut(bytes: Buffer, pieceBytes: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    pieces.push(Buffer.from(bytes.subarray(at, at + pieceBytes)));
  return pieces;
}

async function run(input: Buffer): Promise<void> {
  const [choice = 0] = input;
  const bytes = input.subarray(1);
  const answers = (choice & 1) !== 0;
  // A receiver unmasks in place.
  const whole = await converse([Buffer.from(bytes)], answers);
  const pieces = await converse(cut(bytes, 1 + (choice >> 1)), answers);
  must(whole.bytes.equals(pieces.bytes), "in other pieces, other bytes come out");
  must(
    whole.refused.join() === pieces.refused.join() && whole.isOver === pieces.isOver,
    "in other pieces, something else is refused",
  );
}

function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const size = length < 126 ? [length | 128] : [126 | 128, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([first, ...size, 0, 0, 0, 0]), payload]);
}

function seeds(): Buffer[] {
  const connect = frame(0x82, connectPacket("ws"));
  const talk = frame(0x82, Buffer.concat([subscribePacket(1, 1, "a"), publishPacket("a", "x")]));
  const [first, rest] = [connectPacket("ws").subarray(0, 5), connectPacket("ws").subarray(5)];
  const ping = frame(0x89, Buffer.from("ping"));
  const scene = (choice: number, ...frames: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.from([choice]), ...frames]);
  return [
    scene(7, connect, talk),
    scene(4, frame(0x02, first), ping, frame(0x80, rest)),
    scene(1, connect, frame(0x88, Buffer.from([3, 232, 98, 121, 101]))),
    scene(0, frame(0x81, Buffer.from("text"))),
    scene(9, connect, frame(0x82, Buffer.alloc(200)), frame(0x8a, Buffer.alloc(0)), ping),
    scene(2, frame(0x02, Buffer.alloc(150)), frame(0x00, Buffer.alloc(150)), frame(0x80, Buffer.alloc(1))),
  ];
}

export const target: Target = {
  name: "websocket",
  inputBytesMax: 384,
  seeds,
  dictionary: [
    frame(0x82, Buffer.from([0xc0, 0])),
    frame(0x00, Buffer.from("x")),
    frame(0x89, Buffer.alloc(0)),
    frame(0x88, Buffer.from([3, 233])),
    frame(0x88, Buffer.alloc(0)),
    Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from([0xfe, 0, 200]),
  ],
  run,
};
