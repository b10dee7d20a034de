/**
 * MQTT over WebSocket as a stranger sees it: a good handshake, then any bytes, in pieces as the first byte says. Frames with a mask of zeros in the seeds,
 * so that what is changed in a payload is changed behind the frame too. The server's own frames are whole and unmasked; nothing is left behind.
 */
import { connectPacket, publishPacket, subscribePacket } from "../../mqtt/support/raw-client.js";
import { serverFrames } from "../../support/websocket-frames.js";
import { leave, mustHaveLoggedNothing, NodeForInputs, say, untilGone } from "../edges.js";
import { must, type Target } from "../target.js";

const OPENING = Buffer.from(
  "GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
);
const TURNS = 8;
/** Codes that our side ends with: ours, and those of broken frames (RFC 6455, 7.4.1). */
const CLOSE_CODES: ReadonlySet<number> = new Set([1000, 1001, 1002, 1003, 1007, 1008, 1009]);

const nodes = new NodeForInputs({ hasHttp: true });

function frame(first: number, payload: Buffer): Buffer {
  const length =
    payload.length < 126 ? [payload.length | 128] : [126 | 128, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([first, ...length, 0, 0, 0, 0]), payload]);
}

async function run(input: Buffer): Promise<void> {
  const [pieces = 0] = input;
  const node = await nodes.next();
  try {
    const socket = node.connect();
    await say(socket, OPENING, OPENING.length, 2);
    const head = socket.received.toString("latin1");
    must(head.startsWith("HTTP/1.1 101 ") && head.endsWith("\r\n\r\n"), "the handshake failed");
    await say(socket, input.subarray(1), 1 + pieces * 4, TURNS);
    for (const { opcode, payload } of serverFrames(socket.received.subarray(head.length))) {
      must(opcode === 2 || opcode === 8 || opcode === 10, `a frame of opcode ${opcode}`);
      if (opcode === 8 && payload.length > 1) checkClose(payload.readUInt16BE(0), input);
    }
    await leave(socket);
    await untilGone(node);
    mustHaveLoggedNothing(node);
  } catch (error) {
    nodes.forget();
    throw error;
  }
}

/** One that the stranger sent is sent back. */
function checkClose(code: number, input: Buffer): void {
  const isEcho = input.some((byte, at) => byte === code >> 8 && input[at + 1] === (code & 255));
  must(CLOSE_CODES.has(code) || isEcho || code >= 3_000, `closed with ${code}`);
}

export const target: Target = {
  name: "websocket",
  inputBytesMax: 512,
  seeds: () => {
    const connect = frame(0x82, connectPacket("ws"));
    const talk = frame(0x82, Buffer.concat([subscribePacket(1, 1, "a"), publishPacket("a", "x")]));
    const [first, rest] = [connectPacket("ws").subarray(0, 5), connectPacket("ws").subarray(5)];
    return [
      Buffer.concat([Buffer.from([255]), connect, talk]),
      Buffer.concat([
        Buffer.from([255]),
        frame(0x02, first),
        frame(0x89, Buffer.from("ping")),
        frame(0x80, rest),
      ]),
      Buffer.concat([Buffer.from([0]), connect, frame(0x88, Buffer.from([3, 232]))]),
      Buffer.concat([Buffer.from([255]), frame(0x81, Buffer.from("text"))]),
      Buffer.concat([
        Buffer.from([255]),
        connect,
        frame(0x82, Buffer.alloc(200)),
        frame(0x8a, Buffer.alloc(0)),
      ]),
    ];
  },
  dictionary: [
    frame(0x82, Buffer.from([0xc0, 0])),
    frame(0x00, Buffer.from("x")),
    frame(0x89, Buffer.alloc(0)),
    frame(0x88, Buffer.from([3, 233])),
    Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
  ],
  run,
};
