/** The bugs that were planted at ports must be found, or the silence of the simulator means nothing. All of them: `npm run sim:mutants`. */
import { describe, expect, test } from "vitest";
import { PLANTS } from "./plants.js";
import { run } from "./simulation.js";
import { SLICE_TIMEOUT_MS } from "./slice.js";

/** Each planted bug shows within this many seeds, apart from those that take longer. */
const SEEDS_TO_FIND = 40;
/** Hunted by `npm run sim:mutants` alone. */
const ELUSIVE: ReadonlySet<string> = new Set([
  "a node that was removed is let in",
  "snapshots forget who is who",
]);

describe("planted bugs are found", () => {
  test("those that are left to a longer hunt are among those that there are", () => {
    expect([...ELUSIVE].filter((elusive) => !PLANTS.some(({ name }) => name === elusive))).toEqual([]);
  });

  test.each(PLANTS.filter(({ name }) => !ELUSIVE.has(name)))(
    "$name ($nodes)",
    async ({ nodes, seams, shows }) => {
      let found: string | null = null;
      for (let seed = 1; seed <= SEEDS_TO_FIND && found === null; seed += 1) {
        found = (await run({ length: "short", seed, nodes, seams })).violation;
      }
      expect(found).toMatch(shows);
    },
    SLICE_TIMEOUT_MS,
  );
});
