/**
 * All nodes lose power in one moment, under load, and come back with what was on their disks; or, where there is no power to cut, all
 * their processes are killed in one moment.
 */
import { delay } from "../lib/support.js";
import type { PowerTerrain } from "./power.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const JITTER_MS = 3_000;
const AFTERMATH_ACKNOWLEDGED = 200;
/** Elections fit in, or do not. */
const PAUSE_MS_MAX = 3_000;

export function runPowerLoss(conditions: Conditions, terrain: PowerTerrain): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, (course) => runRound(course, terrain));
}

/** No power is cut: what was written and not synced is there. */
export function runAllKilled(conditions: Conditions): Promise<ScenarioReport> {
  const nothing = async (): Promise<void> => undefined;
  return runCourse(conditions, (course) => runRound(course, { cutPower: nothing, restorePower: nothing }));
}

/**
 * One node loses its power while another, the leader, stands still: the third is alone, the first comes back with what was on its disk, and
 * the leader wakes up among others that have gone on.
 */
export function runPowerLossOfOne(conditions: Conditions, terrain: PowerTerrain): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, async ({ trial, cluster }) => {
    await delay(conditions.random() * JITTER_MS);
    const leader = await cluster.leader();
    const victim = await cluster.follower();
    leader.pause();
    await delay(conditions.random() * PAUSE_MS_MAX);
    await terrain.cutPower([victim.id]);
    await victim.kill();
    await terrain.restorePower([victim.id]);
    const back = victim.start();
    await delay(conditions.random() * PAUSE_MS_MAX);
    leader.resume();
    await back;
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    return `node ${victim.id} lost its power while leader ${leader.id} stood still`;
  });
}

type Power = Pick<PowerTerrain, "cutPower" | "restorePower">;

async function runRound({ trial, cluster, conditions }: Course, power: Power): Promise<string> {
  await delay(conditions.random() * JITTER_MS);
  await power.cutPower();
  // Whoever is acknowledged now was lied to: nothing is written any more.
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  await power.restorePower();
  const before = performance.now();
  await Promise.all(cluster.nodes.map((node) => node.start()));
  const readyMs = performance.now() - before;
  await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
  return `all off, ready again in ${readyMs.toFixed(0)} ms`;
}
