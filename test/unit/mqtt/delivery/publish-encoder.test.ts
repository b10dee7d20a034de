/** Batches into PUBLISH packets, by table and as another codec reads them. */
import fc from "fast-check";
import { parser as createParser, type IPublishPacket } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { packetIdOf } from "../../../../src/edges/mqtt/delivery/packet-id.js";
import { PublishEncoder } from "../../../../src/edges/mqtt/delivery/publish-encoder.js";
import type { StoredMessage } from "../../../../src/state-machine/effects.js";
import { type Filter, FilterSet } from "../../../../src/topics/filter-set.js";

const NOW_MS = 1_000;
const encoders = { 4: new PublishEncoder(4, () => NOW_MS), 5: new PublishEncoder(5, () => NOW_MS) };

type Part = Partial<Omit<StoredMessage, "topic" | "payload">> & {
  readonly topic?: string;
  readonly payload?: string | Uint8Array;
};

function messages(parts: readonly Part[], first = 1): StoredMessage[] {
  return parts.map(({ topic = "a", payload = "x", ...more }, index) => ({
    position: first + index,
    offset: index,
    topic: { id: topic.charCodeAt(0), name: topic },
    timestampMs: 0,
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    contentType: "",
    qos: 1,
    retain: false,
    expiresAtMs: 0,
    properties: new Uint8Array(0),
    publisher: 0,
    ...more,
  }));
}

function filters(...parts: readonly (readonly [string, 0 | 1 | 2, Partial<Filter>?])[]): FilterSet {
  return new FilterSet(
    parts.map(([filter, qos, more]) => ({ filter, qos, ...more })),
    7,
  );
}

describe("a batch of 3.1.1", () => {
  it("at QoS 0", () => {
    const parts = [{ payload: "1" }, { topic: "b/c", payload: "" }];
    const encoded = encoders[4].encode(messages(parts), filters(["#", 0]));
    expect(encoded.bytes.toString("hex")).toBe(["3004000161", "31", "30050003622f63"].join(""));
    expect([...encoded.ends]).toEqual([6, 13]);
    expect(encoded).toMatchObject({ packets: 2, packetBytesMax: 7, staleAtMs: Number.POSITIVE_INFINITY });
    expect([...encoded.ids]).toEqual([]);
  });

  it("at QoS 1 and 2: identifiers come from positions, and stand in the bytes", () => {
    const parts = [{ payload: "1" }, { payload: "2", qos: 0 as const }, { payload: "3", qos: 2 as const }];
    const encoded = encoders[4].encode(messages(parts, 65_534), filters(["a", 2]));
    expect(encoded.bytes.toString("hex")).toBe(
      ["3206000161fffe31", "300400016132", "3406000161000133"].join(""),
    );
    expect([...encoded.indexes]).toEqual([0, 2]);
    expect([...encoded.positions]).toEqual([65_534, 65_536]);
    expect([...encoded.ids]).toEqual([65_534, 1]);
    expect([...encoded.qos]).toEqual([1, 2]);
  });

  it("with filters that grant differently, and one that matches nothing", () => {
    const parts = [{ topic: "a" }, { topic: "b" }, { topic: "c" }];
    const encoded = encoders[4].encode(messages(parts), filters(["a", 1], ["b", 0]));
    expect([...encoded.indexes]).toEqual([0]);
    expect([...encoded.ends]).toEqual([8, 14, 14]);
    expect(encoded.packets).toBe(2);
  });

  it("leaves out what has expired, at its very millisecond, and says when the next does", () => {
    const parts = [{ expiresAtMs: NOW_MS }, { payload: "y", expiresAtMs: NOW_MS + 1 }, { expiresAtMs: 1 }];
    const encoded = encoders[4].encode(messages(parts), filters(["a", 0]));
    expect(encoded.bytes.toString("hex")).toBe("300400016179");
    expect([...encoded.ends]).toEqual([0, 6, 6]);
    expect(encoded).toMatchObject({ packets: 1, staleAtMs: NOW_MS + 1 });
  });

  it("leaves out one's own messages under No Local, unless another filter matches", () => {
    const set = filters(["a", 1, { noLocal: true }], ["b/#", 1, { noLocal: true }], ["b/1", 0]);
    const own = ["a", "b/1", "b/2"].map((topic) => ({ topic, publisher: 7 }));
    const encoded = encoders[4].encode(messages(own), set);
    expect([...encoded.ends]).toEqual([0, 8, 8]);
    expect(encoded.bytes[0]).toBe(0x30);
  });
});

describe("a batch of 5.0", () => {
  const hexOf = (part: Part, set: FilterSet): string =>
    encoders[5].encode(messages([part]), set).bytes.toString("hex");

  it("has an empty property length where there is nothing to say", () => {
    expect(hexOf({}, filters(["a", 1]))).toBe("3207000161000100" + "78");
  });

  it("has RETAIN where it was published so and asked for so", () => {
    const flags = (published: boolean, retainAsPublished: boolean): string =>
      hexOf({ retain: published }, filters(["a", 0, { retainAsPublished }])).slice(0, 2);
    expect([flags(true, true), flags(true, false), flags(false, true)]).toEqual(["31", "30", "30"]);
  });

  it("says what is left of an expiry in whole seconds, begun ones included, and is stale after one", () => {
    const encoded = encoders[5].encode(
      messages([{ qos: 0, expiresAtMs: NOW_MS + 1_001 }]),
      filters(["a", 1]),
    );
    expect(encoded.bytes.toString("hex")).toBe(["300a000161", "05", "0200000002", "78"].join(""));
    expect(encoded.staleAtMs).toBe(NOW_MS + 1_000);
  });
});

