/** SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (MQTT 3.1.1 and 5.0, 3.8 to 3.11). */
import { describe, expect, it } from "vitest";
import { Reason } from "../../../../src/edges/mqtt/packets/reason-codes.js";
import { decodeSubscribe, encodeSuback } from "../../../../src/edges/mqtt/packets/subscribe.js";
import { decodeUnsubscribe, encodeUnsuback } from "../../../../src/edges/mqtt/packets/unsubscribe.js";
import { limits } from "../../../../src/limits.js";
import { bytes, text } from "../../../mqtt/support/raw-client.js";
import { MALFORMED, outcome, PROTOCOL_ERROR } from "./outcome.js";

const subscribe = (level: 4 | 5, body: string | Buffer) =>
  outcome(body, (...range) => decodeSubscribe(level, ...range));
const unsubscribe = (level: 4 | 5, body: string | Buffer) =>
  outcome(body, (...range) => decodeUnsubscribe(level, ...range));

const PLAIN = {
  filter: "a/+",
  share: "",
  qos: 0,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionId: 0,
};

/** Filters that may stand in SUBSCRIBE and UNSUBSCRIBE, and what they are taken apart into; `null` for what is not accepted. */
const FILTERS: readonly (readonly [string, string, { filter: string; share: string } | null])[] = [
  ["everything", "#", { filter: "#", share: "" }],
  ["empty levels", "/+//#", { filter: "/+//#", share: "" }],
  ["the broker's own topics", "$SYS/#", { filter: "$SYS/#", share: "" }],
  ["a share (4.8.2)", "$share/g/a/+/#", { filter: "a/+/#", share: "g" }],
  ["a share of a filter that begins with /", "$share/g//a", { filter: "/a", share: "g" }],
  [
    "a share of a share, which is a filter like others",
    "$share/g/$share/h/a",
    { filter: "$share/h/a", share: "g" },
  ],
  ["what only begins like a share", "$shares/g/a", { filter: "$shares/g/a", share: "" }],
  ["the word alone", "$share", { filter: "$share", share: "" }],
  ["a share without a name (MQTT-4.8.2-1)", "$share//a", null],
  ["a share whose name has + (MQTT-4.8.2-2)", "$share/g+/a", null],
  ["a share whose name has # (MQTT-4.8.2-2)", "$share/#/a", null],
  ["a share without a filter (MQTT-4.8.2-2)", "$share/g", null],
  ["a share of an empty filter (MQTT-4.8.2-2)", "$share/g/", null],
  ["what is too deep", "/".repeat(limits.topicLevelsMax), null],
  ["what is too long", "a".repeat(limits.topicBytesMax + 1), null],
  ["a share whose name is too long", `$share/${"g".repeat(limits.topicBytesMax + 1)}/a`, null],
];

/** Filters that are no filters. */
const ILL_FORMED: readonly (readonly [string, string | Buffer])[] = [
  ["empty (MQTT-4.7.3-1)", ""],
  ["with # before its last level (MQTT-4.7.1-1)", "a/#/b"],
  ["with # beside another character (MQTT-4.7.1-1)", "a#"],
  ["with another character beside #", "#a"],
  ["with + beside another character (MQTT-4.7.1-2)", "a+/b"],
  ["with another character beside +", "+a"],
  ["with two +", "a/++"],
  ["with two #", "##"],
  ["with / behind #", "#/"],
  ["that is a share of what is none", "$share/g/a+"],
  ["with NUL (MQTT-1.5.4-2)", "a\0"],
  ["with a control character (1.5.4)", "a\u001f"],
  ["with another control character (1.5.4)", "a\u0080"],
  ["with a non-character (1.5.4)", "a\ufffe"],
  ["that is not UTF-8 (MQTT-1.5.4-1)", bytes("c3 28")],
  ["with an encoded surrogate (MQTT-1.5.4-1)", bytes("ed a0 80")],
];

function field(filter: string | Buffer): Buffer {
  return typeof filter === "string" ? text(filter) : Buffer.concat([Buffer.from([0, filter.length]), filter]);
}

describe("filters", () => {
  it.each(FILTERS)("%s", (_what, filter, wanted) => {
    const body = Buffer.concat([bytes("00 01 00"), field(filter)]);
    expect(subscribe(5, Buffer.concat([body, bytes("00")]))).toEqual({
      packetId: 1,
      subscriptions: [wanted && { ...PLAIN, ...wanted }],
    });
    expect(unsubscribe(5, body)).toEqual({ packetId: 1, filters: [wanted] });
  });

  it.each(ILL_FORMED)("a filter %s is malformed", (_what, filter) => {
    const good = bytes("00 01 00 00 01 'a'");
    expect(subscribe(5, Buffer.concat([good, bytes("00"), field(filter), bytes("00")]))).toEqual(MALFORMED);
    expect(unsubscribe(5, Buffer.concat([good, field(filter)]))).toEqual(MALFORMED);
  });

  it("more than a connection may have are refused", () => {
    const filters = Array.from({ length: limits.subscriptionsPerConnectionMax + 1 }, () =>
      bytes("00 01 'a' 00"),
    );
    const refusal = { code: "too_many_subscriptions", reason: 0x97 };
    expect(subscribe(4, Buffer.concat([bytes("00 01"), ...filters]))).toEqual(refusal);
    expect(subscribe(4, Buffer.concat([bytes("00 01"), ...filters.slice(1)]))).not.toHaveProperty("code");
    const names = filters.map((one) => one.subarray(0, 3));
    expect(unsubscribe(4, Buffer.concat([bytes("00 01"), ...names]))).toEqual(refusal);
  });
});

