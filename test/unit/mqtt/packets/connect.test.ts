/** CONNECT (MQTT 3.1.1 and 5.0, 3.1), bytes to values. What a running server answers is in test/mqtt/. */
import { describe, expect, it } from "vitest";
import { SESSION_NEVER_EXPIRES } from "../../../../src/commands/command.js";
import { decodeConnect, readLevel } from "../../../../src/edges/mqtt/packets/connect.js";
import { limits } from "../../../../src/limits.js";
import { bytes, text } from "../../../mqtt/support/raw-client.js";
import { MALFORMED, outcome, type Refusal } from "./outcome.js";

const connect = (level: 4 | 5, script: string | Buffer) =>
  outcome(script, (...range) => decodeConnect(level, ...range));

/** What a client gets that says as little as it can. */
const PLAIN = {
  clientId: "ab",
  cleanStart: true,
  keepAliveSeconds: 60,
  expirySeconds: 0,
  receiveMax: 65_535,
  packetBytesMax: Number.POSITIVE_INFINITY,
  topicAliasMax: 0,
  wantsResponseInformation: false,
  wantsProblemInformation: true,
  authMethod: null,
  authData: null,
  userName: null,
  password: null,
  will: null,
};

const WILL = {
  topic: "t",
  payload: Buffer.from("w"),
  contentType: "",
  qos: 0,
  retain: false,
  properties: new Uint8Array(0),
  expirySeconds: 0,
  delaySeconds: 0,
};

const REJECTED: Refusal = { code: "identifier_rejected", reason: 0x85 };

describe("the protocol and its level (3.1.2.1, 3.1.2.2)", () => {
  it.each([
    ["3.1.1", "00 04 'MQTT' 04", 4],
    ["5.0", "00 04 'MQTT' 05", 5],
    ["3.1", "00 06 'MQIsdp' 03", "older"],
    ["3.1.1 under the name of 3.1", "00 06 'MQIsdp' 04", "older"],
    ["3 under the name of 3.1.1", "00 04 'MQTT' 03", "older"],
    ["3.1.1 as some bridges have it", "00 04 'MQTT' 84", "older"],
    ["6", "00 04 'MQTT' 06", "unknown"],
    ["5.0 as no bridge has it", "00 04 'MQTT' 85", "unknown"],
  ])("%s", (_what, script, level) => {
    expect(outcome(script, readLevel)).toBe(level);
  });

  it.each([
    ["another protocol (MQTT-3.1.2-1)", "00 04 'MOTT' 04", "protocol_violation"],
    ["a name in another case", "00 04 'mqtt' 04", "protocol_violation"],
    ["a shorter name", "00 03 'MQT' 04", "protocol_violation"],
    ["no name", "00 00 04", "protocol_violation"],
    ["no level", "00 04 'MQTT'", "malformed_packet"],
    ["a name beyond the end", "00 09 'MQTT' 04", "malformed_packet"],
    ["one byte", "00", "malformed_packet"],
    ["nothing", "", "malformed_packet"],
  ])("%s is closed without a word", (_what, script, code) => {
    expect(outcome(script, readLevel)).toEqual({ code, reason: null });
  });
});

