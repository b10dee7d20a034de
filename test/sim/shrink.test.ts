/** A failing schedule gets much smaller, and fails as before. */
import { expect, test } from "vitest";
import { PLANTS } from "./plants.js";
import { ruleOf, shrink } from "./shrink.js";
import { type RunOptions, run } from "./simulation.js";

test("a planted bug shows with a handful of strokes, by the same rule, whenever the schedule is run again", {
  timeout: 60_000,
}, async () => {
  const { seams, nodes } = PLANTS.find(({ name }) => name === "a lone voter applies before it persists")!;
  let options: RunOptions = { seed: 1, nodes, length: "short", seams };
  let result = await run(options);
  while (result.violation === null) {
    options = { ...options, seed: options.seed + 1 };
    result = await run(options);
  }
  const small = await shrink(options, result);
  expect(ruleOf(small.result.violation!)).toBe(ruleOf(result.violation));
  expect(small.result.strokes.length).toBeLessThan(4);
  expect(small.result.strokes.length).toBeLessThanOrEqual(result.strokes.length);
  expect(await run(small.options)).toEqual(small.result);
});

test("the rule is what is left without names and numbers", () => {
  expect(ruleOf("p1.4 is refused and in the stream")).toBe("N is refused and in the stream");
  expect(ruleOf("node 3 applies another entry 17 than was applied before")).toBe(
    "node N applies another entry N than was applied before",
  );
});
