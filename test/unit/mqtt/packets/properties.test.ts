/** Properties (MQTT 5.0, 2.2.2): every identifier in every packet that a client sends, and everything that can be wrong with one. */
import { describe, expect, it } from "vitest";
import { decodeAck } from "../../../../src/edges/mqtt/packets/acknowledgement.js";
import { decodeAuth } from "../../../../src/edges/mqtt/packets/auth.js";
import { decodeConnect } from "../../../../src/edges/mqtt/packets/connect.js";
import { decodeDisconnect } from "../../../../src/edges/mqtt/packets/disconnect.js";
import { readPublish } from "../../../../src/edges/mqtt/packets/publish.js";
import { decodeSubscribe } from "../../../../src/edges/mqtt/packets/subscribe.js";
import { decodeUnsubscribe } from "../../../../src/edges/mqtt/packets/unsubscribe.js";
import { bytes } from "../../../mqtt/support/raw-client.js";
import { type Decode, MALFORMED, outcome, PROTOCOL_ERROR, section } from "./outcome.js";

/** A packet that is complete but for its properties. */
interface Carrier {
  readonly before: string;
  readonly after: string;
  readonly decode: Decode<unknown>;
  /** Identifiers that it may have (table 2-4), User Property aside, which all have. */
  readonly may: readonly number[];
  readonly misplaced: typeof MALFORMED;
}

const connect: Decode<unknown> = (...range) => decodeConnect(5, ...range);
const ack =
  (type: 4 | 5 | 6 | 7): Decode<unknown> =>
  (...range) =>
    decodeAck(5, type, ...range);
const acknowledgement = { before: "00 01 00", after: "", may: [0x1f], misplaced: PROTOCOL_ERROR };
const carriers: Readonly<Record<string, Carrier>> = {
  CONNECT: {
    before: "00 04 'MQTT' 05 02 00 3c",
    after: "00 01 'c'",
    decode: connect,
    may: [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x27],
    misplaced: PROTOCOL_ERROR,
  },
  "the will": {
    before: "00 04 'MQTT' 05 06 00 3c 00 00 01 'c'",
    after: "00 01 't' 00 01 'w'",
    decode: connect,
    may: [0x01, 0x02, 0x03, 0x08, 0x09, 0x18],
    misplaced: PROTOCOL_ERROR,
  },
  PUBLISH: {
    before: "00 01 't'",
    after: "'payload'",
    decode: (...range) => readPublish(5, 0x30, ...range),
    may: [0x01, 0x02, 0x03, 0x08, 0x09, 0x23],
    misplaced: PROTOCOL_ERROR,
  },
  PUBACK: { ...acknowledgement, decode: ack(4) },
  PUBREC: { ...acknowledgement, decode: ack(5) },
  PUBREL: { ...acknowledgement, decode: ack(6) },
  PUBCOMP: { ...acknowledgement, decode: ack(7) },
  SUBSCRIBE: {
    before: "00 01",
    after: "00 01 'f' 00",
    decode: (...range) => decodeSubscribe(5, ...range),
    may: [0x0b],
    misplaced: MALFORMED,
  },
  UNSUBSCRIBE: {
    before: "00 01",
    after: "00 01 'f'",
    decode: (...range) => decodeUnsubscribe(5, ...range),
    may: [],
    misplaced: MALFORMED,
  },
  DISCONNECT: {
    before: "00",
    after: "",
    decode: (...range) => decodeDisconnect(5, ...range),
    may: [0x11, 0x1c, 0x1f],
    misplaced: PROTOCOL_ERROR,
  },
  AUTH: { before: "18", after: "", decode: decodeAuth, may: [0x15, 0x16, 0x1f], misplaced: PROTOCOL_ERROR },
};

