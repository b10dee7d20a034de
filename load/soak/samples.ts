/** What each node takes of its machine, every few seconds, from outside: descriptors, sockets, disk, memory; and what the lasting one holds. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection } from "../lib/http-client.js";
import type { Sample } from "./flatness.js";
import { askMemory } from "./memory.js";

const MIB = 1024 * 1024;
const METRICS_TIMEOUT_MS = 3_000;

function rssMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function descriptors(pid: number): { readonly all: number; readonly sockets: number } {
  const directory = `/proc/${pid}/fd`;
  const targets = readdirSync(directory).map((name) => {
    try {
      return readlinkSync(join(directory, name));
    } catch {
      return "";
    }
  });
  return { all: targets.length, sockets: targets.filter((target) => target.startsWith("socket:")).length };
}

/** Bytes that the files take; one that goes while it is looked at takes none. */
function bytesUnder(path: string, seen = new Set<number>()): number {
  try {
    const stat = statSync(path);
    if (stat.isDirectory())
      return readdirSync(path).reduce((sum, name) => sum + bytesUnder(join(path, name), seen), 0);
    // A snapshot's files are links to the store's.
    if (seen.has(stat.ino)) return 0;
    seen.add(stat.ino);
    return stat.blocks * 512;
  } catch {
    return 0;
  }
}

/** Numbers that GET /metrics gives: each set of labels is one. `null` when it does not answer in time. */
async function metricSeries(node: ClusterNode): Promise<number | null> {
  const connection = new HttpConnection(node.http, METRICS_TIMEOUT_MS);
  try {
    const { status, body } = await connection.ask("GET", "/metrics");
    return status === 200 ? body.split("\n").filter((line) => /^[a-z]/.test(line)).length : null;
  } catch {
    return null;
  } finally {
    connection.close();
  }
}

/** One sample of each node that runs; `ageOf` gives how long it has been running, in seconds. */
export function sampleAll(
  cluster: Cluster,
  atSeconds: number,
  ageOf: (node: ClusterNode) => number,
): Sample[] {
  return cluster.running.flatMap((node): Sample[] => {
    try {
      const { pid } = node.child;
      const { all, sockets } = descriptors(pid);
      const disk = bytesUnder(node.place.dataDir) / MIB;
      const values = { "rss, MiB": rssMiB(pid), descriptors: all, sockets, "disk, MiB": disk };
      return [{ node: node.id, atSeconds, ageSeconds: ageOf(node), values }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
}

/** What a node holds after a collection. */
export async function sampleHeld(
  node: ClusterNode,
  atSeconds: number,
  ageSeconds: number,
): Promise<Sample[]> {
  const memory = await askMemory(node);
  const series = memory === null ? null : await metricSeries(node);
  if (memory === null || series === null) return [];
  const values = {
    "live heap, MiB": memory.heapMiB,
    "buffers held, MiB": memory.buffersMiB,
    "outside of the heap, MiB": memory.outsideMiB,
    "timers and handles": memory.resources,
    "series of metrics": series,
    "state file, MiB": bytesUnder(join(node.place.dataDir, "groups", "0", "state")) / MIB,
  };
  return [{ node: node.id, atSeconds, ageSeconds, values }];
}
