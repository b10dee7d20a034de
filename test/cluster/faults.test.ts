/**
 * Three real nodes, one fault each, the short version (the long one is `npm run test:faults`): clients on all nodes, and everything
 * checked from outside on every node. Nothing here depends on how long anything took.
 */
import { describe, expect, it } from "vitest";
import { runMembers } from "../../load/faults/members.js";
import { runAllKilled } from "../../load/faults/power-loss.js";
import { runRolling } from "../../load/faults/rolling.js";
import type { Conditions, ScenarioReport } from "../../load/faults/scenario.js";
import {
  KILL_FOLLOWER,
  KILL_LEADER,
  PARTITION,
  PARTITION_ONE_WAY,
  PAUSE_LEADER,
  runSingleFault,
} from "../../load/faults/single-faults.js";
import { runWiped } from "../../load/faults/wiped.js";
import { removeDirectory, seededRandom, temporaryDirectory } from "../../load/lib/support.js";
import { ProxyTerrain } from "./proxy-terrain.js";

const SEED = 3;
const TIMEOUT_MS = 120_000;
/** Longer than two election timeouts, so that another leads. */
const HOLD_MS = 2_000;

type Run = (conditions: Conditions) => Promise<ScenarioReport>;

const scenarios: readonly (readonly [string, number, Run])[] = [
  ["kill -9 of the leader", 1, (conditions) => runSingleFault(KILL_LEADER, conditions)],
  ["kill -9 of a follower", 1, (conditions) => runSingleFault(KILL_FOLLOWER, conditions)],
  ["a pause of the leader", 1, (conditions) => runSingleFault(PAUSE_LEADER, conditions)],
  ["the leader cut off", 1, (conditions) => runSingleFault(PARTITION, conditions)],
  ["the leader deaf, and mute", 2, (conditions) => runSingleFault(PARTITION_ONE_WAY, conditions)],
  ["kill -9 of all three at once", 1, runAllKilled],
  [
    "a member replaced and a learner added",
    1,
    (conditions) => runMembers(conditions, { replaced: 1, grownSize: 3, learners: 1 }),
  ],
  ["every node restarted in turn", 1, runRolling],
  ["a node with a wiped disk", 1, runWiped],
];

describe("a cluster of three under load keeps what was acknowledged, once, in one order, through", () => {
  it.each(scenarios)(
    "%s",
    async (_, rounds, run) => {
      const directory = temporaryDirectory("cluster-test");
      const terrain = new ProxyTerrain(directory);
      const lines: string[] = [];
      try {
        const report = await run({
          ...{ terrain, rounds, random: seededRandom(SEED), log: (line) => lines.push(line) },
          ...{ holdMs: HOLD_MS, aftermathMs: 0, pauseMs: 10 },
        });
        expect(report.violations, lines.join("\n")).toEqual([]);
        expect(report.rounds).toBe(rounds);
        expect(report.acknowledged).toBeGreaterThan(0);
      } finally {
        await terrain.close();
        removeDirectory(directory);
      }
    },
    TIMEOUT_MS,
  );
});
