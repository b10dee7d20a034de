/** A batch as bytes in each format, its chunk framing, and the writer under it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter } from "../../../src/edges/http/byte-writer.js";
import { chunkOf, NO_BYTES } from "../../../src/edges/http/chunked.js";
import { envelopeJson } from "../../../src/edges/http/envelope.js";
import { createStreamFormats } from "../../../src/edges/http/stream-formats.js";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import { FilterSet } from "../../../src/topics/filter-set.js";

const TOPIC = { id: 1, name: 'a/"b"' };
const EVERYTHING = new FilterSet([{ filter: "#", qos: 0 }]);

function stored(
  position: number,
  payload: string | Uint8Array,
  change: Partial<StoredMessage> = {},
): StoredMessage {
  return {
    position,
    offset: position - 1,
    topic: TOPIC,
    timestampMs: 1000 + position,
    payload: Buffer.from(payload),
    contentType: "",
    qos: 1,
    retain: false,
    expiresAtMs: 0,
    properties: new Uint8Array(0),
    publisher: 0,
    ...change,
  };
}

const formats = createStreamFormats({ eventId: (position) => `e${position}`, nowMs: () => 5_000 });

describe("an envelope", () => {
  it.each([
    ["text", stored(1, "oi"), { payload: "oi" }],
    ["JSON stays text", stored(1, '{"a":1}'), { payload: '{"a":1}' }],
    ["bytes", stored(1, Uint8Array.of(255)), { payloadBase64: "/w==" }],
    ["nothing", stored(1, ""), { payload: "" }],
    ["a byte order mark stays", stored(1, "\ufeffx"), { payload: "\ufeffx" }],
    [
      "a content type",
      stored(1, "x", { contentType: 'a/b; c="d"' }),
      { payload: "x", contentType: 'a/b; c="d"' },
    ],
    [
      "properties, behind all else",
      stored(1, "x", { properties: Uint8Array.of(0x26, 0, 1, 97, 0, 1, 98) }),
      { payload: "x", userProperties: [["a", "b"]] },
    ],
  ])("%s", (_name, message, expected) => {
    expect(JSON.parse(envelopeJson(message, "e1"))).toEqual({
      id: "e1",
      topic: 'a/"b"',
      offset: 0,
      timestamp: 1001,
      ...expected,
    });
  });

  it("keeps every text exactly, on one line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const json = envelopeJson(stored(1, text), "e1");
        expect(JSON.parse(json).payload).toBe(text);
        expect(json).not.toMatch(/[\r\n]/);
      }),
    );
  });

  it("names the topic of each message", () => {
    const topics = ["a", "b", "a"].map((name, at) => ({ id: at, name }));
    const names = topics.map((topic) => JSON.parse(envelopeJson(stored(1, "x", { topic }), "e1")).topic);
    expect(names).toEqual(["a", "b", "a"]);
  });
});

describe("a batch", () => {
  const batch = [stored(1, "one"), stored(2, "gone", { expiresAtMs: 5_000 }), stored(3, "three")];

  it("as raw events, as records, as lines; expired messages are left out", () => {
    const raw = formats.raw.encoder.encode(batch, EVERYTHING);
    expect(raw.bare.toString()).toBe("id: e1\ndata: one\n\nid: e3\ndata: three\n\n");
    expect(raw.messages).toBe(2);
    const [first = "", second = ""] = [1, 3].map((at) => envelopeJson(batch[at - 1]!, `e${at}`));
    const records = formats.records.encoder.encode(batch, EVERYTHING);
    expect(records.bare.toString()).toBe(`id: e1\ndata: ${first}\n\nid: e3\ndata: ${second}\n\n`);
    const lines = formats.lines.encoder.encode(batch, EVERYTHING);
    expect(lines.bare.toString()).toBe(`${first}\n${second}\n`);
  });

  it("is one chunk", () => {
    const { framed, bare } = formats.raw.encoder.encode(batch, EVERYTHING);
    expect(framed.toString()).toBe(`${bare.length.toString(16)}\r\n${bare.toString()}\r\n`);
  });

  it("with nothing to say is no chunk at all: an empty one would end the response", () => {
    const gone = formats.raw.encoder.encode([stored(1, "x", { expiresAtMs: 1 })], EVERYTHING);
    expect(gone).toEqual({ ...NO_BYTES, messages: 0 });
    expect(chunkOf("")).toBe(NO_BYTES);
  });

  it("does not share its bytes with the next one", () => {
    const first = formats.raw.encoder.encode([stored(1, "first")], EVERYTHING);
    formats.raw.encoder.encode([stored(2, "other")], EVERYTHING);
    expect(first.bare.toString()).toContain("first");
  });

  it("of retained messages sets no id", () => {
    expect(formats.raw.retained([stored(1, "one")]).bare.toString()).toBe("data: one\n\n");
    expect(formats.records.retained([stored(1, "one")]).bare.toString()).toMatch(/^data: \{"id":"e1"/);
  });
});

it("a writer takes anything, however it has to grow, and begins again", () => {
  const writer = new ByteWriter();
  const part = fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 100 }).map((text) => ["ascii", text] as const),
    fc.string({ unit: "binary", maxLength: 100 }).map((text) => ["utf8", text] as const),
    fc.uint8Array({ maxLength: 100_000 }).map((bytes) => ["bytes", bytes] as const),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
      writer.reset();
      for (const [kind, value] of parts) {
        if (kind === "bytes") writer.bytes(value);
        else writer[kind](value);
      }
      const expected = Buffer.concat(
        parts.map(([, value]) => Buffer.from(value as Uint8Array | string as string)),
      );
      expect(writer.toBuffer().equals(expected)).toBe(true);
    }),
    { numRuns: 50 },
  );
});
