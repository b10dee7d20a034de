/**
 * All nodes lose power in one moment, under load, and come back with what was on their disks; or, where there is no power to cut, all
 * their processes are killed in one moment.
 */
import { delay } from "../lib/support.js";
import type { PowerTerrain } from "./power.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const JITTER_MS = 3_000;
const AFTERMATH_ACKNOWLEDGED = 200;

export function runPowerLoss(conditions: Conditions, terrain: PowerTerrain): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, (course) => runRound(course, terrain));
}

/** No power is cut: what was written and not synced is there. */
export function runAllKilled(conditions: Conditions): Promise<ScenarioReport> {
  const nothing = async (): Promise<void> => undefined;
  return runCourse(conditions, (course) => runRound(course, { cutPower: nothing, restorePower: nothing }));
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
