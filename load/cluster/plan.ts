/** Which nodes there are: ports, directories and flags of each, from the options of `npm run cluster`. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

export const HOST = "127.0.0.1";
const PORT_MAX = 65535;

export interface ClusterOptions {
  readonly nodes: number;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
}

export interface PlannedNode {
  readonly id: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
  /** Flags of `jangada serve`. */
  readonly flags: readonly string[];
}

/** The nodes 1 to n, on successive ports. */
export function planNodes(options: ClusterOptions): readonly PlannedNode[] {
  const numbers = Array.from({ length: options.nodes }, (_, at) => at);
  const founders = numbers.map((at) => `${at + 1}=${HOST}:${options.peerPort + at}`).join(",");
  return numbers.map((at) => {
    const id = String(at + 1);
    const ports = {
      mqttPort: options.mqttPort + at,
      httpPort: options.httpPort + at,
      peerPort: options.peerPort + at,
    };
    const dataDir = join(options.dataDir, id);
    const flags = [
      ...["--node-id", id, "--host", HOST, "--data-dir", dataDir],
      ...["--mqtt-port", String(ports.mqttPort), "--http-port", String(ports.httpPort)],
      ...["--initial-cluster", founders],
    ];
    return { id, ...ports, dataDir, flags };
  });
}

/** What is wrong with the ports, null when nothing is: each at most 65535 and given once. */
export function portComplaint(nodes: readonly PlannedNode[]): string | null {
  const taken = new Map<number, string>();
  for (const { port, flag } of portsOf(nodes)) {
    if (port > PORT_MAX) return `port ${port} is above ${PORT_MAX}: ${flag} is too high`;
    const other = taken.get(port);
    if (other !== undefined) return `port ${port} is wanted twice: ${other} and ${flag} are too close`;
    taken.set(port, flag);
  }
  return null;
}

function portsOf(nodes: readonly PlannedNode[]): { port: number; flag: string; what: string }[] {
  return nodes.flatMap(({ id, mqttPort, httpPort, peerPort }) => [
    { port: mqttPort, flag: "--mqtt-port", what: `MQTT of node ${id}` },
    { port: httpPort, flag: "--http-port", what: `HTTP of node ${id}` },
    { port: peerPort, flag: "--peer-port", what: `the peers of node ${id}` },
  ]);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, HOST, () => probe.close(() => resolve(true)));
  });
}

/** The first port that somebody else has, as a sentence; null when all are free. */
export async function takenPort(nodes: readonly PlannedNode[]): Promise<string | null> {
  for (const { port, flag, what } of portsOf(nodes)) {
    if (!(await isFree(port))) return `port ${port} (${what}) is taken; ${flag} moves all of them`;
  }
  return null;
}

/**
 * Makes the directory, or says why the one that is there belongs to another cluster: members know each other by their peer
 * addresses, so those and the number of founders stay what they were.
 */
export function claimDirectory({ dataDir, nodes, peerPort }: ClusterOptions): string | null {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, "cluster.json");
  const wanted = JSON.stringify({ nodes, peerPort });
  if (!existsSync(file)) {
    writeFileSync(file, `${wanted}\n`);
    return null;
  }
  const found = readFileSync(file, "utf8").trim();
  if (found === wanted) return null;
  return `${dataDir} holds a cluster of ${found}, not of ${wanted}: give the same numbers, or another --data-dir`;
}