/** One of each identifier with a value that it may have (table 2-4). */
const SAMPLES: ReadonlyMap<number, string> = new Map([
  [0x01, "01 00"],
  [0x02, "02 00 00 00 01"],
  [0x03, "03 00 01 'x'"],
  [0x08, "08 00 01 'x'"],
  [0x09, "09 00 01 ff"],
  [0x0b, "0b 01"],
  [0x11, "11 00 00 00 01"],
  [0x12, "12 00 01 'x'"],
  [0x13, "13 00 01"],
  [0x15, "15 00 01 'x'"],
  [0x16, "16 00 01 ff"],
  [0x17, "17 00"],
  [0x18, "18 00 00 00 01"],
  [0x19, "19 01"],
  [0x1a, "1a 00 01 'x'"],
  [0x1c, "1c 00 01 'x'"],
  [0x1f, "1f 00 01 'x'"],
  [0x21, "21 00 01"],
  [0x22, "22 00 01"],
  [0x23, "23 00 01"],
  [0x24, "24 01"],
  [0x25, "25 01"],
  [0x27, "27 00 00 00 01"],
  [0x28, "28 01"],
  [0x29, "29 01"],
  [0x2a, "2a 01"],
]);
const USER_PROPERTY = "26 00 01 'a' 00 01 'b'";

function read(carrier: Carrier, properties: string | Buffer): unknown {
  const written = typeof properties === "string" ? section(properties) : properties;
  return outcome(Buffer.concat([bytes(carrier.before), written, bytes(carrier.after)]), carrier.decode);
}

/** With what else the packet needs to be complete: authentication data does not come without a method. */
function alone(name: string, id: number, sample: string): string {
  const needsMethod = name === "AUTH" || (name === "CONNECT" && id === 0x16);
  return needsMethod && id !== 0x15 ? `15 00 01 'm' ${sample}` : sample;
}

describe.each(Object.entries(carriers))("%s", (name, carrier) => {
  it.each([...SAMPLES])("0x%s, whether it may have it", (id, sample) => {
    const got = read(carrier, alone(name, id, sample));
    if (carrier.may.includes(id)) expect(got).not.toHaveProperty("code");
    else expect(got).toEqual(carrier.misplaced);
  });

  it.each([...SAMPLES])("0x%s cut short is malformed, whether it may have it or not", (_id, sample) => {
    const whole = bytes(sample);
    const short = whole.subarray(0, whole.length - 1);
    expect(read(carrier, Buffer.concat([Buffer.from([short.length]), short]))).toEqual(MALFORMED);
  });

  it.each(carrier.may.map((id) => [id, SAMPLES.get(id) ?? ""] as const))(
    "0x%s twice is a protocol error",
    (id, sample) => {
      expect(read(carrier, `${alone(name, id, sample)} ${sample}`)).toEqual(PROTOCOL_ERROR);
    },
  );

  it("has user properties, as many as it likes, and the same twice (2.2.2.2)", () => {
    expect(read(carrier, alone(name, 0x26, `${USER_PROPERTY} ${USER_PROPERTY}`))).not.toHaveProperty("code");
    expect(read(carrier, alone(name, 0x26, "26 00 00 00 00"))).not.toHaveProperty("code");
  });

  it.each([
    ["without a value", "26 00 01 'a'"],
    ["without anything", "26"],
    ["with a name beyond the properties", "26 00 09 'a'"],
    ["with a name that is not UTF-8 (MQTT-1.5.4-1)", "26 00 02 c3 28 00 00"],
    ["with an encoded surrogate (MQTT-1.5.4-1)", "26 00 03 ed a0 80 00 00"],
    ["with a value that has NUL (MQTT-1.5.4-2)", "26 00 00 00 02 'a' 00"],
  ])("refuses a user property %s", (_what, script) => {
    expect(read(carrier, script)).toEqual(MALFORMED);
  });

  it.each([
    0x00, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x14, 0x1b, 0x1d, 0x1e, 0x20, 0x2b,
    0x7f,
  ])("refuses 0x%s, which there is not (2.2.2.2)", (id) => {
    expect(read(carrier, Buffer.from([2, id, 1]))).toEqual(MALFORMED);
  });

  it.each([
    ["an identifier of several bytes, which there is not", "80 01 01"],
    ["an identifier of five bytes (1.5.5)", "80 80 80 80 01 01"],
    ["an identifier in more bytes than it needs (MQTT-1.5.5-1)", "a6 00 00 01 'a' 00 01 'b'"],
  ])("refuses %s", (_what, script) => {
    expect(read(carrier, script)).toEqual(MALFORMED);
  });

  it.each([
    ["beyond the packet", "7f", carrier.after],
    ["that is cut short", "80", ""],
    ["of five bytes (1.5.5)", "80 80 80 80 01", carrier.after],
    ["in more bytes than it needs (MQTT-1.5.5-1)", "80 00", carrier.after],
  ])("refuses a property length %s", (_what, script, after) => {
    expect(read({ ...carrier, after }, bytes(script))).toEqual(MALFORMED);
  });
});

