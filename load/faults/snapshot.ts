/**
 * A follower that is down while gigabytes are published and the log is compacted: it rejoins by snapshot under a load that goes
 * on, and the leader's publish latency meanwhile is held against the latency before.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { History } from "../crash/history.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import type { LatencyHistogram } from "../lib/statistics.js";
import { delay, waitUntil } from "../lib/support.js";
import { formatMs } from "../lib/table.js";
import { BULK_PAGE, BULK_TOPIC, publishBulk } from "./bulk.js";
import { PacedPublisher } from "./paced-publisher.js";
import { type Conditions, type Course, runCourse, type ScenarioReport } from "./scenario.js";

const MEASURE_MS = 15_000;
const PUBLISHES_PER_SECOND = 200;
const CATCH_UP_TIMEOUT_MS = 300_000;
const FLAGS = ["--retention-bytes", "4GiB", "--snapshot-log-bytes", "128MiB"];
/** Of the leader's p99 while the follower catches up, against before. */
const P99_RATIO_MAX = 2;

export function runSnapshot(conditions: Conditions, bulkBytes: number): Promise<ScenarioReport> {
  return runCourse(conditions, (course) => runRound(course, bulkBytes), {
    flags: FLAGS,
    // Latencies are measured here, and nothing else.
    withSessions: false,
  });
}

async function runRound(course: Course, bulkBytes: number): Promise<string> {
  const { trial, cluster, conditions } = course;
  const leader = await cluster.leader();
  const victim = await cluster.follower();
  trial.include(BULK_TOPIC, BULK_PAGE);
  const calm = await measure(leader, trial.history, "before", delay(MEASURE_MS));
  const before = (await victim.status()) ?? { appliedIndex: Number.POSITIVE_INFINITY };
  await victim.kill();
  await trial.stopLoad();
  await publishBulk(leader, trial.history, bulkBytes);
  conditions.log(`    ${(bulkBytes / 1024 ** 3).toFixed(1)} GiB published while node ${victim.id} was down`);
  trial.startLoad();
  const started = performance.now();
  trial.beginStall([]);
  const caughtUp = catchUp(course, victim, before.appliedIndex);
  const during = await measure(leader, trial.history, "during", caughtUp);
  const caughtUpMs = performance.now() - started;
  course.endStall();
  const ratio = during.percentile(0.99) / calm.percentile(0.99);
  course.notes.push(
    `p99 at the leader ${formatMs(calm.percentile(0.99))} before (${calm.count} publishes), ${formatMs(during.percentile(0.99))} during the catch-up (${during.count})`,
    `median ${formatMs(calm.percentile(0.5))} before, ${formatMs(during.percentile(0.5))} during`,
    `caught up in ${(caughtUpMs / 1000).toFixed(1)} s`,
    ratio <= P99_RATIO_MAX ? "p99 target met" : `p99 target missed: ${ratio.toFixed(1)} times`,
  );
  Object.assign(course.figures, {
    p99BeforeMs: calm.percentile(0.99),
    p99DuringMs: during.percentile(0.99),
    caughtUpMs,
  });
  return `node ${victim.id} caught up in ${(caughtUpMs / 1000).toFixed(1)} s, p99 ${ratio.toFixed(2)} times`;
}

/** Starts the node; resolves when it has applied all that was committed at one moment after its start. */
async function catchUp(
  { trial, cluster, conditions }: Course,
  victim: ClusterNode,
  stoppedAt: number,
): Promise<void> {
  await victim.start(CATCH_UP_TIMEOUT_MS);
  const installed = snapshotIndex(victim);
  if (installed <= stoppedAt || tookItself(victim, installed)) {
    const detail = `node ${victim.id} stopped at entry ${stoppedAt} and came back with its own snapshot of entry ${installed}`;
    trial.report("wrong_answer", detail);
  }
  conditions.log(`    node ${victim.id} is ready after ${(victim.readyMs / 1000).toFixed(1)} s`);
  const leader = await (await cluster.leader()).status();
  const goal = leader?.commitIndex ?? 0;
  const reached = async (): Promise<boolean> => ((await victim.status())?.appliedIndex ?? 0) >= goal;
  if (!(await waitUntil(reached, CATCH_UP_TIMEOUT_MS, 50))) {
    throw new Error(`node ${victim.id} has not applied ${goal} after ${CATCH_UP_TIMEOUT_MS} ms`);
  }
}

/** Latencies of a paced publisher at this node until `end` resolves. */
async function measure(
  node: ClusterNode,
  history: History,
  name: string,
  end: Promise<void>,
): Promise<LatencyHistogram> {
  const publisher = new PacedPublisher(node.mqtt, history, `paced-${name}`, PUBLISHES_PER_SECOND);
  await publisher.start();
  try {
    await end;
  } finally {
    await publisher.stop();
  }
  return publisher.latencies;
}

/** The entry that the newest snapshot in a node's directory stands at; 0 for none. */
function snapshotIndex({ place: { dataDir } }: ClusterNode): number {
  const directory = join(dataDir, "groups", "0", "snapshots");
  const whole = readdirSync(directory).filter((name) => name.startsWith("snapshot-"));
  const indexes = whole.map((name) => {
    const manifest: unknown = JSON.parse(readFileSync(join(directory, name, "manifest.json"), "utf8"));
    return (manifest as { contents: { meta: { index: number } } }).contents.meta.index;
  });
  return Math.max(0, ...indexes);
}

/** Whether the node said that it took this snapshot itself. */
function tookItself({ place: { logFile } }: ClusterNode, index: number): boolean {
  const taken = readFileSync(logFile, "utf8").split("\n");
  return taken.some((line) => line.includes(`"index":${index},`) && line.includes("snapshot taken"));
}
