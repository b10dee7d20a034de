/** Any bytes at all give a value or a refusal: nothing else is thrown, nothing is read beyond a packet's end, no packet costs more than its length. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { readMessageProperties } from "../../../../src/edges/message-properties.js";
import { Framer } from "../../../../src/edges/mqtt/framer.js";
import { decodeConnect, readLevel } from "../../../../src/edges/mqtt/packets/connect.js";
import { checkHeader } from "../../../../src/edges/mqtt/packets/fixed-header.js";
import { PacketType } from "../../../../src/edges/mqtt/packets/protocol.js";
import { readPublish } from "../../../../src/edges/mqtt/packets/publish.js";
import { limits } from "../../../../src/limits.js";
import { decodeSimple } from "../../../mqtt/support/decode-simple.js";
import { bytes, packet, text } from "../../../mqtt/support/raw-client.js";
import { GOOD_PACKETS } from "./good-packets.js";
import { refusalOr } from "./outcome.js";

type Level = 4 | 5;

/** What the connection does with a packet, without what comes of it. */
function decode(level: Level, first: number, chunk: Buffer, start: number, end: number): unknown {
  const type = first >> 4;
  switch (type) {
    case PacketType.Connect: {
      const asked = readLevel(chunk, start, end);
      return asked === 4 || asked === 5 ? decodeConnect(asked, chunk, start, end) : asked;
    }
    case PacketType.Publish: {
      const read = readPublish(level, first, chunk, start, end);
      // Edges trust what they let in.
      readMessageProperties(read.properties);
      return read;
    }
    default:
      return decodeSimple(level, type, chunk, start, end);
  }
}

/** All packets of a chunk, up to the first that is refused. */
function read(level: Level, chunk: Buffer): unknown[] {
  const found: unknown[] = [];
  const framer = new Framer({
    header: (first, length) => checkHeader(level, first, length, 1_000_000),
    frame: (first, received, start, end) => {
      found.push(structuredClone(decode(level, first, received, start, end)));
    },
  });
  found.push(refusalOr(() => framer.push(chunk)));
  return found;
}

const level = fc.constantFrom<Level>(4, 5);
const good = level.chain((one) =>
  fc.record({ level: fc.constant(one), packet: fc.constantFrom(...GOOD_PACKETS[one]) }),
);
/** Where, and what comes there. */
const changes = fc.array(fc.record({ at: fc.nat(200), byte: fc.integer({ min: 0, max: 255 }) }), {
  minLength: 1,
  maxLength: 4,
});

it("the good packets are good", () => {
  for (const one of [4, 5] as const) {
    for (const whole of GOOD_PACKETS[one]) expect(read(one, whole)).toEqual([expect.anything(), undefined]);
  }
});

it("random bytes", () => {
  fc.assert(
    fc.property(level, fc.uint8Array({ maxLength: 64 }), (one, chunk) => {
      read(one, Buffer.from(chunk));
    }),
    { numRuns: 5_000 },
  );
});

it("random bytes under every good header", () => {
  const first = fc.constantFrom(0x10, 0x30, 0x32, 0x40, 0x62, 0x82, 0xa2, 0xe0, 0xf0);
  fc.assert(
    fc.property(level, first, fc.uint8Array({ maxLength: 64 }), (one, header, body) => {
      read(one, packet(header, Buffer.from(body)));
    }),
    { numRuns: 10_000 },
  );
});

it("good packets with a few bytes changed", () => {
  fc.assert(
    fc.property(good, changes, (given, edits) => {
      const changed = Buffer.from(given.packet);
      for (const { at, byte } of edits) changed[at % changed.length] = byte;
      read(given.level, changed);
    }),
    { numRuns: 20_000 },
  );
});

it("good packets cut short or with bytes put in, under a header that fits", () => {
  fc.assert(
    fc.property(
      good,
      fc.nat(200),
      fc.uint8Array({ maxLength: 4 }),
      fc.boolean(),
      (given, place, inserted, isCut) => {
        const body = given.packet.subarray(2);
        const at = body.length === 0 ? 0 : place % body.length;
        const rest = isCut ? Buffer.alloc(0) : body.subarray(at);
        const first = given.packet[0] ?? 0;
        read(given.level, packet(first, body.subarray(0, at), Buffer.from(inserted), rest));
      },
    ),
    { numRuns: 10_000 },
  );
});

it("what comes behind a packet never changes what it says", () => {
  fc.assert(
    fc.property(good, fc.uint8Array({ maxLength: 8 }), (given, more) => {
      const [alone] = read(given.level, given.packet);
      const [first] = read(given.level, Buffer.concat([given.packet, Buffer.from(more)]));
      expect(first).toEqual(alone);
    }),
  );
});

it("the longest packets there may be, made of the smallest pieces", () => {
  const times = (piece: string, room: number): Buffer => {
    const one = bytes(piece);
    return Buffer.concat(Array.from({ length: Math.floor(room / one.length) }, () => one));
  };
  const section = (content: Buffer): Buffer => {
    const { length } = content;
    const prefix = Buffer.from([(length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14]);
    return Buffer.concat([prefix, content]);
  };
  const pairs = times("26 00 00 00 00", limits.connectPacketBytesMax - 100);
  const filters = times("00 01 'a' 00", limits.subscribePacketBytesMax - 100);
  expect(read(5, packet(0x10, bytes("00 04 'MQTT' 05 02 00 3c"), section(pairs), text("ab")))).toHaveLength(
    2,
  );
  expect(read(5, packet(0x40, bytes("00 01 00"), section(pairs)))).toHaveLength(2);
  expect(read(5, packet(0x30, text("a"), section(pairs)))).toHaveLength(2);
  expect(read(5, packet(0x82, bytes("00 01 00"), filters))).toEqual([
    { code: "too_many_subscriptions", reason: 0x97 },
  ]);
});
