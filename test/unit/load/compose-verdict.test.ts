/** How the compose check judges: each kind of fault is planted and must be found. */
import { describe, expect, it } from "vitest";
import {
  atLeastOnce,
  exactlyOnceComplaints,
  longestPause,
  type Received,
  streamComplaints,
} from "../../../load/compose/verdict.js";

function event(number: number, topic: string, offset: number): Received {
  return { id: `1-${number}`, topic, offset, payload: `${topic}${offset}` };
}

describe("a stream", () => {
  it("is right when every topic's offsets follow each other", () => {
    expect(
      streamComplaints([event(1, "a", 0), event(2, "b", 0), event(4, "a", 1), event(5, "b", 1)]),
    ).toEqual([]);
  });

  it.each([
    ["a missing event", [event(1, "a", 0), event(3, "a", 2)], "a: offset 2 where 1 is due"],
    ["one that is missing at the beginning", [event(2, "a", 1)], "a: offset 1 where 0 is due"],
    ["one that comes again", [event(1, "a", 0), event(1, "a", 0)], "a: event id 1-1 came twice"],
    ["a wrong order", [event(1, "a", 0), event(3, "a", 2), event(2, "a", 1)], "a: offset 1 where 3 is due"],
  ])("complains of %s", (_, received, complaint) => {
    expect(streamComplaints(received)).toContain(complaint);
  });

  it("complains briefly", () => {
    const complaints = streamComplaints([0, 2, 4, 6, 8, 10].map((offset) => event(offset, "a", offset)));
    expect(complaints).toHaveLength(4);
    expect(complaints.at(-1)).toBe("and 2 more");
  });
});

describe("exactly once", () => {
  it.each([
    [["h0", "h1"], ["h0", "h1"], []],
    [["h0"], ["h0", "h1"], ["message 1 is missing, published was h1"]],
    [["h0", "h0"], ["h0"], ["message 1 is h0, published was none"]],
  ])("%j of %j", (payloads, written, complaints) => {
    expect(exactlyOnceComplaints(payloads, written)).toEqual(complaints);
  });
});

describe("at least once", () => {
  it.each([
    [["m0", "m1"], ["m0", "m1"], [], 0],
    [["m0", "m0", "m1"], ["m0", "m1"], [], 1],
    [["m0"], ["m0", "m1"], ["m1 was acknowledged and is missing"], 0],
  ])("%j of %j", (payloads, written, complaints, doubles) => {
    expect(atLeastOnce(payloads, written)).toEqual({ complaints, doubles });
  });
});

it("the longest pause counts from the fault on", () => {
  expect(longestPause([100, 900, 1_000, 1_300, 1_350], 950)).toBe(300);
  expect(longestPause([100], 950)).toBe(0);
});