describe("3.1.1", () => {
  it.each([
    ["a clean session", "02 00 3c 00 02 'ab'", {}],
    [
      "a session for ever (3.1.2.4)",
      "00 00 3c 00 02 'ab'",
      { cleanStart: false, expirySeconds: SESSION_NEVER_EXPIRES },
    ],
    ["no client id with a clean session (MQTT-3.1.3-6)", "02 00 3c 00 00", { clientId: "" }],
    ["no keep-alive", "02 00 00 00 02 'ab'", { keepAliveSeconds: 0 }],
    ["the longest keep-alive", "02 ff ff 00 02 'ab'", { keepAliveSeconds: 65_535 }],
    ["a user name", "82 00 3c 00 02 'ab' 00 01 'u'", { userName: "u" }],
    ["an empty user name", "82 00 3c 00 02 'ab' 00 00", { userName: "" }],
    [
      "a password of any bytes",
      "c2 00 3c 00 02 'ab' 00 01 'u' 00 02 00 ff",
      { userName: "u", password: bytes("00 ff") },
    ],
    ["a will", "06 00 3c 00 02 'ab' 00 01 't' 00 01 'w'", { will: WILL }],
    [
      "a retained will at QoS 2",
      "36 00 3c 00 02 'ab' 00 01 't' 00 00",
      { will: { ...WILL, qos: 2, retain: true, payload: Buffer.alloc(0) } },
    ],
    [
      "will and user name, in that order (3.1.3)",
      "8e 00 3c 00 02 'ab' 00 01 't' 00 01 'w' 00 01 'u'",
      { userName: "u", will: { ...WILL, qos: 1 } },
    ],
  ])("takes %s", (_what, script, wanted) => {
    expect(connect(4, `00 04 'MQTT' 04 ${script}`)).toEqual({ level: 4, ...PLAIN, ...wanted });
  });

  it.each([
    ["no client id without a clean session (MQTT-3.1.3-8)", "00 00 3c 00 00", REJECTED],
    ["a client id with a control character", "02 00 3c 00 02 'a' 07", REJECTED],
    ["a client id with a non-character", "02 00 3c 00 04 'a' ef bf bf", REJECTED],
    ["a client id with NUL (MQTT-1.5.3-2)", "02 00 3c 00 02 'a' 00", MALFORMED],
    ["a client id that is not UTF-8 (MQTT-1.5.3-1)", "02 00 3c 00 02 c3 28", MALFORMED],
    ["its reserved flag (MQTT-3.1.2-3)", "03 00 3c 00 02 'ab'", MALFORMED],
    ["will QoS without a will (MQTT-3.1.2-13)", "0a 00 3c 00 02 'ab'", MALFORMED],
    ["will retain without a will (MQTT-3.1.2-15)", "22 00 3c 00 02 'ab'", MALFORMED],
    ["will QoS 3 (MQTT-3.1.2-14)", "1e 00 3c 00 02 'ab' 00 01 't' 00 01 'w'", MALFORMED],
    ["a will without topic or payload (MQTT-3.1.2-9)", "06 00 3c 00 02 'ab'", MALFORMED],
    ["a will without payload (MQTT-3.1.2-9)", "06 00 3c 00 02 'ab' 00 01 't'", MALFORMED],
    [
      "a will to a wildcard",
      "06 00 3c 00 02 'ab' 00 01 '#' 00 01 'w'",
      { code: "invalid_topic", reason: 0x90 },
    ],
    [
      "a will to a topic of the broker's own",
      "06 00 3c 00 02 'ab' 00 04 '$SYS' 00 01 'w'",
      { code: "invalid_topic", reason: 0x90 },
    ],
    ["a will topic with a control character", "06 00 3c 00 02 'ab' 00 02 't' 07 00 01 'w'", MALFORMED],
    ["a user name that is missing (MQTT-3.1.2-19)", "82 00 3c 00 02 'ab'", MALFORMED],
    ["a user name that is not announced (MQTT-3.1.2-18)", "02 00 3c 00 02 'ab' 00 01 'u'", MALFORMED],
    ["a user name that is not UTF-8 (MQTT-3.1.3-11)", "82 00 3c 00 02 'ab' 00 01 ff", MALFORMED],
    ["a password without a user name (MQTT-3.1.2-22)", "42 00 3c 00 02 'ab' 00 01 'p'", MALFORMED],
    ["a password that is missing (MQTT-3.1.2-21)", "c2 00 3c 00 02 'ab' 00 01 'u'", MALFORMED],
    ["no client id field", "02 00 3c", MALFORMED],
    ["half a keep-alive", "02 00", MALFORMED],
    ["no flags", "", MALFORMED],
  ])("refuses %s", (_what, script, refusal) => {
    expect(connect(4, `00 04 'MQTT' 04 ${script}`)).toEqual(refusal);
  });

  it("takes client ids up to the ceiling", () => {
    const head = bytes("00 04 'MQTT' 04 02 00 3c");
    const longest = "é".repeat(limits.clientIdBytesMax / 2);
    expect(connect(4, Buffer.concat([head, text(longest)]))).toMatchObject({ clientId: longest });
    expect(connect(4, Buffer.concat([head, text(`${longest}x`)]))).toEqual(REJECTED);
  });
});

