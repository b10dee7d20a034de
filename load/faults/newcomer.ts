/**
 * A newcomer to a group that has much and logs much: while the snapshot travels more is logged than the log would keep for somebody who
 * is behind, and what comes after the snapshot has to be there all the same, or it would never catch up.
 */
import { BULK_PAGE, BULK_TOPIC, BulkFlow, publishBulk } from "./bulk.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const MIB = 1024 * 1024;
const SNAPSHOT_LOG_BYTES = 2 * MIB;
const FLAGS = ["--retention-bytes", "4GiB", "--snapshot-log-bytes", String(SNAPSHOT_LOG_BYTES)];
/** Some seconds of a transfer. */
const BULK_BYTES = 400 * MIB;
const FLOW_BYTES_PER_SECOND = 10 * MIB;
/** Of what is logged between two snapshots, the log keeps this many times for one who is behind, whatever he would get instead. */
const KEPT_FACTOR = 8;

export function runNewcomer(conditions: Conditions): Promise<ScenarioReport> {
  // Sessions have scenarios of their own.
  return runCourse(conditions, runRound, { flags: FLAGS, withSessions: false });
}

async function runRound({ trial, cluster, conditions }: Course, number: number): Promise<string> {
  trial.include(BULK_TOPIC, BULK_PAGE);
  const leader = await cluster.leader();
  if (number === 1) await publishBulk(leader, trial.history, BULK_BYTES);
  const flow = new BulkFlow(leader, trial.history, `flow-${number}`, FLOW_BYTES_PER_SECOND);
  const begunMs = performance.now();
  const newcomer = await cluster.add();
  const seconds = (performance.now() - begunMs) / 1_000;
  const { bytes } = flow;
  await flow.stop();
  await trial.attend(newcomer);
  if (bytes < 2 * KEPT_FACTOR * SNAPSHOT_LOG_BYTES)
    throw new Error(`only ${bytes} bytes were logged while node ${newcomer.id} joined: no test of anything`);
  conditions.log(`    node ${newcomer.id} votes; ${(bytes / MIB).toFixed(0)} MiB were logged meanwhile`);
  // The oldest goes: the next round begins with as many.
  await cluster.remove(cluster.nodes[0]?.id ?? 0);
  return `node ${newcomer.id} voted after ${seconds.toFixed(1)} s`;
}
