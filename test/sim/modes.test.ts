/** What a run can be about: that nothing is ever wrong, or that whoever can serve does. The usual runs are in the other files. */
import { expect, test } from "vitest";
import type { Size } from "./profile.js";
import { type Mode, type RunResult, run } from "./simulation.js";
import { SLICE_TIMEOUT_MS, totalFaults, violations } from "./slice.js";

async function runAbout(mode: Mode, nodes: Size, seeds: number): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (let seed = 1; seed <= seeds; seed += 1)
    results.push(await run({ mode, length: "short", seed, nodes }));
  return results;
}

test("a majority that is left alone serves, whatever becomes of the others", {
  timeout: SLICE_TIMEOUT_MS,
}, async () => {
  const results = await runAbout("liveness", 3, 6);
  expect(violations(results)).toEqual([]);
  expect(totalFaults(results, "minority in trouble for good")).toBeGreaterThan(2);
});

test("a run that is about safety is hostile to its end", { timeout: SLICE_TIMEOUT_MS }, async () => {
  const results = await runAbout("safety", 3, 3);
  expect(violations(results)).toEqual([]);
  const usual = await runAbout("both", 3, 3);
  const crashes = (some: readonly RunResult[]): number =>
    some.reduce((sum, { counts }) => sum + counts.crashes, 0);
  expect(crashes(results)).toBeGreaterThan(1.5 * crashes(usual));
});
