/** What a codec of another hand writes, we read. */
import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import { expect, it } from "vitest";
import { readMessageProperties } from "../../../../src/edges/message-properties.js";
import { type AckType, decodeAck } from "../../../../src/edges/mqtt/packets/acknowledgement.js";
import { decodeAuth } from "../../../../src/edges/mqtt/packets/auth.js";
import { decodeConnect } from "../../../../src/edges/mqtt/packets/connect.js";
import { decodeDisconnect } from "../../../../src/edges/mqtt/packets/disconnect.js";
import { readPublish } from "../../../../src/edges/mqtt/packets/publish.js";
import { decodeSubscribe } from "../../../../src/edges/mqtt/packets/subscribe.js";
import { decodeUnsubscribe } from "../../../../src/edges/mqtt/packets/unsubscribe.js";
import type { Decode } from "./outcome.js";

const level = fc.constantFrom(4 as const, 5 as const);
const packetId = fc.integer({ min: 1, max: 65_535 });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const topic = fc.stringMatching(/^[a-zé☕]{1,4}(\/[a-z⛵]{0,3}){0,3}$/u);
const filter = fc.oneof(topic, fc.constantFrom("#", "+/a", "a/+/#", "$SYS/#"));
const text = fc.string({ unit: "grapheme-composite", maxLength: 6 }).filter((one) => !one.includes("\0"));
const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
/** The other codec keeps them in an object, so that names differ and integers come first: letters alone. */
const userProperties = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), text, { minKeys: 1, maxKeys: 3 });

/** What is there in 5.0, with fields that may be missing. */
function maybe<Shape>(
  shape: { [Key in keyof Shape]: fc.Arbitrary<Shape[Key]> },
): fc.Arbitrary<Partial<Shape>> {
  return fc.record(shape, { requiredKeys: [] }) as fc.Arbitrary<Partial<Shape>>;
}

/** The body of a packet that the other codec wrote, in our hands. */
function ours<Value>(
  packet: Packet,
  protocolVersion: 4 | 5,
  decode: (first: number) => Decode<Value>,
): Value {
  const written = generate(packet, { protocolVersion });
  let start = 1;
  while ((written[start] ?? 0) > 127) start += 1;
  return decode(written[0] ?? 0)(written, start + 1, written.length);
}

const messageProperties = maybe({
  payloadFormatIndicator: fc.boolean(),
  messageExpiryInterval: uint32,
  responseTopic: topic,
  correlationData: payload,
  contentType: text,
  userProperties,
});

interface Expected {
  payloadFormatIndicator?: boolean;
  messageExpiryInterval?: number;
  responseTopic?: string;
  correlationData?: Buffer;
  contentType?: string;
  userProperties?: Record<string, string>;
}

function expectProperties(read: { properties: Uint8Array; contentType: string }, given: Expected): void {
  expect(read.contentType).toBe(given.contentType ?? "");
  const { correlationData, ...rest } = readMessageProperties(read.properties);
  expect({ ...rest, correlationData: correlationData && Buffer.from(correlationData) }).toEqual({
    payloadFormat: given.payloadFormatIndicator === true ? 1 : 0,
    responseTopic: given.responseTopic ?? "",
    correlationData: given.correlationData ?? null,
    userProperties: Object.entries(given.userProperties ?? {}),
  });
}

it("PUBLISH", () => {
  const packet = fc.record({
    level,
    topic,
    payload,
    qos,
    packetId,
    isDup: fc.boolean(),
    retain: fc.boolean(),
    found: messageProperties,
    alias: fc.option(packetId),
  });
  fc.assert(
    fc.property(packet, (given) => {
      const dup = given.isDup && given.qos > 0;
      const { alias, found } = given;
      const written = {
        cmd: "publish" as const,
        topic: given.topic,
        payload: given.payload,
        qos: given.qos,
        dup,
        retain: given.retain,
        messageId: given.packetId,
      };
      const withProperties = {
        ...written,
        properties: { ...found, ...(alias === null ? {} : { topicAlias: alias }) },
      };
      const isNewer = given.level === 5;
      const read = ours(isNewer ? withProperties : written, given.level, (first) => (bytes, start, end) => {
        const value = readPublish(given.level, first, bytes, start, end);
        return { ...value, topic: bytes.toString("utf8", value.topicStart, value.topicEnd) };
      });
      expect(read).toMatchObject({
        topic: given.topic,
        qos: given.qos,
        isDup: dup,
        retain: given.retain,
        packetId: given.qos === 0 ? 0 : given.packetId,
        topicAlias: isNewer ? (alias ?? 0) : 0,
        expirySeconds: (isNewer ? found.messageExpiryInterval : null) ?? null,
      });
      expect(read.payload.equals(given.payload)).toBe(true);
      expectProperties(read, isNewer ? found : {});
    }),
  );
});

