/** PUBLISH (MQTT 3.1.1 and 5.0, 3.3), bytes to values. */
import { describe, expect, it } from "vitest";
import { readPublish } from "../../../../src/edges/mqtt/packets/publish.js";
import { limits } from "../../../../src/limits.js";
import { bytes, text } from "../../../mqtt/support/raw-client.js";
import { MALFORMED, outcome, PROTOCOL_ERROR } from "./outcome.js";

/** With the topic as text. */
function publish(level: 4 | 5, first: number, body: string | Buffer): unknown {
  return outcome(body, (chunk, start, end) => {
    const { topicStart, topicEnd, ...packet } = readPublish(level, first, chunk, start, end);
    return { ...packet, topic: chunk.toString("utf8", topicStart, topicEnd) };
  });
}

const PLAIN = {
  topic: "a/b",
  qos: 0,
  isDup: false,
  retain: false,
  packetId: 0,
  topicAlias: 0,
  payload: Buffer.from("hi"),
  contentType: "",
  expirySeconds: null,
  properties: new Uint8Array(0),
  hasFormatError: false,
};

describe("3.1.1", () => {
  it.each([
    ["QoS 0", 0x30, "00 03 'a/b' 'hi'", {}],
    ["QoS 1", 0x32, "00 03 'a/b' 12 34 'hi'", { qos: 1, packetId: 0x1234 }],
    ["QoS 2", 0x34, "00 03 'a/b' ff ff 'hi'", { qos: 2, packetId: 65_535 }],
    ["DUP and RETAIN", 0x3b, "00 03 'a/b' 00 01 'hi'", { qos: 1, packetId: 1, isDup: true, retain: true }],
    ["no payload", 0x31, "00 03 'a/b'", { retain: true, payload: Buffer.alloc(0) }],
    ["a payload that would be a property", 0x30, "00 03 'a/b' 02 01 01", { payload: bytes("02 01 01") }],
    ["an empty topic, for others to judge", 0x30, "00 00 'hi'", { topic: "" }],
  ])("%s", (_what, first, script, wanted) => {
    expect(publish(4, first, script)).toEqual({ ...PLAIN, ...wanted });
  });

  it.each([
    ["packet id 0 (MQTT-2.3.1-1)", 0x32, "00 03 'a/b' 00 00 'hi'", PROTOCOL_ERROR],
    ["a topic beyond the end", 0x30, "00 09 'a/b'", MALFORMED],
    ["half a topic length", 0x30, "00", MALFORMED],
    ["nothing", 0x30, "", MALFORMED],
    ["half a packet id", 0x32, "00 03 'a/b' 00", MALFORMED],
  ])("refuses %s", (_what, first, script, refusal) => {
    expect(publish(4, first, script)).toEqual(refusal);
  });
});

describe("5.0", () => {
  it.each([
    ["no properties", "00", {}],
    ["a content type (3.3.2.3.9)", "08 03 00 05 'a/b;c'", { contentType: "a/b;c" }],
    ["an expiry (3.3.2.3.3)", "05 02 00 00 01 00", { expirySeconds: 256 }],
    ["an expiry of 0", "05 02 00 00 00 00", { expirySeconds: 0 }],
    ["an alias (3.3.2.3.4)", "03 23 00 07", { topicAlias: 7 }],
    ["UTF-8 that is (3.3.2.3.2)", "02 01 01", { properties: bytes("01 01") }],
    [
      "what goes on, as it came and in its order",
      "11 26 00 01 'a' 00 01 'b' 01 00 09 00 01 ff 08 00 01 'r'",
      null,
    ],
    [
      "what goes on, without what stood between",
      "14 26 00 01 'a' 00 00 02 00 00 00 01 01 01 23 00 07 08 00 01 'r'",
      { expirySeconds: 1, topicAlias: 7, properties: bytes("26 00 01 'a' 00 00 01 01 08 00 01 'r'") },
    ],
    [
      "what goes on, behind what does not",
      "06 23 00 07 09 00 00",
      { topicAlias: 7, properties: bytes("09 00 00") },
    ],
  ])("has %s", (_what, script, wanted) => {
    const properties = bytes(script);
    const packet = publish(5, 0x30, Buffer.concat([text("a/b"), properties, Buffer.from("hi")]));
    expect(packet).toEqual({ ...PLAIN, ...(wanted ?? { properties: properties.subarray(1) }) });
  });

  it("may have no topic when an alias stands for it (3.3.2.3.4)", () => {
    expect(publish(5, 0x30, "00 00 03 23 00 07 'hi'")).toEqual({ ...PLAIN, topic: "", topicAlias: 7 });
  });

  it("says whether the payload is what it is said to be (3.3.2.3.2)", () => {
    expect(publish(5, 0x32, "00 03 'a/b' 00 01 02 01 01 c3 28")).toMatchObject({ hasFormatError: true });
    expect(publish(5, 0x32, "00 03 'a/b' 00 01 02 01 00 c3 28")).toMatchObject({ hasFormatError: false });
    expect(publish(5, 0x32, "00 03 'a/b' 00 01 02 01 01 00 'a'")).toMatchObject({ hasFormatError: false });
  });

  it("copies nothing that need not be joined", () => {
    const chunk = bytes("00 03 'a/b' 09 01 01 26 00 01 'a' 00 01 'b' 'hi'");
    chunk[5] = 9;
    const { payload, properties } = readPublish(5, 0x30, chunk, 0, chunk.length);
    expect(payload.buffer).toBe(chunk.buffer);
    expect(properties.buffer).toBe(chunk.buffer);
  });

  it.each([
    ["neither topic nor alias (3.3.2.3.4)", 0x30, "00 00 00 'hi'", PROTOCOL_ERROR],
    ["neither topic nor alias among properties", 0x30, "00 00 02 01 00 'hi'", PROTOCOL_ERROR],
    ["a subscription identifier (MQTT-3.3.4-6)", 0x30, "00 03 'a/b' 02 0b 01 'hi'", PROTOCOL_ERROR],
    ["packet id 0 (MQTT-2.2.1-3)", 0x34, "00 03 'a/b' 00 00 00 'hi'", PROTOCOL_ERROR],
    ["no property length", 0x30, "00 03 'a/b'", MALFORMED],
    ["properties beyond the end", 0x30, "00 03 'a/b' 05 01 00", MALFORMED],
    ["half a packet id", 0x32, "00 03 'a/b' 00", MALFORMED],
  ])("refuses %s", (_what, first, script, refusal) => {
    expect(publish(5, first, script)).toEqual(refusal);
  });

  it("refuses more properties than a message may carry", () => {
    const value = text("v".repeat(60_000));
    const pairs = Buffer.concat([bytes("26 00 01 'a'"), value, bytes("26 00 01 'b'"), value]);
    expect(pairs.length).toBeGreaterThan(limits.messagePropertiesBytesMax);
    const length = Buffer.from([
      (pairs.length & 127) | 128,
      ((pairs.length >> 7) & 127) | 128,
      pairs.length >> 14,
    ]);
    const body = Buffer.concat([text("a/b"), length, pairs]);
    expect(publish(5, 0x30, body)).toEqual({ code: "properties_too_large", reason: 0x97 });
  });

  it("refuses a content type above the ceiling", () => {
    const type = text("t".repeat(limits.contentTypeBytesMax + 1));
    const body = Buffer.concat([text("a/b"), Buffer.from([0x84, 0x02, 0x03]), type]);
    expect(publish(5, 0x30, body)).toEqual({ code: "properties_too_large", reason: 0x97 });
  });
});
