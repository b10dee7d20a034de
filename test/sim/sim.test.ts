/**
 * A fixed range of simulated lives of one voter, in which every rule must hold, and the same seed must give the same run. Longer runs:
 * `npm run sim -- --seeds 10000`.
 */
import { describe, expect, test } from "vitest";
import { CRASH_POINTS } from "../../cluster/ready-loop.js";
import { run } from "./simulation.js";
import { runAll, SLICE_TIMEOUT_MS, total, totalFaults, violations } from "./slice.js";

const SEEDS = 190;
/** What clients with sessions that end do in them: less often than that and nothing is shown of it. */
const WAYS = [
  "sessions expired",
  "clean starts",
  "delayed wills",
  "delayed wills called off",
  "messages of shares",
  "given on to another member",
  "unsubscribes",
  "retained on subscribing",
  "connects of 3.1.1",
] as const;
const WAYS_MIN = 10;

describe("lives from seeds", () => {
  test.each([1, 1 + SEEDS])(
    "one voter, of which some get others, from seed %i: nothing acknowledged is lost, doubled or moved, whatever crashes when",
    async (first) => {
      const results = await runAll(1, SEEDS, first);
      expect(violations(results)).toEqual([]);
      expect(total(results, "crashes")).toBeGreaterThan(SEEDS);
      expect(total(results, "snapshots")).toBeGreaterThan(SEEDS);
      expect(total(results, "restores")).toBeGreaterThan(SEEDS / 3);
      expect(totalFaults(results, "member added")).toBeGreaterThan(SEEDS / 10);
      expect(WAYS.filter((way) => total(results, way) < WAYS_MIN)).toEqual([]);
    },
    SLICE_TIMEOUT_MS,
  );

  test("one voter: every named crash point is crashed at", async () => {
    const crashed = new Set<string | undefined>();
    const print = (line: string): void => {
      crashed.add(/ crash at "(.*)"$/.exec(line)?.[1]);
    };
    for (let seed = 1; seed <= 30; seed += 1) await run({ length: "short", seed, nodes: 1, print });
    expect([...crashed]).toEqual(expect.arrayContaining([...CRASH_POINTS]));
  });

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
