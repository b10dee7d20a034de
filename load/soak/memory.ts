/** What a node holds after a collection, asked for from outside: the probe inside prints it at a signal. */
import type { Child } from "../lib/children.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { builtFile } from "../lib/paths.js";

export interface Memory {
  /** Objects. */
  readonly heapMiB: number;
  /** What objects hold outside of the heap: buffers. */
  readonly buffersMiB: number;
  /** All of the process that is neither the heap nor a file's: those buffers, what libraries took, what the allocator keeps of what was freed. */
  readonly outsideMiB: number;
  /** Timers, sockets, requests under way. */
  readonly resources: number;
}

export const MEMORY_LINE = "memory after a collection";
const ANSWER_TIMEOUT_MS = 10_000;

/** Options of Node that put the probe into a node. */
export function probeArgs(): readonly string[] {
  return ["--expose-gc", "--import", builtFile("load", "soak", "probe.js")];
}

function memoryIn(line: string): Memory | undefined {
  return line.includes(MEMORY_LINE) ? (JSON.parse(line) as Memory) : undefined;
}

/** Of a process with the probe in it. Rejects when it ends, or does not answer in time. */
export function memoryOf(child: Child): Promise<Memory> {
  const answered = child.waitForLine(memoryIn, ANSWER_TIMEOUT_MS, "it said what it holds");
  child.signal("SIGUSR2");
  return answered;
}

/** `null` from a node that is paused or ends meanwhile. It must have been started with the probe. */
export async function askMemory(node: ClusterNode): Promise<Memory | null> {
  if (!node.running || node.paused) return null;
  return memoryOf(node.child).catch(() => null);
}
