/** NATS JetStream: a stream of three replicas in files, as it comes or with every write synced. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../lib/paths.js";
import type { Address } from "../lib/server.js";
import { waitUntil } from "../lib/support.js";
import type { ClusterPublishReport } from "../loaders/cluster-publish.js";
import {
  at,
  type ClusterContestant,
  freePorts,
  HOST,
  judgeStored,
  NODES,
  type ServerGroup,
  startGroup,
  versionOf,
} from "./contestant.js";
import { NatsConnection, natsSubject } from "./wires/nats.js";

const START_MS = 30_000;
const CURRENT_MS = 10_000;
const GIB = 1024 ** 3;

interface StreamInfo {
  readonly state: { readonly messages: number };
  readonly cluster: {
    readonly leader?: string;
    readonly replicas?: readonly { readonly current: boolean; readonly lag?: number }[];
  };
}

interface NodeOptions {
  readonly name: string;
  readonly port: number;
  readonly routePort: number;
  readonly routes: readonly number[];
  readonly directory: string;
  readonly syncAlways: boolean;
}

function configOf({ name, port, routePort, routes, directory, syncAlways }: NodeOptions): string {
  return [
    `server_name: ${name}`,
    `listen: "${HOST}:${port}"`,
    "jetstream {",
    `  store_dir: "${join(directory, "store")}"`,
    `  max_file_store: ${64 * GIB}`,
    ...(syncAlways ? ["  sync_interval: always"] : []),
    "}",
    "cluster {",
    "  name: bench",
    `  listen: "${HOST}:${routePort}"`,
    `  routes: [${routes.map((route) => `"nats://${HOST}:${route}"`).join(", ")}]`,
    "}",
    "",
  ].join("\n");
}

/** Asks the stream's leader, through any node. */
async function ask(node: Address, subject: string, body: object): Promise<StreamInfo> {
  const connection = await NatsConnection.open(node);
  try {
    const answer: unknown = await connection.request(subject, body);
    return answer as StreamInfo;
  } finally {
    connection.socket.destroy();
  }
}

async function createStream(node: Address, channel: string): Promise<string> {
  const { cluster } = await ask(node, `$JS.API.STREAM.CREATE.${channel}`, {
    name: channel,
    subjects: [natsSubject(channel)],
    storage: "file",
    num_replicas: NODES,
  });
  if (cluster.leader === undefined) throw new Error("the stream has no leader");
  return cluster.leader;
}

async function prove(node: Address, channel: string, report: ClusterPublishReport): Promise<string> {
  const subject = `$JS.API.STREAM.INFO.${channel}`;
  let info = await ask(node, subject, {});
  const current = (): boolean =>
    (info.cluster.replicas ?? []).filter((replica) => replica.current).length === NODES - 1;
  await waitUntil(
    async () => {
      info = await ask(node, subject, {});
      return current() && info.state.messages === report.acknowledged;
    },
    CURRENT_MS,
    200,
  );
  const counted = judgeStored(report, [{ where: "stream", count: info.state.messages }]);
  await ask(node, `$JS.API.STREAM.DELETE.${channel}`, {});
  return counted === "ok" && !current() ? "A REPLICA IS BEHIND" : counted;
}

async function startThree(
  group: ServerGroup,
  program: string,
  syncAlways: boolean,
): Promise<readonly Address[]> {
  const ports = await freePorts(2 * NODES);
  const [clients, routes] = [ports.slice(0, NODES), ports.slice(NODES)];
  for (const [index, port] of clients.entries()) {
    const directory = group.directory(index);
    const file = join(directory, "nats.conf");
    const routePort = at(routes, index);
    writeFileSync(file, configOf({ name: `n${index}`, port, routePort, routes, directory, syncAlways }));
    await group.spawn(program, ["-c", file]);
  }
  return clients.map((port) => ({ host: HOST, port }));
}

/** JetStream takes streams once its own group has a leader. */
async function ready(nodes: readonly Address[]): Promise<boolean> {
  try {
    await createStream(at(nodes, 0), "first");
    return true;
  } catch {
    return false;
  }
}

export function nats(syncAlways: boolean): ClusterContestant {
  const program = findProgram("nats-server");
  const version = program === null ? "" : versionOf(program, ["--version"], /v(\d\S*)/);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const hasSyncAlways = major > 2 || (major === 2 && minor >= 10);
  const tooOld = syncAlways && !hasSyncAlways ? `${version} has no sync_interval: always` : null;
  return {
    key: syncAlways ? "nats-always" : "nats",
    protocol: "nats",
    rows: [syncAlways ? "NATS R3, sync always" : "NATS R3, default"],
    fsync: syncAlways ? "yes" : "no (every 2 min)",
    version,
    missing: program === null ? "nats-server is not installed" : tooOld,
    start: () =>
      startGroup("bench-nats", async (group) => {
        const nodes = await startThree(group, program ?? "nats-server", syncAlways);
        if (!(await waitUntil(() => ready(nodes), START_MS, 300)))
          throw new Error(`nats-server: ${group.tail}`);
        return {
          route: async (_row, channel) =>
            at(nodes, Number((await createStream(at(nodes, 0), channel)).slice(1))),
          prove: (channel, report) => prove(at(nodes, 0), channel, report),
        };
      }),
  };
}
