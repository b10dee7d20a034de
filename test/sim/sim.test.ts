/**
 * A fixed range of simulated lives, in which every rule must hold; the same seed must give the same run; and the bugs that were
 * planted must be found, or the silence of the rest means nothing. Longer runs: `npm run sim -- --seeds 10000`.
 */
import { describe, expect, test } from "vitest";
import { CRASH_POINTS } from "../../cluster/ready-loop.js";
import { PLANTS } from "./plants.js";
import type { Size } from "./profile.js";
import { type RunResult, run } from "./simulation.js";

const ONE_VOTER_SEEDS = 150;
const THREE_VOTERS_SEEDS = 40;
const FIVE_VOTERS_SEEDS = 15;
/** A machine that has other things to do takes longer. */
const TIMEOUT_MS = 120_000;
/** Each planted bug shows within this many seeds, apart from those that take longer. */
const SEEDS_TO_FIND = 40;
/** Hunted by `npm run sim:mutants` alone. */
const ELUSIVE: ReadonlySet<string> = new Set([
  "a node that was removed is let in",
  "snapshots forget who is who",
]);

async function runAll(nodes: Size, seeds: number): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) results.push(await run({ length: "short", seed, nodes }));
  return results;
}

const violations = (results: readonly RunResult[]): string[] =>
  results.flatMap(({ seed, violation }) => (violation === null ? [] : [`seed ${seed}: ${violation}`]));

const total = (results: readonly RunResult[], what: keyof RunResult["counts"]): number =>
  results.reduce((sum, { counts }) => sum + counts[what], 0);

describe("lives from seeds", () => {
  test("one voter: nothing acknowledged is lost, doubled or moved, whatever crashes when", {
    timeout: TIMEOUT_MS,
  }, async () => {
    const results = await runAll(1, ONE_VOTER_SEEDS);
    expect(violations(results)).toEqual([]);
    expect(total(results, "crashes")).toBeGreaterThan(ONE_VOTER_SEEDS);
    expect(total(results, "snapshots")).toBeGreaterThan(ONE_VOTER_SEEDS);
    expect(total(results, "restores")).toBeGreaterThan(ONE_VOTER_SEEDS / 3);
  });

  test("one voter: every named crash point is crashed at", async () => {
    const crashed = new Set<string | undefined>();
    const print = (line: string): void => {
      crashed.add(/ crash at "(.*)"$/.exec(line)?.[1]);
    };
    for (let seed = 1; seed <= 30; seed += 1) await run({ length: "short", seed, nodes: 1, print });
    expect([...crashed]).toEqual(expect.arrayContaining([...CRASH_POINTS]));
  });

  const many: readonly (readonly [Size, number])[] = [
    [3, THREE_VOTERS_SEEDS],
    [5, FIVE_VOTERS_SEEDS],
  ];
  test.each(many)(
    "%i voters, who come and go: one history, one leader a term, no stale read, everybody the same in the end",
    async (nodes, seeds) => {
      const results = await runAll(nodes, seeds);
      expect(violations(results)).toEqual([]);
      expect(total(results, "crashes")).toBeGreaterThan(3 * seeds);
      expect(total(results, "publishes")).toBeGreaterThan(20 * seeds);
      expect(total(results, "reads")).toBeGreaterThan(20 * seeds);
      expect(total(results, "adds")).toBeGreaterThan(seeds / 3);
      expect(total(results, "removals")).toBeGreaterThan(seeds / 3);
      expect(total(results, "wipes")).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );

  test.each([1, 3] as const)(
    "%i voters: the same seed gives the same run, another one another",
    async (nodes) => {
      const [first, again, other] = [
        await run({ length: "short", seed: 7, nodes }),
        await run({ length: "short", seed: 7, nodes }),
        await run({ length: "short", seed: 8, nodes }),
      ];
      expect(again).toEqual(first);
      expect(other.digest).not.toBe(first.digest);
    },
  );
});

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
    TIMEOUT_MS,
  );
});
