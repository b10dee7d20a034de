/** The cluster under test with its default configuration: every commit is fsynced on a quorum before it is acknowledged. */
import { readHistory } from "../lib/history-pages.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { describeCommit } from "../lib/machine.js";
import { sequenceIn, WARM_UP_BASE } from "../lib/sequence.js";
import { type Address, type Server, startServer } from "../lib/server.js";
import { waitUntil } from "../lib/support.js";
import type { ClusterPublishReport } from "../loaders/cluster-publish.js";
import {
  at,
  type ClusterContestant,
  freePorts,
  HOST,
  judgeStored,
  NODES,
  type RunningCluster,
  type ServerGroup,
  startGroup,
} from "./contestant.js";
import { mqttTopic } from "./wires/mqtt.js";

export const LEADER_ROW = "jangada, to the leader";
export const FOLLOWER_ROW = "jangada, to a follower";
export const SINGLE_ROW = "jangada, single node";
const LEADER_MS = 20_000;
/** Followers apply a little later than they acknowledge. */
const APPLIED_MS = 10_000;
/** Up to here the whole history is read, on every node; above it, the topic's own count is taken. */
const READ_WHOLE_MAX = 5_000;

interface TopicView {
  readonly nextOffset: number;
  readonly newestId: string | null;
}

async function askJson<Shape>(address: Address, path: string): Promise<Shape | null> {
  const connection = new HttpConnection(address);
  try {
    const answer = await connection.ask("GET", path);
    return answer.status === 200 ? (JSON.parse(answer.body) as Shape) : null;
  } finally {
    connection.close();
  }
}

/** Index of the leader as all nodes see it. Throws when they do not agree in time. */
export async function leaderOf(servers: readonly Server[]): Promise<number> {
  let leader: string | null = null;
  const agreed = async (): Promise<boolean> => {
    const views = await Promise.all(
      servers.map(({ http }) =>
        askJson<{ leaderId: string | number | null }>(http, "/cluster?consistency=local"),
      ),
    );
    const named = new Set(views.map((view) => String(view?.leaderId ?? "")));
    leader = [...named][0] ?? "";
    return named.size === 1 && leader !== "";
  };
  if (!(await waitUntil(agreed, LEADER_MS, 100))) throw new Error("the nodes agree on no leader");
  return Number(leader) - 1;
}

/** What a node's own copy of a topic is missing, or null: offsets without gaps, payloads in the order they were sent. */
async function readWhole(http: Address, topic: string): Promise<string | null> {
  const connection = new HttpConnection(http);
  let next = 0;
  let wrong: string | null = null;
  try {
    await readHistory(connection, topic, (record) => {
      if (record.offset !== next || sequenceIn(record.payload ?? "") !== WARM_UP_BASE + next) {
        wrong ??= `offset ${record.offset} holds something else`;
      }
      next += 1;
    });
  } finally {
    connection.close();
  }
  return wrong;
}

async function prove(
  servers: readonly Server[],
  channel: string,
  report: ClusterPublishReport,
): Promise<string> {
  const topic = mqttTopic(channel);
  const look = (): Promise<(TopicView | null)[]> =>
    Promise.all(servers.map(({ http }) => askJson<TopicView>(http, `${topicPath(topic)}?consistency=local`)));
  let views = await look();
  await waitUntil(
    async () => {
      views = await look();
      return views.every((view) => view?.nextOffset === report.acknowledged);
    },
    APPLIED_MS,
    50,
  );
  const stored = views.map((view, index) => ({ where: `node ${index + 1}`, count: view?.nextOffset ?? 0 }));
  const counted = judgeStored(report, stored);
  if (counted !== "ok") return counted;
  if (new Set(views.map((view) => view?.newestId)).size > 1) return "POSITIONS DIFFER";
  if (report.acknowledged > READ_WHOLE_MAX) return "ok";
  const found = await Promise.all(servers.map(({ http }) => readWhole(http, topic)));
  return found.find((wrong) => wrong !== null) ?? "ok";
}

export async function startThree(group: ServerGroup): Promise<readonly Server[]> {
  const peerPorts = await freePorts(NODES);
  const founders = peerPorts.map((port, index) => `${index + 1}=${HOST}:${port}`).join(",");
  const starting = peerPorts.map((_, index) =>
    startServer({
      dataDir: group.directory(index),
      flags: ["--node-id", String(index + 1), "--initial-cluster", founders],
    }).then((server) => {
      group.children.push(server.child);
      return server;
    }),
  );
  // All are waited for, so that none is left running when another does not come up.
  await Promise.allSettled(starting);
  return Promise.all(starting);
}

export function jangadaCluster(): ClusterContestant {
  const start = (): Promise<RunningCluster> =>
    startGroup("bench-cluster", async (group) => {
      const servers = await startThree(group);
      let leader = await leaderOf(servers);
      return {
        async route(row) {
          leader = await leaderOf(servers);
          return at(servers, row === LEADER_ROW ? leader : (leader + 1) % NODES).mqtt;
        },
        async prove(channel, report) {
          const proof = await prove(servers, channel, report);
          // The row would be named wrongly.
          return proof === "ok" && (await leaderOf(servers)) !== leader ? "THE LEADER CHANGED" : proof;
        },
      };
    });
  return {
    key: "jangada",
    protocol: "mqtt",
    rows: [LEADER_ROW, FOLLOWER_ROW],
    fsync: "yes",
    version: describeCommit(),
    missing: null,
    start,
  };
}

/** One node alone, to see what replication costs. */
export function jangadaSingle(): ClusterContestant {
  const start = (): Promise<RunningCluster> =>
    startGroup("bench-single", async (group) => {
      const server = await startServer({ dataDir: group.directory(0), flags: ["--single-node"] });
      group.children.push(server.child);
      return {
        route: async () => server.mqtt,
        prove: (channel, report) => prove([server], channel, report),
      };
    });
  return { ...jangadaCluster(), rows: [SINGLE_ROW], start };
}