describe("remaining length at its borders (2.2.3)", () => {
  it.each([
    [127, "7f"],
    [128, "8001"],
    [16_383, "ff7f"],
    [16_384, "808001"],
    [2_097_151, "ffff7f"],
    [2_097_152, "80808001"],
  ])("%i", (length, wanted) => {
    const part = { payload: Buffer.alloc(length - 3) };
    const encoded = encoders[4].encode(messages([part]), filters(["a", 0]));
    expect(encoded.bytes.toString("hex", 1, 1 + wanted.length / 2)).toBe(wanted);
    expect(encoded.bytes.length).toBe(1 + wanted.length / 2 + length);
    expect(encoded.packetBytesMax).toBe(encoded.bytes.length);
  });
});

const part = fc.record({
  topic: fc.constantFrom("a", "b/ü", "cc/d"),
  payload: fc.uint8Array({ maxLength: 200 }),
  qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  expiresAtMs: fc.constantFrom(0, 1, NOW_MS + 1, NOW_MS + 3_000),
  contentType: fc.constantFrom("", "text/plain", "x".repeat(130)),
  // A user property.
  properties: fc.constantFrom("", "2600016b000176").map((hex) => Buffer.from(hex, "hex")),
});
const level = fc.constantFrom<4 | 5>(4, 5);
const qos = fc.constantFrom<0 | 1 | 2>(0, 1, 2);
const subscriptionId = fc.constantFrom(0, 1, 127, 128, 16_384, 268_435_455);

it("is what another codec reads", () => {
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 30 }),
      level,
      qos,
      subscriptionId,
      (parts, version, granted, id) => {
        const all = messages(parts, 65_520);
        const { bytes } = encoders[version].encode(all, filters(["#", granted, { subscriptionId: id }]));
        const read: unknown[] = [];
        const parser = createParser({ protocolVersion: version });
        parser.on("packet", (packet) => {
          const { topic, payload, messageId, properties, ...rest } = packet as IPublishPacket;
          read.push([topic, Buffer.from(payload).toString("hex"), rest.qos, rest.retain, rest.dup]);
          if (rest.qos > 0) read.push(messageId);
          if (version === 5) read.push({ ...properties, userProperties: { ...properties?.userProperties } });
        });
        parser.parse(Buffer.from(bytes));
        const wanted = all
          .filter(({ expiresAtMs }) => expiresAtMs !== 1)
          .flatMap((message) => wantedOf(message, version, granted, id));
        expect(read).toEqual(wanted);
      },
    ),
  );
});

function wantedOf(message: StoredMessage, version: 4 | 5, granted: 0 | 1 | 2, id: number): unknown[] {
  const { topic, payload, expiresAtMs, contentType, properties, position } = message;
  const sentQos = Math.min(message.qos, granted);
  const wanted: unknown[] = [[topic.name, Buffer.from(payload).toString("hex"), sentQos, false, false]];
  if (sentQos > 0) wanted.push(packetIdOf(position));
  if (version === 4) return wanted;
  wanted.push({
    ...(expiresAtMs === 0 ? {} : { messageExpiryInterval: Math.ceil((expiresAtMs - NOW_MS) / 1000) }),
    ...(contentType === "" ? {} : { contentType }),
    ...(id === 0 ? {} : { subscriptionIdentifier: id }),
    userProperties: properties.length === 0 ? {} : { k: "v" },
  });
  return wanted;
}

it("a slice is what encoding the part would have given", () => {
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 20 }),
      fc.nat(20),
      fc.nat(20),
      level,
      (parts, one, other, version) => {
        const all = messages(parts);
        const from = Math.min(one, other, all.length);
        const to = Math.min(Math.max(one, other), all.length);
        const set = filters(["#", 2]);
        const { packetBytesMax, staleAtMs, ...slice } = encoders[version].slice(
          encoders[version].encode(all, set),
          from,
          to,
        );
        const direct = encoders[version].encode(all.slice(from, to), set);
        expect(direct).toMatchObject(slice);
        // Of the whole: what holds for it holds for the part.
        expect(packetBytesMax).toBeGreaterThanOrEqual(direct.packetBytesMax);
        expect(staleAtMs).toBeLessThanOrEqual(direct.staleAtMs);
      },
    ),
  );
});

it("one message by itself is its packet in a batch, but for an alias", () => {
  const [message] = messages([{ topic: "long/name", properties: Buffer.from("0101", "hex") }]);
  const grant = { qos: 1, retainAsPublished: false, subscriptionIds: [] } as const;
  const hex = (alias: { alias: number; isKnown: boolean } | null): string =>
    encoders[5].single(message!, grant, false, alias).toString("hex");
  expect(hex(null)).toBe(encoders[5].encode([message!], filters(["#", 1])).bytes.toString("hex"));
  const name = Buffer.from("long/name").toString("hex");
  expect(hex({ alias: 3, isKnown: false })).toBe(`32140009${name}000105230003010178`);
  expect(hex({ alias: 3, isKnown: true })).toBe("320b0000000105230003010178");
});
