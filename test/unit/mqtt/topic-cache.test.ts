/** Topic names by their bytes: the cache must not change any answer. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { PacketRefused } from "../../../src/edges/mqtt/refusal.js";
import { TopicCache } from "../../../src/edges/mqtt/topic-cache.js";

function answer(cache: TopicCache, bytes: Buffer): string | null {
  const padded = Buffer.concat([Buffer.from("<"), bytes, Buffer.from(">")]);
  try {
    return cache.read(padded, 1, 1 + bytes.length);
  } catch (error) {
    if (error instanceof PacketRefused) return error.code;
    throw error;
  }
}

it.each([
  ["praça/1", "praça/1"],
  ["", "malformed_packet"],
  ["a/#", "malformed_packet"],
  ["+", "malformed_packet"],
  ["a\0", "malformed_packet"],
  ["a\u0001", "malformed_packet"],
  ["a\u009f", "malformed_packet"],
  ["a\uffff", "malformed_packet"],
  ["$SYS/a", null],
  ["a".repeat(1_025), null],
])("%s", (topic, wanted) => {
  const cache = new TopicCache();
  expect([1, 2].map(() => answer(cache, Buffer.from(topic)))).toEqual([wanted, wanted]);
});

it("gives the same string again", () => {
  const cache = new TopicCache();
  const chunk = Buffer.from("a/b a/b");
  expect(cache.read(chunk, 0, 3)).toBe("a/b");
  chunk.write("c", 0);
  expect(cache.read(chunk, 4, 7)).toBe("a/b");
  expect(cache.read(chunk, 0, 3)).toBe("c/b");
});

it("answers as if it remembered nothing", () => {
  const cache = new TopicCache();
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.string().map((text) => new TextEncoder().encode(text)),
  );
  fc.assert(
    fc.property(bytes, (topic) => {
      expect(answer(cache, Buffer.from(topic))).toBe(answer(new TopicCache(), Buffer.from(topic)));
    }),
    { numRuns: 2_000 },
  );
});
