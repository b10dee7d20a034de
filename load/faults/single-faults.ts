/** One node at a time: killed, paused, or cut off, while the others go on; then it comes back. */
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { delay } from "../lib/support.js";
import type { Cut } from "../lib/terrain.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

export interface Fault {
  readonly victim: (cluster: Cluster) => Promise<ClusterNode>;
  /** Resolves when it has happened, with what heals it. `round` counts from 1. */
  readonly inject: (cluster: Cluster, victim: ClusterNode, round: number) => Promise<() => Promise<void>>;
}

const JITTER_MS = 300;
const AFTERMATH_ACKNOWLEDGED = 200;

const leader = (cluster: Cluster): Promise<ClusterNode> => cluster.leader();

async function kill(_: Cluster, victim: ClusterNode): Promise<() => Promise<void>> {
  await victim.kill();
  return () => victim.start();
}

async function pause(_: Cluster, victim: ClusterNode): Promise<() => Promise<void>> {
  victim.pause();
  return async () => victim.resume();
}

function cutOff(cutOf: (round: number) => Cut): Fault["inject"] {
  return async ({ terrain }, victim, round) => {
    await terrain.cut(victim.id, cutOf(round));
    return () => terrain.heal();
  };
}

export const KILL_LEADER: Fault = { victim: leader, inject: kill };
export const KILL_FOLLOWER: Fault = { victim: (cluster) => cluster.follower(), inject: kill };
export const PAUSE_LEADER: Fault = { victim: leader, inject: pause };
/** An election comes and goes without it; it comes back to a group that has moved on. */
export const PAUSE_FOLLOWER: Fault = { victim: (cluster) => cluster.follower(), inject: pause };
export const PARTITION: Fault = { victim: leader, inject: cutOff(() => "both") };
/** Odd rounds: the leader is heard no more; even ones: it hears no more. */
export const PARTITION_ONE_WAY: Fault = {
  victim: leader,
  inject: cutOff((round) => (round % 2 === 1 ? "speaking" : "hearing")),
};

export function runSingleFault(fault: Fault, conditions: Conditions): Promise<ScenarioReport> {
  return runCourse(conditions, (course, round) => runRound(fault, course, round));
}

async function runRound(fault: Fault, course: Course, round: number): Promise<string> {
  const { trial, cluster, conditions } = course;
  const victim = await fault.victim(cluster);
  await delay(conditions.random() * JITTER_MS);
  trial.beginStall(cluster.nodes.filter((node) => node !== victim));
  const heal = await fault.inject(cluster, victim, round);
  await delay(conditions.holdMs);
  await heal();
  await delay(conditions.aftermathMs);
  const stallMs = course.endStall();
  await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
  const next = await cluster.leader();
  return `node ${victim.id}, then node ${next.id} leads, stall ${stallMs.toFixed(0)} ms`;
}
