/** The cluster changes while it is under load: every founder is replaced, it grows to five and shrinks, learners come and go. */
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const GROWN_SIZE = 5;
const LEARNERS = 2;
/** Acknowledged publishes between two changes: what changes, changes under load. */
const BETWEEN_ACKNOWLEDGED = 100;

export interface MemberPlan {
  readonly replaced: number;
  readonly grownSize: number;
  readonly learners: number;
}

/** The long campaign's round. */
export const ALL_CHANGES: MemberPlan = { replaced: 3, grownSize: GROWN_SIZE, learners: LEARNERS };

export function runMembers(conditions: Conditions, plan: MemberPlan = ALL_CHANGES): Promise<ScenarioReport> {
  return runCourse(conditions, async (course) => {
    course.trial.beginStall([]);
    await replace(course, plan.replaced);
    await growAndShrink(course, plan.grownSize);
    await addLearners(course, plan.learners);
    const stallMs = course.endStall();
    // The learners are still there when everything is checked, and go at the beginning of the next round.
    return `members ${course.cluster.nodes.map(({ id }) => id).join(", ")}, stall ${stallMs.toFixed(0)} ms`;
  });
}

async function join(course: Course, learner = false): Promise<number> {
  const node = await course.cluster.add({ learner });
  course.conditions.log(`    node ${node.id} joined as a ${learner ? "learner" : "voter"}`);
  await course.trial.attend(node);
  await course.trial.waitForAcknowledged(BETWEEN_ACKNOWLEDGED);
  return node.id;
}

/** A removed node stops and says why. */
async function leave(course: Course, id: number): Promise<void> {
  const { child } = course.cluster.node(id);
  const code = await course.cluster.remove(id);
  course.conditions.log(`    node ${id} was removed and ended with ${code}`);
  if (lastCode(child.tail) !== "member_removed") {
    course.trial.report(
      "wrong_answer",
      `removed node ${id} ended with ${code} and "${lastLine(child.tail)}"`,
    );
  }
  await course.trial.waitForAcknowledged(BETWEEN_ACKNOWLEDGED);
}

async function replace(course: Course, count: number): Promise<void> {
  const { cluster } = course;
  // Learners of the round before go first: a cluster's voters are what is replaced.
  for (const id of await learners(course)) await leave(course, id);
  const old = cluster.nodes.slice(0, count).map(({ id }) => id);
  for (const id of old) {
    await join(course);
    await leave(course, id);
  }
}

async function learners({ cluster }: Course): Promise<readonly number[]> {
  const status = await (await cluster.leader()).status();
  const members = status?.members ?? [];
  return members.filter(({ role }) => role === "learner").map(({ id }) => Number(id));
}

async function growAndShrink(course: Course, grownSize: number): Promise<void> {
  const { cluster } = course;
  const size = cluster.nodes.length;
  while (cluster.nodes.length < grownSize) await join(course);
  while (cluster.nodes.length > size) await leave(course, cluster.nodes[0]?.id ?? 0);
}

async function addLearners(course: Course, count: number): Promise<void> {
  for (let at = 0; at < count; at++) await join(course, true);
}

export function lastLine(tail: string): string {
  return tail.trimEnd().split("\n").at(-1) ?? "";
}

/** The code in a node's last line; null when that is not a JSON line with one. */
export function lastCode(tail: string): string | null {
  try {
    const { code } = JSON.parse(lastLine(tail)) as { code?: unknown };
    return typeof code === "string" ? code : null;
  } catch {
    return null;
  }
}
