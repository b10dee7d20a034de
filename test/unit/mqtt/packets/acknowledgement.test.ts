/** PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 3.1.1 and 5.0, 3.4 to 3.7), both ways. */
import { describe, expect, it } from "vitest";
import {
  ACK_BYTES_MAX,
  decodeAck,
  encodeAck,
  encodeAckWithWords,
  writeAck,
} from "../../../../src/edges/mqtt/packets/acknowledgement.js";
import { PacketType } from "../../../../src/edges/mqtt/packets/protocol.js";
import { Reason } from "../../../../src/edges/mqtt/packets/reason-codes.js";
import { bytes } from "../../../mqtt/support/raw-client.js";
import { MALFORMED, outcome, PROTOCOL_ERROR } from "./outcome.js";

const TYPES = [
  ["PUBACK", PacketType.Puback, "40", [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
  ["PUBREC", PacketType.Pubrec, "50", [0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]],
  ["PUBREL", PacketType.Pubrel, "62", [0, 0x92]],
  ["PUBCOMP", PacketType.Pubcomp, "70", [0, 0x92]],
] as const;

describe.each(TYPES)("%s", (_name, type, first, allowed) => {
  const decode = (level: 4 | 5, body: string | Buffer) =>
    outcome(body, (...range) => decodeAck(level, type, ...range));

  it("is a packet id in 3.1.1", () => {
    expect(decode(4, "12 34")).toEqual({ packetId: 0x1234, reason: 0 });
    expect(encodeAck(4, type, 0x1234)).toEqual(bytes(`${first} 02 12 34`));
    // There is no room for anything else.
    expect(encodeAck(4, type, 0x1234, Reason.QuotaExceeded)).toEqual(bytes(`${first} 02 12 34`));
  });

  it.each([
    ["a packet id alone: success", "12 34", 0],
    ["a reason", "12 34 00", 0],
    ["no properties", "12 34 92 00", 0x92],
    ["a reason string", "12 34 00 06 1f 00 03 'why'", 0],
    ["a user property", "12 34 00 07 26 00 01 'a' 00 01 'b'", 0],
  ])("has %s in 5.0", (_what, script, reason) => {
    const fitting = reason !== 0 && allowed.length > 2 ? script.replace("92", "97") : script;
    expect(decode(5, fitting)).toEqual({ packetId: 0x1234, reason: fitting === script ? reason : 0x97 });
  });

  it("has the reasons of the standard and no other", () => {
    for (let reason = 0; reason < 256; reason += 1) {
      const isAllowed = (allowed as readonly number[]).includes(reason);
      expect(decode(5, Buffer.from([0, 1, reason]))).toEqual(
        isAllowed ? { packetId: 1, reason } : PROTOCOL_ERROR,
      );
    }
  });

  it.each([
    ["packet id 0 (MQTT-2.2.1-3)", 5, "00 00 00", PROTOCOL_ERROR],
    ["packet id 0 (MQTT-2.3.1-1)", 4, "00 00", PROTOCOL_ERROR],
    ["half a packet id", 4, "12", MALFORMED],
    ["half a packet id", 5, "12", MALFORMED],
    ["nothing", 5, "", MALFORMED],
    ["a reason in 3.1.1", 4, "12 34 00", MALFORMED],
    ["properties beyond the end", 5, "12 34 00 01", MALFORMED],
    ["bytes after its properties", 5, "12 34 00 00 00", MALFORMED],
  ] as const)("may not have %s", (_what, level, script, refusal) => {
    expect(decode(level, script)).toEqual(refusal);
  });

  it("is written without the reason when that is success (3.4.2.1)", () => {
    expect(encodeAck(5, type, 0x1234)).toEqual(bytes(`${first} 02 12 34`));
    expect(encodeAck(5, type, 0x1234, Reason.PacketIdentifierNotFound)).toEqual(
      bytes(`${first} 03 12 34 92`),
    );
  });

  it("is written with words", () => {
    const packet = encodeAckWithWords(type, 0x1234, Reason.QuotaExceeded, "why");
    expect(packet).toEqual(bytes(`${first} 0a 12 34 97 06 1f 00 03 'why'`));
  });

  it("is written one behind the other", () => {
    const target = Buffer.alloc(2 * ACK_BYTES_MAX);
    const middle = writeAck(target, 0, 5, type, 1, Reason.Success);
    const end = writeAck(target, middle, 5, type, 2, Reason.QuotaExceeded);
    expect(target.subarray(0, end)).toEqual(bytes(`${first} 02 00 01 ${first} 03 00 02 97`));
  });
});
