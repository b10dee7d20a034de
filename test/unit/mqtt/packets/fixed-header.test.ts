/** Fixed headers (MQTT 3.1.1, 2.2; 5.0, 2.1): every first byte, and lengths. */
import { describe, expect, it } from "vitest";
import { checkHeader, checkLength, packetBytesMax } from "../../../../src/edges/mqtt/packets/fixed-header.js";
import { limits } from "../../../../src/limits.js";
import { MALFORMED, PROTOCOL_ERROR, refusalOr } from "./outcome.js";

const PAYLOAD_MAX = 1_000_000;
const check = (level: 4 | 5, first: number, length: number) =>
  refusalOr(() => {
    checkHeader(level, first, length, PAYLOAD_MAX);
    return "good";
  });

/** What a client may send, with a length that the type may have in both levels. */
const GOOD: ReadonlyMap<number, number> = new Map([
  [0x10, 20],
  [0x30, 20],
  [0x31, 20],
  [0x32, 20],
  [0x33, 20],
  [0x34, 20],
  [0x35, 20],
  [0x3a, 20],
  [0x3b, 20],
  [0x3c, 20],
  [0x3d, 20],
  [0x40, 2],
  [0x50, 2],
  [0x62, 2],
  [0x70, 2],
  [0x82, 20],
  [0xa2, 20],
  [0xc0, 0],
  [0xe0, 0],
]);
/** Sent by servers alone. */
const FROM_SERVERS = [0x20, 0x90, 0xb0, 0xd0];

describe.each([4, 5] as const)("level %i", (level) => {
  it("judges every first byte", () => {
    for (let first = 0; first < 256; first += 1) {
      const type = first >> 4;
      const isReserved = type === 0 || (type === 15 && level === 4);
      const isGood = GOOD.has(first) || (first === 0xf0 && level === 5);
      const wanted = isGood
        ? "good"
        : isReserved
          ? { ...MALFORMED, reason: 0x82 }
          : FROM_SERVERS.includes(first)
            ? PROTOCOL_ERROR
            : MALFORMED;
      expect([first, check(level, first, GOOD.get(first) ?? 0)]).toEqual([first, wanted]);
    }
  });
});

describe("lengths", () => {
  it.each([
    [0, 1, true],
    [127, 1, true],
    [127, 2, false],
    [128, 2, true],
    [16_383, 3, false],
    [16_384, 3, true],
    [2_097_151, 4, false],
    [2_097_152, 4, true],
    [268_435_455, 4, true],
  ])(
    "%i in %i bytes of its own, in 5.0: %s (MQTT-1.5.5-1); 3.1.1 does not mind",
    (length, lengthBytes, isGood) => {
      const say = (level: 4 | 5) => refusalOr(() => checkLength(level, length, lengthBytes));
      expect([say(4), say(5)]).toEqual([undefined, isGood ? undefined : MALFORMED]);
    },
  );

  it.each([
    ["PUBACK", 0x40],
    ["PUBREC", 0x50],
    ["PUBREL", 0x62],
    ["PUBCOMP", 0x70],
  ])("%s of 3.1.1 has two bytes", (_name, first) => {
    expect([1, 3].map((length) => check(4, first, length))).toEqual([MALFORMED, MALFORMED]);
    expect(check(5, first, 3)).toBe("good");
  });

  it("PINGREQ has none (3.12), DISCONNECT of 3.1.1 neither (3.14)", () => {
    expect([4, 5].map((level) => check(level === 4 ? 4 : 5, 0xc0, 1))).toEqual([MALFORMED, MALFORMED]);
    expect(check(4, 0xe0, 1)).toEqual(MALFORMED);
    expect(check(5, 0xe0, 1)).toBe("good");
  });

  it("PUBLISH is as long as topic, packet id, properties and payload may be", () => {
    const longest = PAYLOAD_MAX + limits.topicBytesMax + 4;
    const withProperties = longest + 4 + limits.messagePropertiesBytesMax;
    const refusal = { code: "packet_too_large", reason: 0x95 };
    expect([check(4, 0x30, longest), check(4, 0x30, longest + 1)]).toEqual(["good", refusal]);
    expect([check(5, 0x30, withProperties), check(5, 0x30, withProperties + 1)]).toEqual(["good", refusal]);
    expect(packetBytesMax(PAYLOAD_MAX)).toBe(withProperties + 5);
  });

  it.each([
    ["CONNECT", 0x10, limits.connectPacketBytesMax],
    ["PUBACK", 0x40, limits.connectPacketBytesMax],
    ["DISCONNECT", 0xe0, limits.connectPacketBytesMax],
    ["AUTH", 0xf0, limits.connectPacketBytesMax],
    ["SUBSCRIBE", 0x82, limits.subscribePacketBytesMax],
    ["UNSUBSCRIBE", 0xa2, limits.subscribePacketBytesMax],
  ])(
    "%s has a ceiling of its own below Maximum Packet Size: that is a quota, and not the size",
    (_name, first, ceiling) => {
      expect(check(5, first, ceiling)).toBe("good");
      expect(check(5, first, ceiling + 1)).toEqual({ code: "packet_too_large", reason: 0x97 });
      expect(check(5, first, 0xfff_ffff)).toEqual({ code: "packet_too_large", reason: 0x95 });
    },
  );
});