describe("values that a property may not have", () => {
  it.each([
    ["a payload format of 2 (3.3.2.3.2)", "PUBLISH", "01 02", PROTOCOL_ERROR],
    ["a will's payload format of 2 (3.1.3.2.3)", "the will", "01 02", PROTOCOL_ERROR],
    [
      "a topic alias of 0 (MQTT-3.3.2-8)",
      "PUBLISH",
      "23 00 00",
      { code: "topic_alias_invalid", reason: 0x94 },
    ],
    ["a response topic with a wildcard (MQTT-3.3.2-14)", "PUBLISH", "08 00 03 'a/#'", PROTOCOL_ERROR],
    ["an empty response topic (MQTT-4.7.3-1)", "PUBLISH", "08 00 00", PROTOCOL_ERROR],
    ["an empty response topic of a will", "the will", "08 00 00", PROTOCOL_ERROR],
    ["a response topic with a control character (1.5.4)", "PUBLISH", "08 00 02 'a' 07", MALFORMED],
    ["a subscription identifier of 0 (3.8.2.1.2)", "SUBSCRIBE", "0b 00", PROTOCOL_ERROR],
    ["a subscription identifier of five bytes", "SUBSCRIBE", "0b 80 80 80 80 01", MALFORMED],
    ["a subscription identifier in more bytes than it needs", "SUBSCRIBE", "0b 80 00", MALFORMED],
    ["a receive maximum of 0 (3.1.2.11.3)", "CONNECT", "21 00 00", PROTOCOL_ERROR],
    ["a maximum packet size of 0 (3.1.2.11.4)", "CONNECT", "27 00 00 00 00", PROTOCOL_ERROR],
    ["request response information of 2 (3.1.2.11.6)", "CONNECT", "19 02", PROTOCOL_ERROR],
    ["request problem information of 2 (3.1.2.11.7)", "CONNECT", "17 02", PROTOCOL_ERROR],
    ["authentication data without a method (3.1.2.11.10)", "CONNECT", "16 00 01 'x'", PROTOCOL_ERROR],
    ["a content type that is not UTF-8 (MQTT-3.3.2-19)", "PUBLISH", "03 00 02 c3 28", MALFORMED],
  ] as const)("%s", (_what, name, script, refusal) => {
    const carrier = carriers[name];
    expect(carrier && read(carrier, script)).toEqual(refusal);
  });

  it.each([
    ["a topic alias maximum of 0 (3.1.2.11.5)", "CONNECT", "22 00 00"],
    ["an empty content type", "PUBLISH", "03 00 00"],
    ["empty correlation data", "PUBLISH", "09 00 00"],
    ["a response topic of the broker's own", "PUBLISH", "08 00 04 '$SYS'"],
    ["the largest subscription identifier (3.8.2.1.2)", "SUBSCRIBE", "0b ff ff ff 7f"],
    ["a text with a control character, where it names nothing", "PUBLISH", "26 00 01 0a 00 01 09"],
  ] as const)("but they may have %s", (_what, name, script) => {
    const carrier = carriers[name];
    expect(carrier && read(carrier, script)).not.toHaveProperty("code");
  });
});
