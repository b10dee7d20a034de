/** MQTT 5 properties in HTTP's clothes: headers in, records and headers out. */
import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertiesJson, propertiesOf, propertyHeaders } from "../../../src/edges/http/properties.js";
import {
  buildMessageProperties,
  EMPTY_PROPERTIES,
  type MessageProperties,
  readMessageProperties,
} from "../../../src/edges/message-properties.js";
import { limits } from "../../../src/limits.js";

const request = (headers: Record<string, string>) => ({ headers }) as Pick<IncomingMessage, "headers">;
const taken = (headers: Record<string, string>) => readMessageProperties(propertiesOf(request(headers)));
const stored = (properties: Partial<MessageProperties>) => ({
  properties: buildMessageProperties({ ...EMPTY_PROPERTIES, ...properties }),
});
/** What a response's headers would be as a request's: Node joins repeated ones by commas. */
const asRequest = (headers: ReturnType<typeof propertyHeaders>) =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value].flat().join(", ")]),
  );

describe("a publish's headers", () => {
  it("none of them give the shared nothing", () => {
    expect(propertiesOf(request({ "content-type": "a/b" })).length).toBe(0);
  });

  it.each<[string, string, [string, string][]]>([
    ["one", "name=value", [["name", "value"]]],
    [
      "several in one header",
      "a=1, b=2,c=3",
      [
        ["a", "1"],
        ["b", "2"],
        ["c", "3"],
      ],
    ],
    [
      "the same name again, in order",
      "a=1,a=2",
      [
        ["a", "1"],
        ["a", "2"],
      ],
    ],
    ["an equals sign in the value", "a=b=c", [["a", "b=c"]]],
    ["an equals sign in the name, escaped", "a%3Db=c", [["a=b", "c"]]],
    ["commas and spaces, escaped", "a%2C=%20b%2c", [["a,", " b,"]]],
    ["any text", "cora%C3%A7%C3%A3o=%F0%9F%98%80%0D%0A", [["coração", "😀\r\n"]]],
    ["a plus is a plus", "a+b=c+d", [["a+b", "c+d"]]],
    ["an empty value", "a=", [["a", ""]]],
    ["an empty name", "=b", [["", "b"]]],
  ])("Jangada-User-Property: %s", (_name, header, expected) => {
    expect(taken({ "jangada-user-property": header }).userProperties).toEqual(expected);
  });

  it("response topic and correlation data", () => {
    const properties = taken({
      "jangada-response-topic": "answers%2Fd%C3%BAvida/1",
      "jangada-correlation-data": "AP8=",
    });
    expect(properties.responseTopic).toBe("answers/dúvida/1");
    expect([...(properties.correlationData ?? [])]).toEqual([0, 255]);
  });

  it.each<[string, Record<string, string>, string]>([
    ["padding left out", { "jangada-correlation-data": "AP8" }, "00ff"],
    ["nothing", { "jangada-correlation-data": "" }, ""],
  ])("correlation data with %s", (_name, headers, hex) => {
    expect(Buffer.from(taken(headers).correlationData ?? [1]).toString("hex")).toBe(hex);
  });

  it.each<[string, Record<string, string>]>([
    ["a property without a value", { "jangada-user-property": "name" }],
    ["nothing between two commas", { "jangada-user-property": "a=1,,b=2" }],
    ["an empty header", { "jangada-user-property": "" }],
    ["half an escape", { "jangada-user-property": "a=%4" }],
    ["an escape that is no UTF-8", { "jangada-user-property": "a=%FF" }],
    ["Latin-1", { "jangada-user-property": "a=\xe9" }],
    ["a space that is not escaped", { "jangada-user-property": "a=b c" }],
    ["NUL", { "jangada-user-property": "a=%00" }],
    ["NUL in a topic", { "jangada-response-topic": "a%00" }],
    [
      "one more than may be",
      { "jangada-user-property": "a=1,".repeat(limits.userPropertiesMax).concat("a=1") },
    ],
    ["an empty response topic (MQTT-3.3.2-14)", { "jangada-response-topic": "" }],
    ["a filter as response topic (MQTT-3.3.2-14)", { "jangada-response-topic": "a/%23" }],
    ["another filter", { "jangada-response-topic": "a/+/b" }],
    ["two response topics", { "jangada-response-topic": "a, b" }],
    ["two correlation data", { "jangada-correlation-data": "AA==, AA==" }],
    ["what is no base64", { "jangada-correlation-data": "a" }],
    ["base64 for URLs", { "jangada-correlation-data": "-_8=" }],
    ["too much padding", { "jangada-correlation-data": "AP8===" }],
    ["bits beyond the last byte", { "jangada-correlation-data": "AP9=" }],
  ])("%s is refused", (_name, headers) => {
    expect(() => propertiesOf(request(headers))).toThrowError(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });

  it("as many as may be are taken", () => {
    const header = "a=1,".repeat(limits.userPropertiesMax).slice(0, -1);
    expect(taken({ "jangada-user-property": header }).userProperties).toHaveLength(limits.userPropertiesMax);
  });
});

describe("a record", () => {
  const fields = (properties: Partial<MessageProperties>): unknown =>
    JSON.parse(`{"it":0${propertiesJson(stored(properties))}}`);

  it("has the properties that the message has, and no others", () => {
    expect(propertiesJson(stored({}))).toBe("");
    expect(fields({ payloadFormat: 1 })).toEqual({ it: 0 });
    expect(
      fields({
        userProperties: [
          ["a", "1"],
          ["a", '"\n'],
        ],
      }),
    ).toEqual({
      it: 0,
      userProperties: [
        ["a", "1"],
        ["a", '"\n'],
      ],
    });
    expect(fields({ responseTopic: "r/1", correlationData: Uint8Array.of(0, 255) })).toEqual({
      it: 0,
      responseTopic: "r/1",
      correlationData: "AP8=",
    });
    expect(fields({ correlationData: new Uint8Array(0) })).toEqual({ it: 0, correlationData: "" });
  });

  it("stays on one line", () => {
    expect(propertiesJson(stored({ userProperties: [["a\nb", "c\r"]], responseTopic: "d\n" }))).not.toMatch(
      /[\r\n]/,
    );
  });
});

describe("an answer's headers", () => {
  it("would publish the message with the same properties", () => {
    const text = fc
      .string({ unit: "binary", maxLength: 20 })
      .filter((it) => it.isWellFormed() && !it.includes("\0"));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 5 }),
        text.filter((it) => !/[+#]/.test(it)),
        fc.option(fc.uint8Array({ maxLength: 40 })),
        (userProperties, responseTopic, correlationData) => {
          const message = stored({ userProperties, responseTopic, correlationData });
          const again = propertiesOf(request(asRequest(propertyHeaders(message))));
          expect(Buffer.from(again).equals(message.properties)).toBe(true);
        },
      ),
    );
  });

  it("are ASCII, and a topic in them can be read", () => {
    const headers = propertyHeaders(
      stored({ responseTopic: "a/ç\r\nSet-Cookie: x", userProperties: [["é", "\n"]] }),
    );
    expect(headers).toEqual({
      "Jangada-Response-Topic": "a/%C3%A7%0D%0ASet-Cookie%3A%20x",
      "Jangada-User-Property": ["%C3%A9=%0A"],
    });
  });

  it("are left out when they are longer than clients take", () => {
    const value = "a".repeat(limits.propertyHeaderBytesMax - "Jangada-User-Property".length - 2);
    expect(propertyHeaders(stored({ userProperties: [["a", value]] }))).not.toEqual({});
    expect(propertyHeaders(stored({ userProperties: [["a", `${value}b`]] }))).toEqual({});
  });
});
