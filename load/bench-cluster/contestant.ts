/** Who is measured: three servers of one kind on this machine, up only while it is their turn. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Child, type SpawnOptions } from "../lib/children.js";
import type { Address } from "../lib/server.js";
import { freePort, removeDirectory, temporaryDirectory } from "../lib/support.js";
import type { ClusterPublishReport, Protocol } from "../loaders/cluster-publish.js";

export const NODES = 3;
export const HOST = "127.0.0.1";
const STOP_MS = 10_000;

export interface RunningCluster {
  /** Processes of the servers, for their CPU time. */
  readonly pids: readonly number[];
  /** Makes the channel where that is needed, and gives the node that the publisher of a row connects to. */
  route(row: string, channel: string): Promise<Address>;
  /** "ok" when what was acknowledged is stored on all three nodes, or what is wrong. */
  prove(channel: string, report: ClusterPublishReport): Promise<string>;
  stop(): Promise<void>;
}

export interface ClusterContestant {
  /** Its name on the command line. */
  readonly key: string;
  readonly protocol: Protocol;
  /** What is measured of it: one row in each table. */
  readonly rows: readonly string[];
  /** Whether a quorum has fsynced before a publish is acknowledged, in words. */
  readonly fsync: string;
  readonly version: string;
  /** Why it cannot be measured here; null when it can. */
  readonly missing: string | null;
  start(): Promise<RunningCluster>;
}

/** The three processes of a cluster with a directory each, removed together. */
export class ServerGroup {
  readonly children: Child[] = [];
  readonly directories: readonly string[];
  readonly #base: string;

  constructor(purpose: string) {
    this.#base = temporaryDirectory(purpose);
    this.directories = Array.from({ length: NODES }, (_, at) => join(this.#base, String(at + 1)));
    for (const directory of this.directories) mkdirSync(directory);
  }

  /** The directory of one node. */
  directory(at: number): string {
    return this.directories[at] ?? this.#base;
  }

  async spawn(program: string, args: readonly string[], options: SpawnOptions = {}): Promise<Child> {
    const child = await Child.start(program, args, options);
    this.children.push(child);
    return child;
  }

  get pids(): readonly number[] {
    return this.children.map(({ pid }) => pid);
  }

  /** The last lines of all of them, for an error text. */
  get tail(): string {
    return this.children.map(({ tail }) => tail).join("\n");
  }

  /** SIGKILL: nothing of it is wanted any more, and a polite end can take long. */
  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await Promise.all(this.children.map((child) => child.stop(signal, STOP_MS)));
    removeDirectory(this.#base);
  }
}

/** Starts a cluster and takes its processes down again when that fails. */
export async function startGroup(
  purpose: string,
  start: (group: ServerGroup) => Promise<Omit<RunningCluster, "pids" | "stop">>,
): Promise<RunningCluster> {
  const group = new ServerGroup(purpose);
  try {
    const { route, prove } = await start(group);
    return { pids: group.pids, route, prove, stop: () => group.stop() };
  } catch (error) {
    await group.stop();
    throw error;
  }
}

/** `count` free ports, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

export function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`there is no element ${index}`);
  return value;
}

/** What `program args` prints, shortened to what `pattern` captures. */
export function versionOf(program: string, args: readonly string[], pattern: RegExp): string {
  try {
    const options = {
      encoding: "utf8" as const,
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"] as const,
    };
    return pattern.exec(execFileSync(program, args, { ...options, stdio: [...options.stdio] }))?.[1] ?? "";
  } catch {
    return "";
  }
}

/** Fewer than were acknowledged is a loss; more happens where a run broke off. */
export function judgeStored(
  report: ClusterPublishReport,
  stored: readonly { readonly where: string; readonly count: number }[],
): string {
  if (report.failure !== null) return `FAILED: ${report.failure}`;
  if (report.acknowledged !== report.published)
    return `${report.published - report.acknowledged} UNACKNOWLEDGED`;
  const wrong = stored.filter(({ count }) => count !== report.acknowledged);
  if (wrong.length === 0) return "ok";
  return wrong.map(({ where, count }) => `${where}: ${count - report.acknowledged}`).join(", ");
}
