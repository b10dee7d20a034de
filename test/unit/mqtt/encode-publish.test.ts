/** Batches into PUBLISH packets: one buffer, packet ids left to be filled in. */
import fc from "fast-check";
import { parser as createParser, type IPublishPacket } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { headWithin, PublishEncoder } from "../../../src/edges/mqtt/encode-publish.js";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import { FilterSet } from "../../../src/topics/filter-set.js";

const NOW_MS = 1_000;
const encoder = new PublishEncoder(0, () => NOW_MS);

interface Part {
  readonly topic?: string;
  readonly payload?: string | Uint8Array;
  readonly qos?: 0 | 1 | 2;
  readonly expiresAtMs?: number;
}

function messages(parts: readonly Part[]): StoredMessage[] {
  return parts.map(({ topic = "a", payload = "x", qos = 1, expiresAtMs = 0 }, index) => ({
    position: index + 1,
    offset: index,
    topic: { id: topic.charCodeAt(0), name: topic },
    timestampMs: 0,
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    contentType: "",
    qos,
    retain: true,
    expiresAtMs,
    properties: new Uint8Array(0),
    publisher: 0,
  }));
}

function filters(...parts: readonly [string, 0 | 1][]): FilterSet {
  return new FilterSet(parts.map(([filter, qos]) => ({ filter, qos })));
}

describe("a batch", () => {
  it("at QoS 0", () => {
    const encoded = encoder.encode(
      messages([
        { topic: "a", payload: "1" },
        { topic: "b/c", payload: "" },
      ]),
      filters(["#", 0]),
    );
    expect(encoded.bytes.toString("hex")).toBe("30040001" + "6131" + "30050003622f63");
    expect([...encoded.ends]).toEqual([6, 13]);
    expect([...encoded.idOffsets]).toEqual([]);
    expect(encoded.packets).toBe(2);
  });

  it("at QoS 1: where the ids go", () => {
    const encoded = encoder.encode(
      messages([{ payload: "1" }, { payload: "2", qos: 0 }, { payload: "3", qos: 2 }]),
      filters(["a", 1]),
    );
    expect([...encoded.ends]).toEqual([8, 14, 22]);
    expect([...encoded.idOffsets]).toEqual([5, 19]);
    expect([0, 8, 14].map((at) => encoded.bytes[at])).toEqual([0x32, 0x30, 0x32]);
  });

  it("with filters that grant differently", () => {
    const encoded = encoder.encode(
      messages([{ topic: "a" }, { topic: "b" }, { topic: "c" }]),
      filters(["a", 1], ["b", 0]),
    );
    expect([...encoded.idOffsets]).toEqual([5]);
    expect([...encoded.ends]).toEqual([8, 14, 14]);
    expect(encoded.packets).toBe(2);
  });

  it("leaves out what has expired, at its very millisecond", () => {
    const parts = [{ expiresAtMs: NOW_MS }, { payload: "y", expiresAtMs: NOW_MS + 1 }, { expiresAtMs: 1 }];
    const encoded = encoder.encode(messages(parts), filters(["a", 0]));
    expect(encoded.bytes.toString("hex")).toBe("300400016179");
    expect([...encoded.ends]).toEqual([0, 6, 6]);
    expect(encoded.packets).toBe(1);
  });

  it("of retained messages has RETAIN set", () => {
    const retained = new PublishEncoder(1, () => NOW_MS).encode(messages([{}]), filters(["a", 1]));
    expect(retained.bytes[0]).toBe(0x33);
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
    const encoded = encoder.encode(messages([{ payload: Buffer.alloc(length - 3) }]), filters(["a", 0]));
    expect(encoded.bytes.toString("hex", 1, 1 + wanted.length / 2)).toBe(wanted);
    expect(encoded.bytes.length).toBe(1 + wanted.length / 2 + length);
  });
});

describe("the head that the window takes", () => {
  const encoded = encoder.encode(
    messages([{ qos: 0 }, { qos: 1 }, { qos: 0 }, { qos: 1 }, { expiresAtMs: 1 }, { qos: 0 }]),
    filters(["a", 1]),
  );
  it.each([
    [0, 1, 6],
    [1, 3, 20],
    [2, 6, 34],
    [9, 6, 34],
  ])("%i ids: %i messages in %i bytes", (ids, count, length) => {
    expect(headWithin(encoded, ids)).toEqual({ messages: count, bytes: length });
  });
});

const part = fc.record({
  topic: fc.constantFrom("a", "b/ü", "cc/d"),
  payload: fc.uint8Array({ maxLength: 200 }),
  qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  expiresAtMs: fc.constantFrom(0, 1, NOW_MS + 1),
});

it("is what another codec reads", () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.constantFrom<0 | 1>(0, 1), (parts, granted) => {
      const { bytes } = encoder.encode(messages(parts), filters(["#", granted]));
      const read: unknown[] = [];
      const parser = createParser({ protocolVersion: 4 });
      parser.on("packet", (packet) => {
        const { topic, payload, qos, retain, dup } = packet as IPublishPacket;
        read.push([topic, Buffer.from(payload).toString("hex"), qos, retain, dup]);
      });
      parser.parse(Buffer.from(bytes));
      const kept = parts.filter(({ expiresAtMs }) => expiresAtMs !== 1);
      expect(read).toEqual(
        kept.map(({ topic, payload, qos }) => [
          topic,
          Buffer.from(payload).toString("hex"),
          Math.min(qos, granted),
          false,
          false,
        ]),
      );
    }),
  );
});

it("a slice is what encoding the part would have given", () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), fc.nat(20), fc.nat(20), (parts, one, other) => {
      const all = messages(parts);
      const from = Math.min(one, other, all.length);
      const to = Math.min(Math.max(one, other), all.length);
      const set = filters(["#", 1]);
      const whole = encoder.encode(all, set);
      // Ids are filled into copies; the template's are whatever was there.
      for (const at of whole.idOffsets) whole.bytes.fill(0, at, at + 2);
      const direct = encoder.encode(all.slice(from, to), set);
      for (const at of direct.idOffsets) direct.bytes.fill(0, at, at + 2);
      expect(encoder.slice(whole, from, to)).toEqual(direct);
    }),
  );
});
