/** Where the standard leaves a choice to the server two answers are the same, and nowhere else. */
import { describe, expect, it } from "vitest";
import { type Answer, ChosenIds, isSameAnswer } from "../../../../load/conformance/sequences/answer.js";
import { packetOf } from "../../../../load/conformance/sequences/script.js";

/** The length is left out, as it is behind the reader of packets. */
function answer(script: string): Answer {
  const bytes = packetOf(script);
  return { first: bytes[0]!, body: bytes.subarray(1) };
}

const same: readonly (readonly [string, 4 | 5, string, string])[] = [
  ["the same bytes", 4, "90 m1 01", "90 m1 01"],
  ["another identifier of a publish", 4, "32 s1 'p' m1 'x'", "32 s1 'p' m9 'x'"],
  ["the limits in CONNACK", 5, "20 00 00 v3 22 H10", "20 00 00 v8 21 H5 27 L100"],
  ["another identifier that was assigned", 5, "20 00 00 v4 12 s1 'a'", "20 00 00 v5 12 s2 'bc'"],
  ["properties in another order", 5, "30 s1 'p' v7 01 01 02 L1", "30 s1 'p' v7 02 L1 01 01"],
  ["nobody subscribes, and that is said", 5, "40 m1 10", "40 m1"],
  ["a reason in words", 5, "E0 82", "E0 82 v4 1F s1 'p'"],
  ["a reason in words of a subscription", 5, "90 m1 v0 87", "90 m1 v4 1F s1 'p' 87"],
];

const different: readonly (readonly [string, 4 | 5, string, string])[] = [
  ["another payload", 4, "30 s1 'p' 'x'", "30 s1 'p' 'y'"],
  ["another topic", 5, "30 s1 'p' v0 'x'", "30 s1 'q' v0 'x'"],
  ["another QoS", 4, "32 s1 'p' m1 'x'", "30 s1 'p' 'x'"],
  ["DUP", 4, "32 s1 'p' m1", "3A s1 'p' m1"],
  ["a lost property", 5, "30 s1 'p' v2 01 01", "30 s1 'p' v0"],
  [
    "user properties in another order",
    5,
    "30 s1 'p' v14 26 s1 'a' s1 'b' 26 s1 'c' s1 'd'",
    "30 s1 'p' v14 26 s1 'c' s1 'd' 26 s1 'a' s1 'b'",
  ],
  ["session present", 5, "20 00 00 v0", "20 01 00 v0"],
  ["no identifier assigned", 5, "20 00 00 v4 12 s1 'a'", "20 00 00 v0"],
  ["another reason", 5, "E0 82", "E0 81"],
  ["another reason of an acknowledgement", 5, "40 m1", "40 m1 97"],
  ["an acknowledgement of another packet", 4, "40 m1", "40 m2"],
  ["a refused filter", 4, "90 m1 01", "90 m1 80"],
];

describe("answers are the same with", () => {
  it.each(same)("%s", (_, level, wanted, got) => {
    expect(isSameAnswer(level, answer(wanted), answer(got), new ChosenIds())).toBe(true);
  });
});

describe("answers differ with", () => {
  it.each(different)("%s", (_, level, wanted, got) => {
    expect(isSameAnswer(level, answer(wanted), answer(got), new ChosenIds())).toBe(false);
  });
});

it("the identifier that a broker chose goes on through the whole exchange", () => {
  const ids = new ChosenIds();
  isSameAnswer(4, answer("34 s1 'p' m1"), answer("34 s1 'p' m700"), ids);
  expect(ids.applyTo(packetOf("50 r2 m1"))).toEqual(packetOf("50 r2 m700"));
  expect(isSameAnswer(4, answer("62 m1"), answer("62 m700"), ids)).toBe(true);
  expect(isSameAnswer(4, answer("62 m1"), answer("62 m1"), ids)).toBe(false);
  expect(ids.applyTo(packetOf("70 r2 m1"))).toEqual(packetOf("70 r2 m700"));
  expect(ids.applyTo(packetOf("62 r2 m1"))).toEqual(packetOf("62 r2 m1"));
  expect(ids.applyTo(packetOf("50 r1 00"))).toEqual(packetOf("50 r1 00"));
});
