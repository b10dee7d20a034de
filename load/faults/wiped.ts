/** A node comes back with an empty disk under its old id: it is refused, stops and says why, and may join under a new one. */
import { rm } from "node:fs/promises";
import { waitUntil } from "../lib/support.js";
import { lastCode, lastLine } from "./members.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const REFUSAL_TIMEOUT_MS = 30_000;

export function runWiped(conditions: Conditions): Promise<ScenarioReport> {
  const joined = new Set<number>();
  return runCourse(conditions, (course) => runRound(course, joined));
}

/** `joined`: nodes that are started with `--join`. They ask first, and are refused there. */
async function runRound({ trial, cluster }: Course, joined: Set<number>): Promise<string> {
  const victim = await cluster.follower();
  await victim.kill();
  await rm(victim.place.dataDir, { recursive: true, force: true });
  const child = await victim.spawn();
  const ended = await waitUntil(() => child.ended, REFUSAL_TIMEOUT_MS);
  if (!ended) child.signal("SIGKILL");
  const code = await child.exited;
  const expected = joined.has(victim.id) ? "join_refused" : "member_wiped";
  if (!ended || code === 0 || lastCode(child.tail) !== expected) {
    const how = ended ? `ended with ${code}` : "went on running";
    trial.report("wrong_answer", `wiped node ${victim.id} ${how}, and said "${lastLine(child.tail)}"`);
  }
  await cluster.remove(victim.id);
  const successor = await cluster.add();
  joined.add(successor.id);
  await trial.attend(successor);
  await trial.waitForAcknowledged(100);
  return `node ${victim.id} was refused with code ${code}, node ${successor.id} took its place`;
}