it("CONNECT", () => {
  const properties = maybe({
    sessionExpiryInterval: uint32,
    receiveMaximum: packetId,
    maximumPacketSize: fc.integer({ min: 1, max: 0xffff_ffff }),
    topicAliasMaximum: fc.integer({ min: 0, max: 65_535 }),
    requestResponseInformation: fc.boolean(),
    requestProblemInformation: fc.boolean(),
    userProperties,
  });
  const will = fc.record({ topic, payload, qos, retain: fc.boolean() });
  const packet = fc.record({
    level,
    clientId: topic,
    clean: fc.boolean(),
    keepalive: packetId,
    properties,
    username: fc.option(topic),
    password: fc.option(payload),
    will: fc.option(will),
    found: messageProperties,
    willDelayInterval: uint32,
  });
  fc.assert(
    fc.property(packet, (given) => {
      const { level, clientId, clean, keepalive, properties, username, will, found, willDelayInterval } =
        given;
      const isNewer = level === 5;
      // A password by itself, which 5.0 allows, is not for the other codec.
      const password = username === null ? null : given.password;
      const lastWill =
        will &&
        (isNewer
          ? { ...will, properties: { ...found, payloadFormatIndicator: false, willDelayInterval } }
          : will);
      const read = ours(
        {
          cmd: "connect",
          protocolId: "MQTT",
          protocolVersion: level,
          clientId,
          clean,
          keepalive,
          ...(isNewer ? { properties } : {}),
          ...(username === null ? {} : { username }),
          ...(password === null ? {} : { password }),
          ...(lastWill === null ? {} : { will: lastWill }),
        },
        level,
        () =>
          (...range) =>
            decodeConnect(level, ...range),
      );
      const wishes = isNewer ? properties : {};
      expect(read).toMatchObject({
        clientId,
        cleanStart: clean,
        keepAliveSeconds: keepalive,
        expirySeconds: isNewer || clean ? (wishes.sessionExpiryInterval ?? 0) : 0xffff_ffff,
        receiveMax: wishes.receiveMaximum ?? 65_535,
        packetBytesMax: wishes.maximumPacketSize ?? Number.POSITIVE_INFINITY,
        topicAliasMax: wishes.topicAliasMaximum ?? 0,
        wantsResponseInformation: wishes.requestResponseInformation ?? false,
        wantsProblemInformation: wishes.requestProblemInformation ?? true,
        userName: username,
        password,
      });
      if (will === null || read.will === null) {
        expect([will, read.will]).toEqual([null, null]);
        return;
      }
      const { payload: sent, ...rest } = will;
      expect(read.will).toMatchObject({ ...rest, delaySeconds: isNewer ? willDelayInterval : 0 });
      expect(sent.equals(read.will.payload)).toBe(true);
      expectProperties(read.will, isNewer ? { ...found, payloadFormatIndicator: false } : {});
    }),
  );
});

it("SUBSCRIBE and UNSUBSCRIBE", () => {
  const one = fc.record({ topic: filter, qos, nl: fc.boolean(), rap: fc.boolean(), rh: qos });
  const packet = fc.record({
    level,
    packetId,
    filters: fc.array(one, { minLength: 1, maxLength: 5 }),
    subscriptionId: fc.integer({ min: 1, max: 268_435_455 }),
  });
  fc.assert(
    fc.property(packet, ({ level, packetId: messageId, filters, subscriptionId }) => {
      const isNewer = level === 5;
      const properties = isNewer ? { properties: { subscriptionIdentifier: subscriptionId } } : {};
      const read = ours(
        { cmd: "subscribe", messageId, subscriptions: filters, ...properties },
        level,
        () =>
          (...range) =>
            decodeSubscribe(level, ...range),
      );
      expect(read).toEqual({
        packetId: messageId,
        subscriptions: filters.map((asked) => ({
          filter: asked.topic,
          share: "",
          qos: asked.qos,
          noLocal: isNewer && asked.nl,
          retainAsPublished: isNewer && asked.rap,
          retainHandling: isNewer ? asked.rh : 0,
          subscriptionId: isNewer ? subscriptionId : 0,
        })),
      });
      const unsubscriptions = filters.map((asked) => asked.topic);
      const gone = ours(
        { cmd: "unsubscribe", messageId, unsubscriptions },
        level,
        () =>
          (...range) =>
            decodeUnsubscribe(level, ...range),
      );
      expect(gone).toEqual({
        packetId: messageId,
        filters: unsubscriptions.map((name) => ({ filter: name, share: "" })),
      });
    }),
  );
});

it("acknowledgements", () => {
  const acks = [
    ["puback", 4, [0, 0x10, 0x80, 0x97]],
    ["pubrec", 5, [0, 0x10, 0x80, 0x97]],
    ["pubrel", 6, [0, 0x92]],
    ["pubcomp", 7, [0, 0x92]],
  ] as const;
  fc.assert(
    fc.property(
      level,
      packetId,
      fc.constantFrom(...acks),
      fc.nat(),
      (level, messageId, [cmd, type, reasons], pick) => {
        const reasonCode = level === 5 ? (reasons[pick % reasons.length] ?? 0) : 0;
        const read = ours(
          { cmd, messageId, reasonCode },
          level,
          () =>
            (...range) =>
              decodeAck(level, type as AckType, ...range),
        );
        expect(read).toEqual({ packetId: messageId, reason: reasonCode });
      },
    ),
  );
});

it("DISCONNECT and AUTH", () => {
  fc.assert(
    fc.property(uint32, text, payload, (sessionExpiryInterval, words, data) => {
      const goodbye = ours(
        { cmd: "disconnect", reasonCode: 4, properties: { sessionExpiryInterval, reasonString: words } },
        5,
        () =>
          (...range) =>
            decodeDisconnect(5, ...range),
      );
      expect(goodbye).toEqual({ reason: 4, expirySeconds: sessionExpiryInterval, reasonString: words });
      const step = ours(
        {
          cmd: "auth",
          reasonCode: 0x18,
          properties: { authenticationMethod: words, authenticationData: data },
        },
        5,
        () => decodeAuth,
      );
      expect(step.method).toBe(words);
      expect(data.equals(step.data ?? Buffer.from("none"))).toBe(true);
    }),
  );
});
