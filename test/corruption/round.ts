/**
 * A round: one of three nodes is killed under load, a file of it is damaged, and it is started again. It may go on, with nothing wrong that
 * it serves, or stop with a code that says what is damaged; then it is replaced, as docs/errors.md says. The others must not notice.
 */
import { readFileSync } from "node:fs";
import { parseKey } from "../../load/crash/history.js";
import { keyInPayload, payloadOf } from "../../load/crash/publishers.js";
import type { Course } from "../../load/faults/scenario.js";
import { LOAD_TOPICS } from "../../load/faults/trial.js";
import type { ClusterNode } from "../../load/lib/cluster-node.js";
import { readHistory } from "../../load/lib/history-pages.js";
import { HttpConnection } from "../../load/lib/http-client.js";
import { type Damage, damageOne, type FileKind } from "./damage.js";

export type Outcome = "no such file" | "went on" | "stopped" | "refused reads";

/** Codes that say which part is damaged. One of another release, node or cluster would send people looking elsewhere. */
const CLEAR_CODES: ReadonlySet<string> = new Set(["log_corrupt", "store_corrupt", "snapshot_corrupt"]);
const AFTERMATH_ACKNOWLEDGED = 100;

/** The codes of the lines that a node printed, from `from` on. */
function codesOf(node: ClusterNode, from: number): readonly string[] {
  return readFileSync(node.place.logFile, "utf8")
    .slice(from)
    .split("\n")
    .flatMap((line) => /"code":"([a-z_]+)"/.exec(line)?.[1] ?? []);
}

/** Reads all that a node has; gives what it would not read, and reports what it read wrong. */
async function readAll({ trial }: Course, node: ClusterNode): Promise<string | null> {
  const connection = new HttpConnection(node.http);
  try {
    for (const topic of LOAD_TOPICS) {
      await readHistory(connection, topic, ({ offset, payload = "" }) => {
        const key = keyInPayload(payload);
        if (payload === payloadOf(key, parseKey(key)?.sequence ?? 0)) return;
        trial.report(
          "phantom",
          `node ${node.id} gives ${topic} offset ${offset} as ${payload.slice(0, 200)}`,
        );
      });
    }
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    connection.close();
  }
}

async function replace({ trial, cluster }: Course, victim: ClusterNode): Promise<void> {
  await victim.kill();
  await cluster.remove(victim.id);
  await trial.attend(await cluster.add());
}

/** What became of the node; reports what must not be to the trial. */
export async function corruptionRound(
  course: Course,
  round: number,
  kind: FileKind,
  damage: Damage,
): Promise<{ readonly outcome: Outcome; readonly told: string }> {
  const { trial, cluster, conditions } = course;
  const victim = round % 2 === 1 ? await cluster.leader() : await cluster.follower();
  await victim.kill();
  const printed = readFileSync(victim.place.logFile, "utf8").length;
  const done = damageOne(victim.place.dataDir, kind, damage, conditions.random);
  let why: string | null = null;
  let outcome: Outcome = done === null ? "no such file" : "went on";
  try {
    await victim.start();
    await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
    why = await readAll(course, victim);
    if (why !== null) outcome = victim.running ? "refused reads" : "stopped";
  } catch (error) {
    outcome = "stopped";
    why = error instanceof Error ? error.message : String(error);
  }
  const code = codesOf(victim, printed).findLast((one) => CLEAR_CODES.has(one));
  if (why !== null && code === undefined) {
    trial.report("wrong_answer", `node ${victim.id}, ${done}: ${outcome} without a clear code: ${why}`);
  }
  if (why !== null) await replace(course, victim);
  await trial.waitForAcknowledged(AFTERMATH_ACKNOWLEDGED);
  return { outcome, told: `node ${victim.id}: ${done ?? `no ${kind} for that`}: ${outcome} ${code ?? ""}` };
}
