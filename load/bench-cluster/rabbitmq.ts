/** RabbitMQ: a quorum queue of three members with publisher confirms, published to on the node that leads it. */
import { realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram } from "../lib/paths.js";
import type { Address } from "../lib/server.js";
import { accepts, waitUntil } from "../lib/support.js";
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
} from "./contestant.js";
import { countQueue } from "./wires/amqp.js";

const START_MS = 60_000;
/** Queues tell their length a little late. */
const COUNT_MS = 10_000;

interface Ports {
  readonly amqp: readonly number[];
  readonly distribution: readonly number[];
  readonly mapper: number;
}

function nodeName(index: number): string {
  return `jangada-bench-${index + 1}@localhost`;
}

/** The real start script beside what PATH finds: Debian's wrapper would change to a user of its own. */
function startScript(): string | null {
  const found = findProgram("rabbitmq-server");
  return found === null ? null : join(dirname(realpathSync(found)), "rabbitmq-server");
}

/** Everything that a node would else look for in the directories of an installed service. */
function environment(group: ServerGroup, ports: Ports, index: number): Record<string, string> {
  const directory = group.directory(index);
  const port = at(ports.distribution, index);
  return {
    HOME: directory,
    ERL_EPMD_PORT: String(ports.mapper),
    ERL_EPMD_ADDRESS: HOST,
    RABBITMQ_NODENAME: nodeName(index),
    RABBITMQ_NODE_IP_ADDRESS: HOST,
    RABBITMQ_NODE_PORT: String(at(ports.amqp, index)),
    RABBITMQ_DIST_PORT: String(port),
    RABBITMQ_MNESIA_BASE: join(directory, "data"),
    RABBITMQ_LOG_BASE: join(directory, "log"),
    RABBITMQ_LOGS: "-",
    RABBITMQ_CONF_ENV_FILE: join(directory, "none.conf"),
    RABBITMQ_CONFIG_FILE: join(directory, "rabbitmq.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, "plugins"),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-setcookie jangada-bench -kernel inet_dist_use_interface {127,0,0,1}`,
    // The script becomes the server, so that the server is ended by our own child's pid.
    RABBITMQ_ALLOW_INPUT: "1",
  };
}

/** The first node founds the cluster, the others join it as they start. */
function configOf(index: number): string {
  const lines = ["log.console.level = error"];
  if (index > 0) {
    lines.push("cluster_formation.peer_discovery_backend = classic_config");
    for (let other = 0; other < NODES; other++) {
      lines.push(`cluster_formation.classic_config.nodes.${other + 1} = ${nodeName(other)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

async function startThree(group: ServerGroup, script: string, mapper: string): Promise<readonly Address[]> {
  const free = await freePorts(2 * NODES + 1);
  const ports: Ports = {
    amqp: free.slice(0, NODES),
    distribution: free.slice(NODES, 2 * NODES),
    mapper: at(free, 2 * NODES),
  };
  // Erlang's port mapper would start by itself and stay: here it is a child like the others.
  await group.spawn(mapper, ["-port", String(ports.mapper), "-address", HOST]);
  await waitUntil(() => accepts(ports.mapper), START_MS);
  for (const [index, port] of ports.amqp.entries()) {
    const directory = group.directory(index);
    writeFileSync(join(directory, "rabbitmq.conf"), configOf(index));
    writeFileSync(join(directory, "plugins"), "[].\n");
    const child = await group.spawn(script, [], { env: environment(group, ports, index) });
    const up = await waitUntil(async () => child.ended || (await accepts(port)), START_MS, 100);
    if (!up || child.ended) throw new Error(`rabbitmq-server: ${child.tail}`);
  }
  return ports.amqp.map((port) => ({ host: HOST, port }));
}

/** The queue's length through another node than its leader, then the queue is deleted. */
async function prove(
  nodes: readonly Address[],
  channel: string,
  report: ClusterPublishReport,
): Promise<string> {
  let count = -1;
  await waitUntil(
    async () => {
      count = await countQueue(at(nodes, 1), channel, false);
      return count === report.acknowledged;
    },
    COUNT_MS,
    300,
  );
  await countQueue(at(nodes, 0), channel, true);
  return judgeStored(report, [{ where: "queue", count }]);
}

export function rabbitmq(): ClusterContestant {
  const script = startScript();
  const mapper = findProgram("epmd");
  return {
    key: "rabbitmq",
    protocol: "amqp",
    rows: ["RabbitMQ quorum queue"],
    fsync: "yes",
    version: script === null ? "" : (/rabbitmq_server-([\d.]+)/.exec(realpathSync(script))?.[1] ?? ""),
    missing: script === null || mapper === null ? "rabbitmq-server is not installed" : null,
    start: () =>
      startGroup("bench-rabbitmq", async (group) => {
        const nodes = await startThree(group, script ?? "rabbitmq-server", mapper ?? "epmd");
        return {
          // A queue is led by the node that it was declared on.
          route: async () => at(nodes, 0),
          prove: (channel, report) => prove(nodes, channel, report),
        };
      }),
  };
}
