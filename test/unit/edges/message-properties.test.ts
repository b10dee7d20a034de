/** Properties of a message: what was built is read again, and what nobody built is refused. */
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  buildMessageProperties,
  EMPTY_PROPERTIES,
  readMessageProperties,
} from "../../../src/edges/message-properties.js";
import { JangadaError } from "../../../src/errors.js";
import { bytes } from "../../mqtt/support/raw-client.js";

const text = fc.string({ unit: "grapheme", maxLength: 8 }).filter((one) => !one.includes("\0"));
const properties = fc.record({
  payloadFormat: fc.constantFrom(0 as const, 1 as const),
  responseTopic: text,
  correlationData: fc.option(fc.uint8Array({ maxLength: 8 })),
  userProperties: fc.array(fc.tuple(text, text), { maxLength: 4 }),
});

it("reads what it built", () => {
  fc.assert(
    fc.property(properties, (given) => {
      expect(readMessageProperties(buildMessageProperties(given))).toEqual(given);
    }),
  );
});

it("builds the form of MQTT (2.2.2)", () => {
  const built = buildMessageProperties({
    payloadFormat: 1,
    responseTopic: "r/é",
    correlationData: Uint8Array.of(0, 255),
    userProperties: [
      ["a", "1"],
      ["a", ""],
    ],
  });
  const wanted = "01 01  08 00 04 'r/é'  09 00 02 00 ff  26 00 01 'a' 00 01 '1'  26 00 01 'a' 00 00";
  expect(Buffer.from(built)).toEqual(bytes(wanted));
});

it("makes nothing of nothing", () => {
  expect(buildMessageProperties(EMPTY_PROPERTIES)).toHaveLength(0);
  expect(readMessageProperties(new Uint8Array(0))).toEqual(EMPTY_PROPERTIES);
});

it("keeps a byte order mark, which is a character (MQTT-1.5.4-3)", () => {
  const read = readMessageProperties(bytes("26 00 03 ef bb bf 00 00"));
  expect(read.userProperties).toEqual([["\ufeff", ""]]);
});

it.each([
  ["an identifier that is not a message's", "23 00 01"],
  ["a payload format without its byte", "01"],
  ["a field without its length", "08 00"],
  ["a field beyond the end", "09 00 02 00"],
  ["a name without a value", "26 00 01 'a'"],
])("refuses %s", (_what, script) => {
  expect(() => readMessageProperties(bytes(script))).toThrow(JangadaError);
});

it.each([
  ["NUL", "a\0"],
  ["half a character", "\ud800"],
  ["65,536 bytes", "a".repeat(65_536)],
])("does not build a value with %s", (_what, value) => {
  const given = { ...EMPTY_PROPERTIES, userProperties: [["name", value] as const] };
  expect(() => buildMessageProperties(given)).toThrow(
    expect.objectContaining({ code: "invalid_request" }) as Error,
  );
});