describe("SUBSCRIBE", () => {
  it.each([
    ["QoS 0", "00", {}],
    ["QoS 1", "01", { qos: 1 }],
    ["QoS 2", "02", { qos: 2 }],
    ["no local", "04", { noLocal: true }],
    ["retain as published", "08", { retainAsPublished: true }],
    ["retained messages if it is new", "10", { retainHandling: 1 }],
    ["no retained messages", "20", { retainHandling: 2 }],
    ["all of it", "2e", { qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 }],
  ])("asks for %s (3.8.3.1)", (_what, options, wanted) => {
    expect(subscribe(5, `00 01 00 00 03 'a/+' ${options}`)).toEqual({
      packetId: 1,
      subscriptions: [{ ...PLAIN, ...wanted }],
    });
  });

  it("has one identifier for all its filters (3.8.2.1.2)", () => {
    expect(subscribe(5, "12 34 03 0b ff 7f 00 01 'a' 00 00 01 'b' 01")).toEqual({
      packetId: 0x1234,
      subscriptions: [
        { ...PLAIN, filter: "a", subscriptionId: 16_383 },
        { ...PLAIN, filter: "b", qos: 1, subscriptionId: 16_383 },
      ],
    });
  });

  it.each([
    ["packet id 0 (MQTT-2.2.1-3)", 5, "00 00 00 00 01 'a' 00", MALFORMED],
    ["no filter (MQTT-3.8.3-2)", 5, "00 01 00", MALFORMED],
    ["no property length", 5, "00 01", MALFORMED],
    ["QoS 3", 5, "00 01 00 00 01 'a' 03", MALFORMED],
    ["retain handling 3 (3.8.3.1)", 5, "00 01 00 00 01 'a' 30", MALFORMED],
    ["reserved option bits (MQTT-3.8.3-5)", 5, "00 01 00 00 01 'a' 40", MALFORMED],
    ["the other reserved option bit (MQTT-3.8.3-5)", 5, "00 01 00 00 01 'a' 80", MALFORMED],
    ["no local on a share (MQTT-3.8.3-4)", 5, "00 01 00 00 0a '$share/g/a' 04", PROTOCOL_ERROR],
    ["a filter without options", 5, "00 01 00 00 01 'a'", MALFORMED],
    ["a filter beyond the end", 5, "00 01 00 00 09 'a' 00", MALFORMED],
    ["half a packet id", 5, "00", MALFORMED],
    ["packet id 0 (MQTT-2.3.1-1)", 4, "00 00 00 01 'a' 00", MALFORMED],
    ["no filter (MQTT-3.8.3-3)", 4, "00 01", MALFORMED],
    ["QoS 3 (MQTT-3-8.3-4)", 4, "00 01 00 01 'a' 03", MALFORMED],
    ["an option of 5.0 (MQTT-3-8.3-4)", 4, "00 01 00 01 'a' 04", MALFORMED],
    ["retain handling of 5.0 (MQTT-3-8.3-4)", 4, "00 01 00 01 'a' 10", MALFORMED],
  ] as const)("may not have %s in level %i", (_what, level, script, refusal) => {
    expect(subscribe(level, script)).toEqual(refusal);
  });

  it("has shares in 3.1.1 too, as other brokers have", () => {
    expect(subscribe(4, "00 01 00 0a '$share/g/a' 01")).toMatchObject({
      subscriptions: [{ filter: "a", share: "g", qos: 1 }],
    });
  });
});

describe("UNSUBSCRIBE", () => {
  it.each([
    ["packet id 0 (MQTT-2.2.1-3)", 5, "00 00 00 00 01 'a'"],
    ["no filter (MQTT-3.10.3-2)", 5, "00 01 00"],
    ["no property length", 5, "00 01"],
    ["no filter (MQTT-3.10.3-2)", 4, "00 01"],
    ["a filter beyond the end", 4, "00 01 00 09 'a'"],
  ] as const)("may not have %s in level %i", (_what, level, script) => {
    expect(unsubscribe(level, script)).toEqual(MALFORMED);
  });
});

describe("answers", () => {
  const codes = [Reason.GrantedQos2, Reason.Success, Reason.TopicFilterInvalid, Reason.QuotaExceeded];

  it("SUBACK has one code a filter, in order (MQTT-3.8.4-6)", () => {
    expect(encodeSuback(5, 0x1234, codes)).toEqual(bytes("90 07 12 34 00 02 00 8f 97"));
  });

  it("SUBACK of 3.1.1 has one failure (3.9.3)", () => {
    expect(encodeSuback(4, 0x1234, codes)).toEqual(bytes("90 06 12 34 02 00 80 80"));
  });

  it("UNSUBACK has codes in 5.0 alone (MQTT-3.11.3-1)", () => {
    const answers = [Reason.Success, Reason.NoSubscriptionExisted];
    expect(encodeUnsuback(5, 0x1234, answers)).toEqual(bytes("b0 05 12 34 00 00 11"));
    expect(encodeUnsuback(4, 0x1234, answers)).toEqual(bytes("b0 02 12 34"));
  });

  it("are as long as they need to be", () => {
    const many = Array.from({ length: 200 }, () => Reason.GrantedQos1);
    expect(encodeSuback(4, 1, many).subarray(0, 5)).toEqual(bytes("90 ca 01 00 01"));
  });
});
