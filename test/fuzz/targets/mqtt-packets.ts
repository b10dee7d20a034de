/**
 * Packets of MQTT 3.1.1 and 5.0 out of a stream: the first byte says the level and how the rest is cut into chunks. Whatever the cuts, the
 * packets are the same; only `PacketRefused` is thrown; properties that are let in can be read by everybody behind.
 */
import { isDeepStrictEqual } from "node:util";
import {
  buildMessageProperties,
  type MessageProperties,
  readMessageProperties,
} from "../../../src/edges/message-properties.js";
import { Framer } from "../../../src/edges/mqtt/framer.js";
import { decodeConnect, readLevel } from "../../../src/edges/mqtt/packets/connect.js";
import { checkHeader, checkLength } from "../../../src/edges/mqtt/packets/fixed-header.js";
import { PacketType } from "../../../src/edges/mqtt/packets/protocol.js";
import { readPublish } from "../../../src/edges/mqtt/packets/publish.js";
import { PacketRefused } from "../../../src/edges/mqtt/refusal.js";
import { decodeSimple } from "../../mqtt/support/decode-simple.js";
import { GOOD_PACKETS } from "../../unit/mqtt/packets/good-packets.js";
import { must, type Target } from "../target.js";

type Level = 4 | 5;

const PAYLOAD_BYTES_MAX = 100_000;

/** What edges rely on for what they let in: it can be read, and is the same when it was written again. */
function checkProperties(properties: Uint8Array): void {
  const read = readMessageProperties(properties);
  const again = readMessageProperties(buildMessageProperties(read));
  must(isDeepStrictEqual(plain(again), plain(read)), "properties change when they are written");
}

function plain(read: MessageProperties): object {
  const { correlationData } = read;
  return { ...read, correlationData: correlationData === null ? null : Buffer.from(correlationData) };
}

/** What the connection does with a packet, without what comes of it. */
function decode(level: Level, first: number, chunk: Buffer, start: number, end: number): unknown {
  const type = first >> 4;
  switch (type) {
    case PacketType.Connect: {
      const asked = readLevel(chunk, start, end);
      if (asked !== 4 && asked !== 5) return asked;
      const connect = decodeConnect(asked, chunk, start, end);
      if (connect.will !== null) checkProperties(connect.will.properties);
      return connect;
    }
    case PacketType.Publish: {
      const { topicStart, topicEnd, payload, properties, ...read } = readPublish(
        level,
        first,
        chunk,
        start,
        end,
      );
      must(topicStart <= topicEnd && topicEnd <= end, "a topic outside its packet");
      must(payload.length <= end - start, "a payload longer than its packet");
      checkProperties(properties);
      return { ...read, properties, payload, topic: chunk.subarray(topicStart, topicEnd) };
    }
    default:
      return decodeSimple(level, type, chunk, start, end);
  }
}

/** All packets of some chunks, up to the first that is refused, and then the refusal. */
function read(level: Level, chunks: readonly Buffer[]): unknown[] {
  const found: unknown[] = [];
  const framer = new Framer({
    header: (first, length, lengthBytes) => {
      checkHeader(level, first, length, PAYLOAD_BYTES_MAX);
      checkLength(level, length, lengthBytes);
    },
    frame: (first, received, start, end) => {
      found.push(decode(level, first, received, start, end));
    },
  });
  try {
    for (const chunk of chunks) framer.push(chunk);
  } catch (error) {
    if (!(error instanceof PacketRefused)) throw error;
    found.push([error.code, error.reason]);
  }
  return found;
}

function cut(bytes: Buffer, pieceBytes: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  return pieces;
}

export const target: Target = {
  name: "mqtt-packets",
  inputBytesMax: 1_024,
  seeds: () =>
    ([4, 5] as const).flatMap((level) => [
      ...GOOD_PACKETS[level].map((packet, i) => Buffer.concat([Buffer.from([level + 2 * i]), packet])),
      Buffer.concat([Buffer.from([level]), ...GOOD_PACKETS[level]]),
    ]),
  dictionary: [
    "MQTT",
    "MQIsdp",
    "$share/g/a",
    "a/+/#",
    "\u0000",
    "\uffff",
    Buffer.from([0xed, 0xa0, 0x80]),
    Buffer.from([0x26]),
  ],
  run: (input) => {
    const [choice = 0] = input;
    const level = (choice & 1) === 0 ? 4 : 5;
    const bytes = input.subarray(1);
    const whole = read(level, [bytes]);
    const pieces = read(level, cut(bytes, 1 + (choice >> 1)));
    must(isDeepStrictEqual(whole, pieces), "cut into other chunks, the bytes are other packets");
  },
};