describe("5.0", () => {
  it.each([
    ["nothing that it need not say", "02 00 3c 00 00 02 'ab'", {}],
    ["a session that ends with the connection", "00 00 3c 00 00 02 'ab'", { cleanStart: false }],
    [
      "a session that never ends",
      "00 00 3c 05 11 ff ff ff ff 00 02 'ab'",
      { cleanStart: false, expirySeconds: SESSION_NEVER_EXPIRES },
    ],
    [
      "limits",
      "02 00 3c 0b 21 00 09 22 00 07 27 ff ff ff ff 00 02 'ab'",
      { receiveMax: 9, topicAliasMax: 7, packetBytesMax: 0xffff_ffff },
    ],
    [
      "wishes",
      "02 00 3c 04 17 00 19 01 00 02 'ab'",
      { wantsProblemInformation: false, wantsResponseInformation: true },
    ],
    [
      "enhanced authentication",
      "02 00 3c 08 15 00 01 'm' 16 00 01 ff 00 02 'ab'",
      { authMethod: "m", authData: bytes("ff") },
    ],
    ["no client id, and no clean start (3.1.3.1)", "00 00 3c 00 00 00", { clientId: "", cleanStart: false }],
    [
      "a password without a user name (3.1.2.9)",
      "42 00 3c 00 00 02 'ab' 00 01 'p'",
      { password: Buffer.from("p") },
    ],
    ["a will without properties", "06 00 3c 00 00 02 'ab' 00 00 01 't' 00 01 'w'", { will: WILL }],
    [
      "a will with all properties (3.1.3.2)",
      "06 00 3c 00 00 02 'ab' 1f 01 01 02 00 00 00 09 03 00 01 'c' 08 00 01 'r' 09 00 01 ff 18 00 00 00 03 26 00 01 'a' 00 01 'b' 00 01 't' 00 01 'w'",
      {
        will: {
          ...WILL,
          contentType: "c",
          expirySeconds: 9,
          delaySeconds: 3,
          properties: Uint8Array.from(bytes("01 01 08 00 01 'r' 09 00 01 ff 26 00 01 'a' 00 01 'b'")),
        },
      },
    ],
    [
      "a will that expires at once, which lives as short as a will can",
      "06 00 3c 00 00 02 'ab' 05 02 00 00 00 00 00 01 't' 00 01 'w'",
      { will: { ...WILL, expirySeconds: 1 } },
    ],
  ])("takes %s", (_what, script, wanted) => {
    expect(connect(5, `00 04 'MQTT' 05 ${script}`)).toEqual({ level: 5, ...PLAIN, ...wanted });
  });

  it.each([
    [
      "a client id with NUL (MQTT-1.5.4-2)",
      "02 00 3c 00 00 02 'a' 00",
      { code: "malformed_packet", reason: 0x85 },
    ],
    ["a client id with a control character", "02 00 3c 00 00 02 'a' 07", REJECTED],
    [
      "a payload of the will that is said to be UTF-8 and is not (3.1.3.2.3)",
      "06 00 3c 00 00 02 'ab' 02 01 01 00 01 't' 00 01 ff",
      { code: "payload_format_invalid", reason: 0x99 },
    ],
    ["no properties of the will", "06 00 3c 00 00 02 'ab' 00 01 't' 00 01 'w'", MALFORMED],
    ["no property length", "02 00 3c", MALFORMED],
    ["bytes left over", "02 00 3c 00 00 02 'ab' 00", MALFORMED],
  ])("refuses %s", (_what, script, refusal) => {
    expect(connect(5, `00 04 'MQTT' 05 ${script}`)).toEqual(refusal);
  });

  it("keeps nothing of the packet's bytes", () => {
    const packet = bytes(
      "00 04 'MQTT' 05 c6 00 3c 08 15 00 01 'm' 16 00 01 'd' 00 02 'ab' 04 09 00 01 'c' 00 01 't' 00 01 'w' 00 01 'u' 00 01 'p'",
    );
    const connectPacket = decodeConnect(5, packet, 0, packet.length);
    packet.fill(0);
    expect(connectPacket).toMatchObject({ authData: Buffer.from("d"), password: Buffer.from("p") });
    expect(connectPacket.will).toMatchObject({
      payload: Buffer.from("w"),
      properties: Uint8Array.from(bytes("09 00 01 'c'")),
    });
  });

  it("holds the ceilings of a will's properties", () => {
    const head = bytes("00 04 'MQTT' 05 06 00 3c 00 00 02 'ab'");
    const type = text("t".repeat(limits.contentTypeBytesMax + 1));
    const body = Buffer.concat([head, Buffer.from([0x84, 0x02, 0x03]), type, bytes("00 01 't' 00 01 'w'")]);
    expect(connect(5, body)).toEqual({ code: "properties_too_large", reason: 0x97 });
  });
});
