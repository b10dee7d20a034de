/** The command codec: what goes in comes out, and bad bytes are one clear error. The bytes themselves: golden-envelopes.test.ts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeEnvelope, EnvelopeEncoder, FORMAT_VERSION } from "../../../src/commands/codec.js";
import type { Command, SessionProgress } from "../../../src/commands/command.js";
import { anyEnvelope, codeOf, encodeEnvelope, envelopeOf, publishOf } from "./arbitrary-command.js";

const PROGRESS: SessionProgress = {
  session: 1,
  epoch: 1,
  source: 0,
  through: 0,
  sentThrough: 0,
  received: [],
  done: [],
};

describe("encoding and decoding", () => {
  it("gives back every envelope", () => {
    const encoder = new EnvelopeEncoder(0);
    fc.assert(
      fc.property(anyEnvelope, (envelope) => {
        const bytes = encodeEnvelope(envelope, encoder);
        expect(decodeEnvelope(bytes)).toEqual(envelope);
        expect(decodeEnvelope(new Uint8Array(bytes))).toEqual(envelope);
      }),
    );
  });

  it("keeps a large envelope whole while its buffer grows", () => {
    const commands = Array.from({ length: 300 }, (_, i) => publishOf(`t/${i % 7}`, "x".repeat(3 * i)));
    const envelope = envelopeOf(...commands);
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope);
  });

  it("gives payloads as views of the bytes", () => {
    const bytes = encodeEnvelope(envelopeOf(publishOf("a", "payload")));
    const [command] = decodeEnvelope(bytes).commands;
    const payload = command?.kind === "publish" ? command.messages[0]?.payload : undefined;
    expect(payload).toBeInstanceOf(Buffer);
    expect(payload?.buffer).toBe(bytes.buffer);
  });

  it("takes no topic for another, however alike they are", () => {
    // "Ã©" is what the bytes of "é" would be, one character each.
    const alike = (i: number): string[] => [`a/${i + 1e5}`, `b/${i + 1e5}`, `${i}/Ã©`, `${i}/é`];
    const topics = Array.from({ length: 20_000 }, (_, i) => alike(i)).flat();
    const commands = topics.map((topic): Command => ({ kind: "delete-topic", topic }));
    const decoded = decodeEnvelope(encodeEnvelope(envelopeOf(...commands))).commands;
    expect(decoded.map((command) => (command.kind === "delete-topic" ? command.topic : null))).toEqual(
      topics,
    );
  });

  it("spends two bytes on a publisher, and nothing where there is none", () => {
    const bytesOf = (publisher: number): number =>
      encodeEnvelope(envelopeOf(publishOf("a", "1", { publisher }))).length;
    expect(bytesOf(8000) - bytesOf(0)).toBe(2);
  });

  it("leaves a topic out when it is that of the publish before", () => {
    const topic = "a/rather/long/topic/name";
    const once = encodeEnvelope(envelopeOf(publishOf(topic, "1"))).length;
    const twice = encodeEnvelope(envelopeOf(publishOf(topic, "1"), publishOf(topic, "2"))).length;
    expect(twice - once).toBeLessThan(topic.length);
  });
});

describe("EnvelopeEncoder", () => {
  it("copies payloads when they are added", () => {
    const encoder = new EnvelopeEncoder();
    const payload = Buffer.from("before");
    encoder.begin("1", 1);
    encoder.add(publishOf("a", "", {}, { payload }));
    payload.fill("x");
    const [command] = decodeEnvelope(encoder.finish(1, 1)).commands;
    expect(command).toEqual(publishOf("a", "before"));
  });

  it("never touches again what it finished, which is exactly as long as its buffer", () => {
    const encoder = new EnvelopeEncoder();
    const first = encodeEnvelope(envelopeOf(publishOf("a", "one"), publishOf("a", "two")), encoder);
    const copy = Buffer.from(first);
    encodeEnvelope(envelopeOf(publishOf("another", "x".repeat(500))), encoder);
    expect(copy.equals(first)).toBe(true);
    expect(first.buffer.byteLength).toBe(first.byteLength);
  });

  it("counts commands and bytes", () => {
    const encoder = new EnvelopeEncoder();
    encoder.begin("1", 1);
    expect(encoder.count).toBe(0);
    const bytes = encoder.add(publishOf("a", "1"));
    expect(encoder.add(publishOf("a", "2"))).toBeGreaterThan(bytes);
    expect(encoder.count).toBe(2);
    const { bytes: all } = encoder;
    expect(encoder.finish(1, 1).length).toBe(all);
  });

  it("stays as it was when a command cannot be encoded", () => {
    const encoder = new EnvelopeEncoder();
    encoder.begin("1", 2);
    encoder.add(publishOf("a", "1"));
    const { bytes } = encoder;
    for (const bad of [
      { ...publishOf("b", "1"), messages: [] },
      publishOf("b", "1", {}, { expiresAtMs: 0.5 }),
      publishOf("b", "1", {}, { expiresAtMs: -1 }),
      publishOf("b", "1", {}, { expiresAtMs: 2 ** 53 }),
      publishOf("b", "1", {}, { expiresAtMs: Number.NaN }),
      publishOf("b", "1", { publisher: 0.5 }),
      publishOf("b", "1", { publisher: 2 ** 52 }),
      publishOf("b", "1", { receipt: { epoch: 1, packetId: 0 } }),
      publishOf("b", "1", { receipt: { epoch: 1, packetId: 65_536 } }),
      { kind: "release", session: 1, epoch: 1, packetId: 0 },
      { kind: "progress", entries: [{ ...PROGRESS, done: [1, -1] }] },
    ] satisfies Command[]) {
      expect(() => encoder.add(bad)).toThrow(expect.objectContaining({ code: "invalid_command" }));
    }
    expect(encoder.bytes).toBe(bytes);
    encoder.add(publishOf("a", "2"));
    const envelope = decodeEnvelope(encoder.finish(3, 1_790_000_000_000));
    expect(envelope).toEqual(envelopeOf(publishOf("a", "1"), publishOf("a", "2")));
  });

  it("does not carry the last topic into the next envelope", () => {
    const encoder = new EnvelopeEncoder();
    encodeEnvelope(envelopeOf(publishOf("a", "1")), encoder);
    const next = envelopeOf(publishOf("a", "2"));
    expect(decodeEnvelope(encodeEnvelope(next, encoder))).toEqual(next);
  });

  it("has to be begun first, with an origin of at most 128 characters and numbers that are whole", () => {
    const refused = expect.objectContaining({ code: "invalid_command" });
    const encoder = new EnvelopeEncoder();
    expect(() => encoder.add(publishOf("a", "1"))).toThrow(refused);
    expect(() => encoder.finish(1, 1)).toThrow(refused);
    expect(() => encoder.begin("x".repeat(129), 1)).toThrow(refused);
    expect(() => encoder.begin("1", 1.5)).toThrow(refused);
    encoder.begin("1", 1);
    expect(() => encoder.finish(-1, 1)).toThrow(refused);
  });
});

describe("bad bytes", () => {
  /** The first byte of a command about sessions. */
  const session = (which: number): number => 6 | (which << 3);
  const header = encodeEnvelope({ ...envelopeOf(), origin: "" });
  /** An envelope of `count` commands whose command bytes are the given ones. */
  const withBytes = (count: number, ...bytes: number[]): Buffer => {
    const envelope = Buffer.concat([header, Buffer.from(bytes)]);
    envelope.writeUInt32LE(count, 2);
    return envelope;
  };

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["version 0", Buffer.alloc(64)],
    ["header flags", Buffer.concat([Buffer.of(1, 1), header.subarray(2)])],
    ["more commands than bytes", withBytes(0xffff_ffff, 4, 1, 97)],
    ["a command of kind 0", withBytes(1, 0, 0)],
    ["a command of kind 7", withBytes(1, 7, 0)],
    ["a publisher that is none", withBytes(1, 0x81, 1, 97, 0, 0, 0)],
    ["a receipt without a packet identifier", withBytes(1, 0x81, 1, 97, 1, 1, 0, 0, 0)],
    ["a receipt with too large a packet identifier", withBytes(1, 0x81, 1, 97, 1, 1, 0x80, 0x80, 4, 0, 0)],
    ["a flag that create has not", withBytes(1, 0x42, 1, 97)],
    ["a flag that update has not", withBytes(1, 0x83, 1, 97)],
    ["a flag that delete has not", withBytes(1, 0x0c, 1, 97)],
    ["a flag that genesis has not", withBytes(1, 0x0d, 1, 97)],
    ["a field set and not", withBytes(1, 0x1b, 1, 97, 1)],
    ["the topic before, of none", withBytes(1, 0x09, 0, 0)],
    ["QoS 3", withBytes(1, 0x01, 1, 97, 3, 0)],
    ["a message flag", withBytes(1, 0x01, 1, 97, 0x40, 0)],
    ["several messages that are one", withBytes(1, 0x41, 1, 97, 1, 0, 0)],
    ["a payload past the end", withBytes(1, 0x01, 1, 97, 0, 5, 1, 2)],
    ["a topic that is not UTF-8", withBytes(1, 0x04, 1, 0xff)],
    ["a topic cut within a character", withBytes(1, 0x04, 2, 0xe2, 0x82)],
    ["a length beyond 2^53", withBytes(1, 0x04, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)],
    [
      "an expiry beyond 2^53",
      withBytes(1, 1, 1, 97, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0),
    ],
    ["properties past the end", withBytes(1, 0x01, 1, 97, 0x20, 3, 1)],
    ["session command 0", withBytes(1, session(0))],
    ["session command 11", withBytes(1, session(11), 0, 0)],
    ["a flag that open has not", withBytes(1, session(1), 4, 1, 97, 0)],
    ["a will of QoS 3", withBytes(1, session(1), 2, 1, 97, 0, 3, 1, 97, 0)],
    ["a will with a flag that it has not", withBytes(1, session(1), 2, 1, 97, 0, 0x80, 1, 97, 0)],
    ["a client id that is not UTF-8", withBytes(1, session(1), 0, 1, 0xff, 0)],
    ["a flag that close has not", withBytes(1, session(2), 4, 1, 1, 0)],
    ["a flag that displace has not", withBytes(1, session(3), 2, 1, 97)],
    ["a subscription of QoS 3", withBytes(1, session(4), 1, 1, 1, 3, 1, 97)],
    ["a subscription of retain handling 3", withBytes(1, session(4), 1, 1, 1, 0x30, 1, 97)],
    ["more subscriptions than bytes", withBytes(1, session(4), 1, 1, 2, 0, 1, 97)],
    ["more filters than bytes", withBytes(1, session(5), 1, 1, 0xff, 0xff, 0xff, 0x7f, 1, 97, 0)],
    ["a release of nothing", withBytes(1, session(6), 1, 1, 0)],
    ["more progress than bytes", withBytes(1, session(7), 2, 0, 1, 1)],
    ["a flag that progress has not", withBytes(1, session(7), 1, 0x20, 1, 1)],
    ["more positions than bytes", withBytes(1, session(7), 1, 0x10, 1, 1, 0xff, 0xff, 0xff, 0x7f, 1)],
    ["a length without end", withBytes(1, 0x04, ...new Array<number>(20).fill(0xff))],
  ])("%s", (_, bytes) => {
    expect(codeOf(bytes)).toBe("invalid_command");
  });

  it("a sequence, time or incarnation beyond 2^53", () => {
    for (const at of [6, 14, 22]) {
      const bytes = Buffer.from(header);
      bytes.fill(0xff, at, at + 8);
      expect(codeOf(bytes)).toBe("invalid_command");
    }
  });

  it("a replacement character of the topic's own is no error", () => {
    const envelope = envelopeOf({ kind: "delete-topic", topic: "a\ufffdb" });
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual(envelope);
  });

  it("a newer version asks for a newer release", () => {
    const bytes = Buffer.from(header);
    bytes[0] = FORMAT_VERSION + 1;
    expect(codeOf(bytes)).toBe("command_version");
    expect(() => decodeEnvelope(bytes)).toThrow(/newer release/);
  });

  it("whatever the bytes are, there is an envelope or that error", () => {
    const allowed = ["none", "invalid_command", "command_version"];
    const mutation = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        bytes[0] = FORMAT_VERSION;
        expect(allowed).toContain(codeOf(bytes));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(anyEnvelope, mutation, (envelope, changes) => {
        const bytes = encodeEnvelope(envelope);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        expect(allowed).toContain(codeOf(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it("what decodes from changed bytes encodes again", () => {
    const mutation = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(anyEnvelope, mutation, (envelope, [at, value]) => {
        const bytes = encodeEnvelope(envelope);
        bytes[at % bytes.length] = value;
        fc.pre(codeOf(bytes) === "none");
        const decoded = decodeEnvelope(bytes);
        expect(decodeEnvelope(encodeEnvelope(decoded))).toEqual(decoded);
      }),
    );
  });
});
