/** All nodes lose power in one moment, under load, and come back with what was on their disks. */
import { delay } from "../lib/support.js";
import type { PowerTerrain } from "./power.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const JITTER_MS = 3_000;
const AFTERMATH_ACKNOWLEDGED = 200;

export function runPowerLoss(conditions: Conditions, terrain: PowerTerrain): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, (course) => runRound(course, terrain));
}

async function runRound({ trial, cluster, conditions }: Course, terrain: PowerTerrain): Promise<string> {
  await delay(conditions.random() * JITTER_MS);
  await terrain.cutPower();
  // Whoever is acknowledged now was lied to: nothing is written any more.
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  await terrain.restorePower();
  const before = performance.now();
  await Promise.all(cluster.nodes.map((node) => node.start()));
  const readyMs = performance.now() - before;
  await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
  return `all off, ready again in ${readyMs.toFixed(0)} ms`;
}
