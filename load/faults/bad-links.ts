/** Links that are neither up nor down: cut and healed many times, lossy, doubling; and a member replaced while it is cut off. */
import { delay, waitUntil } from "../lib/support.js";
import type { Cut } from "../lib/terrain.js";
import { lastCode, lastLine } from "./members.js";
import type { NamespaceTerrain } from "./namespaces.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const FLAPS = 12;
/** A cut shorter than an election, and longer ones. */
const FLAP_MS = { min: 100, max: 1_500 } as const;
const CUTS: readonly Cut[] = ["both", "hearing", "speaking"];
const LOST = 0.15;
const DOUBLED = 0.1;
const AFTERMATH_ACKNOWLEDGED = 200;
const STOP_TIMEOUT_MS = 60_000;

export function runFlapping(conditions: Conditions): Promise<ScenarioReport> {
  return runCourse(conditions, async (course) => {
    const { trial, cluster } = course;
    const { random, terrain } = conditions;
    const pauseMs = (): number => FLAP_MS.min + random() * (FLAP_MS.max - FLAP_MS.min);
    trial.beginStall([]);
    for (let flap = 0; flap < FLAPS; flap++) {
      const victim = cluster.nodes[Math.floor(random() * cluster.nodes.length)];
      const cut = CUTS[Math.floor(random() * CUTS.length)];
      if (victim === undefined || cut === undefined) throw new Error("there is nothing to cut");
      await terrain.cut(victim.id, cut);
      await delay(pauseMs());
      await terrain.heal();
      await delay(pauseMs());
    }
    const stallMs = course.endStall();
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    return `${FLAPS} cuts, stall ${stallMs.toFixed(0)} ms`;
  });
}

export function runLossy(
  conditions: Conditions,
  terrain: NamespaceTerrain,
  doubles: boolean,
): Promise<ScenarioReport> {
  return runCourse({ ...conditions, terrain }, async (course) => {
    const { trial, cluster } = course;
    trial.beginStall([]);
    for (const { id } of cluster.nodes) await terrain.disturb(id, LOST, doubles ? DOUBLED : 0);
    await delay(conditions.holdMs);
    await terrain.heal();
    const stallMs = course.endStall();
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    course.figures["lostPercent"] = LOST * 100;
    course.figures["doubledPercent"] = doubles ? DOUBLED * 100 : 0;
    const doubled = doubles ? ` and ${DOUBLED * 100}% doubled` : "";
    return `${LOST * 100}% of all packets between nodes lost${doubled}, stall ${stallMs.toFixed(0)} ms`;
  });
}

/** The one that is replaced hears of it when it is heard again, and stops. */
export function runReplacedInPartition(conditions: Conditions): Promise<ScenarioReport> {
  return runCourse(conditions, async (course, round) => {
    const { trial, cluster } = course;
    const victim = round % 2 === 1 ? await cluster.leader() : await cluster.follower();
    await conditions.terrain.cut(victim.id, "both");
    const successor = await joinWithout(course, victim.id);
    await trial.attend(successor);
    await removeSilently(course, victim.id);
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    await conditions.terrain.heal();
    const stopped = await waitUntil(() => !victim.running, STOP_TIMEOUT_MS);
    if (!stopped) trial.report("wrong_answer", `removed node ${victim.id} goes on after the partition`);
    else if (lastCode(victim.child.tail) !== "member_removed") {
      trial.report("wrong_answer", `removed node ${victim.id} said "${lastLine(victim.child.tail)}"`);
    }
    if (!stopped) await victim.kill();
    return `node ${victim.id} was cut off and replaced by node ${successor.id}`;
  });
}

/** Joins by way of the majority's side. */
async function joinWithout(
  { cluster }: Course,
  victim: number,
): Promise<Awaited<ReturnType<typeof cluster.add>>> {
  const hasOther = await waitUntil(async () => (await cluster.leader()).id !== victim, STOP_TIMEOUT_MS, 100);
  if (!hasOther) throw new Error(`node ${victim} leads on though it is cut off`);
  return cluster.add();
}

/** As `Cluster.remove` does, without waiting for one that cannot hear of it. */
async function removeSilently({ cluster }: Course, id: number): Promise<void> {
  await cluster.command(
    `remove node ${id}`,
    "DELETE",
    `/cluster/members/${id}`,
    (status) => status < 300 || status === 404,
  );
  cluster.forget(id);
}
