/** What each node takes of its machine, every few seconds, from outside: memory, heap, descriptors, sockets, disk. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection } from "../lib/http-client.js";
import type { Sample } from "./flatness.js";

const MIB = 1024 * 1024;
const METRICS_TIMEOUT_MS = 3_000;
const HEAP = /^nodejs_heap_size_used_bytes (\S+)$/m;
const EXTERNAL = /^nodejs_external_memory_bytes (\S+)$/m;

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

async function heapMiB(node: ClusterNode): Promise<number | null> {
  if (node.paused) return null;
  const connection = new HttpConnection(node.http, METRICS_TIMEOUT_MS);
  try {
    const { body } = await connection.ask("GET", "/metrics");
    const used = Number(HEAP.exec(body)?.[1]) + Number(EXTERNAL.exec(body)?.[1]);
    return Number.isFinite(used) ? used / MIB : null;
  } catch {
    return null;
  } finally {
    connection.close();
  }
}

/** One sample of each node that runs; `ageOf` gives how long it has been running, in seconds. */
export async function sampleAll(
  cluster: Cluster,
  atSeconds: number,
  ageOf: (node: ClusterNode) => number,
): Promise<Sample[]> {
  const samples = cluster.running.map(async (node): Promise<Sample[]> => {
    const heap = await heapMiB(node);
    try {
      const { pid } = node.child;
      const { all, sockets } = descriptors(pid);
      const values = {
        "rss, MiB": rssMiB(pid),
        ...(heap === null ? {} : { "heap, MiB": heap }),
        descriptors: all,
        sockets,
        "disk, MiB": bytesUnder(node.place.dataDir) / MIB,
      };
      return [{ node: node.id, atSeconds, ageSeconds: ageOf(node), values }];
    } catch {
      // It ended meanwhile.
      return [];
    }
  });
  return (await Promise.all(samples)).flat();
}
