/** What is recorded of a run of the fuzzer gives the same run again, and two runs that nobody gave a seed are not the same. */
import { describe, expect, it } from "vitest";
import { commandOf, type Request, requestOf } from "./request.js";

function requested(...args: string[]): Request {
  const request = requestOf(args);
  if (request === null) throw new Error("help was wanted");
  return request;
}

describe("a recorded command", () => {
  it.each([
    ["--target commands --inputs 50 --seed 7", "npm run fuzz -- --target commands --inputs 50 --seed 7"],
    [
      "--target commands --seconds 9 --seed 7",
      "npm run fuzz -- --target commands --inputs 2000000 --seconds 9 --seed 7",
    ],
    ["--seed 7 --save --record", "npm run fuzz -- --target commands --inputs 2000000 --seed 7"],
  ])("of %s", (typed, command) => {
    const request = requested(...typed.split(" "));
    expect(commandOf("commands", request)).toBe(command);
    const again = requested(...command.replace("npm run fuzz -- ", "").split(" "));
    expect(again).toMatchObject({ inputs: request.inputs, seconds: request.seconds, seed: request.seed });
  });

  it("names the seed that was chosen, another one each time", () => {
    const seeds = [requested(), requested()].map((request) => {
      expect(commandOf("commands", request)).toMatch(new RegExp(` --seed ${request.seed}$`));
      return request.seed;
    });
    expect(seeds[0]).not.toBe(seeds[1]);
  });
});

it.each([
  [["--target", "nothing"], "there is no target nothing"],
  [["--seconds", "-1"], "--seconds"],
  [["--seed", "x"], "--seed takes a number"],
])("%s is refused", (args, text) => {
  expect(() => requestOf(args)).toThrow(text);
});
