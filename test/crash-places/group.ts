/**
 * One of three nodes: it is down until it needs a snapshot, or just long enough, and comes back with an aim, dies there under load, and
 * comes back a second time. All nodes and subscribers are checked from outside after each round.
 */
import { existsSync, readFileSync } from "node:fs";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "../../load/faults/scenario.js";
import type { ClusterNode } from "../../load/lib/cluster-node.js";
import { waitUntil } from "../../load/lib/support.js";
import { LoopbackTerrain, type Place } from "../../load/lib/terrain.js";
import { type Aim, isCrash, launcherOf, passedIn, program } from "./armed.js";

const HIT_TIMEOUT_MS = 6_000;
const POLL_MS = 10;
/** So much that the others have compacted what it would need. */
const ABSENT_ACKNOWLEDGED = 4_000;
const AFTERMATH_ACKNOWLEDGED = 50;

/** Loopback, with nodes that can be armed between two starts. */
export class ArmedTerrain extends LoopbackTerrain {
  readonly #aims = new Map<number, Aim>();

  arm(id: number, aim: Aim | null): void {
    if (aim === null) this.#aims.delete(id);
    else this.#aims.set(id, aim);
  }

  override async place(id: number): Promise<Place> {
    const aims = this.#aims;
    const place = await super.place(id);
    return {
      ...{ ...place, program: program() },
      get launcher() {
        return launcherOf(aims.get(id) ?? null);
      },
    };
  }
}

/** The lines that a node has printed so far. */
function linesOf(node: ClusterNode): readonly string[] {
  const { logFile } = node.place;
  return existsSync(logFile) ? readFileSync(logFile, "utf8").split("\n") : [];
}

function crashesOf(node: ClusterNode): number {
  return linesOf(node).filter(isCrash).length;
}

/** Absent long enough for a snapshot in every other round. */
async function comeBackArmed(
  course: Course,
  victim: ClusterNode,
  terrain: ArmedTerrain,
  aim: Aim | null,
): Promise<boolean> {
  const crashes = crashesOf(victim);
  await victim.kill();
  await course.trial.waitForAcknowledged(ABSENT_ACKNOWLEDGED);
  terrain.arm(victim.id, aim);
  await victim.start().catch((error: unknown) => {
    if (crashesOf(victim) === crashes) throw error;
  });
  await waitUntil(() => !victim.running, HIT_TIMEOUT_MS, POLL_MS);
  await victim.kill();
  terrain.arm(victim.id, null);
  return crashesOf(victim) > crashes;
}

/** The caller's rounds are its aims. */
export type GroupConditions = Omit<Conditions, "terrain" | "rounds">;

export interface GroupReport {
  readonly report: ScenarioReport;
  readonly hits: readonly Aim[];
  /** Rounds that were begun, finished or not. */
  readonly begun: number;
}

/** A round for each aim. */
export async function runGroup(
  conditions: GroupConditions,
  terrain: ArmedTerrain,
  aims: readonly Aim[],
): Promise<GroupReport> {
  const hits: Aim[] = [];
  let begun = 0;
  const report = await runCourse({ ...conditions, terrain, rounds: aims.length }, async (course, round) => {
    const aim = aims[round - 1];
    begun = round;
    if (aim === undefined) throw new Error(`there is no aim for round ${round}`);
    const victim = round % 2 === 1 ? await course.cluster.leader() : await course.cluster.follower();
    const isHit = await comeBackArmed(course, victim, terrain, aim);
    if (isHit) hits.push(aim);
    await victim.start();
    await course.trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    return `node ${victim.id} ${isHit ? "died" : "did not die"} at passing ${aim.ordinal} of "${aim.point}"`;
  });
  return { report, hits, begun };
}

/** What three nodes pass while one after the other is away and comes back. */
export async function pointsOfGroup(
  conditions: GroupConditions,
  terrain: ArmedTerrain,
): Promise<{ readonly points: ReadonlySet<string>; readonly report: ScenarioReport }> {
  const points = new Set<string>();
  const report = await runCourse({ ...conditions, terrain, rounds: 2 }, async (course) => {
    const victim = await course.cluster.follower();
    await comeBackArmed(course, victim, terrain, null);
    await victim.start();
    for (const node of course.cluster.nodes) {
      for (const line of linesOf(node)) {
        const point = passedIn(line);
        if (point !== null) points.add(point);
      }
    }
    return `${points.size} points`;
  });
  return { points, report };
}
