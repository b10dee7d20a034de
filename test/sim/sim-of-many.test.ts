/** A fixed range of simulated lives of three and five voters, in which every rule must hold. Longer runs: `npm run sim`. */
import { expect, test } from "vitest";
import type { Size } from "./profile.js";
import { runAll, SLICE_TIMEOUT_MS, total, totalFaults, violations } from "./slice.js";

const many: readonly (readonly [Size, number])[] = [
  [3, 90],
  [5, 30],
];
test.each(many)(
  "%i voters, who come and go: one history, one leader a term, no stale read, everybody the same in the end",
  async (nodes, seeds) => {
    const results = await runAll(nodes, seeds);
    expect(violations(results)).toEqual([]);
    expect(total(results, "crashes")).toBeGreaterThan(3 * seeds);
    expect(total(results, "publishes")).toBeGreaterThan(20 * seeds);
    expect(total(results, "reads")).toBeGreaterThan(20 * seeds);
    expect(totalFaults(results, "member added")).toBeGreaterThan(seeds / 3);
    expect(totalFaults(results, "member removed")).toBeGreaterThan(seeds / 3);
    expect(total(results, "wipes")).toBeGreaterThan(0);
  },
  SLICE_TIMEOUT_MS,
);
