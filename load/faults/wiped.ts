/** A node comes back with an empty disk under its old id: it is refused, stops and says why, and may join under a new one. */
import { rm } from "node:fs/promises";
import { waitUntil } from "../lib/support.js";
import { lastCode, lastLine } from "./members.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const REFUSAL_TIMEOUT_MS = 30_000;

export function runWiped(conditions: Conditions): Promise<ScenarioReport> {
  return runCourse(conditions, runRound);
}

async function runRound({ trial, cluster }: Course): Promise<string> {
  const victim = await cluster.follower();
  await victim.kill();
  await rm(victim.place.dataDir, { recursive: true, force: true });
  const child = await victim.spawn();
  const ended = await waitUntil(() => child.ended, REFUSAL_TIMEOUT_MS);
  if (!ended) child.signal("SIGKILL");
  const code = await child.exited;
  // One that joins asks first, and is refused there.
  const expected = victim.joins ? "join_refused" : "member_wiped";
  if (!ended || code === 0 || lastCode(child.tail) !== expected) {
    const how = ended ? `ended with ${code}` : "went on running";
    trial.report("wrong_answer", `wiped node ${victim.id} ${how}, and said "${lastLine(child.tail)}"`);
  }
  await cluster.remove(victim.id);
  const successor = await cluster.add();
  await trial.attend(successor);
  await trial.waitForAcknowledged(100);
  return `node ${victim.id} was refused with code ${code}, node ${successor.id} took its place`;
}
