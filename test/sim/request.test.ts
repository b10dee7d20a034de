/** What is recorded of simulated lives gives the same again, and short ones are not recorded among the long. */
import { describe, expect, it } from "vitest";
import { commandOf, requestOf } from "./request.js";

const requested = (typed: string): ReturnType<typeof requestOf> => requestOf(typed.split(" "));

describe("a recorded command", () => {
  it.each([
    ["--record", "npm run sim -- --seeds 100 --first 1"],
    ["--seeds 9 --first 70 --record", "npm run sim -- --seeds 9 --first 70"],
    [
      "--nodes 3 --mode safety --jobs 1 --record",
      "npm run sim -- --seeds 100 --first 1 --nodes 3 --mode safety",
    ],
  ])("of %s", (typed, command) => {
    const request = requested(typed);
    expect(request === null ? null : commandOf(request)).toBe(command);
    const again = requested(command.replace("npm run sim -- ", ""));
    expect(again).toEqual({ ...request, isRecorded: false, jobs: expect.any(Number) });
  });
});

it.each([
  ["--short --record", "--record keeps long runs alone: leave --short away"],
  ["--record --short --seeds 9 --nodes 3", "--short"],
  ["--nodes 4", "--nodes takes 1, 3 or 5"],
  ["--mode most", "--mode takes"],
])("%s is refused", (typed, text) => {
  expect(() => requested(typed)).toThrow(text);
});

it("short runs that are not recorded, and records of long ones, are fine", () => {
  expect(requested("--short")).toMatchObject({ length: "short", isRecorded: false });
  expect(requested("--record")).toMatchObject({ length: "long", isRecorded: true });
});
