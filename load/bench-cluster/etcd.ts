/** etcd: one put with a key of its own for each publish, to the leader. */
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

const START_MS = 30_000;
const APPLIED_MS = 10_000;
/** The default of 2 GiB could stop a long run. */
const QUOTA_BYTES = 8 * 1024 ** 3;

async function isLeader({ host, port }: Address): Promise<boolean> {
  try {
    const answer = await fetch(`http://${host}:${port}/metrics`);
    return /^etcd_server_is_leader 1$/m.test(await answer.text());
  } catch {
    return false;
  }
}

async function leaderOf(nodes: readonly Address[]): Promise<Address | undefined> {
  const leads = await Promise.all(nodes.map(isLeader));
  return nodes[leads.indexOf(true)];
}

/** Keys of a channel in a node's own store. */
async function countKeys({ host, port }: Address, channel: string): Promise<number> {
  const encode = (text: string): string => Buffer.from(text).toString("base64");
  const answer = await fetch(`http://${host}:${port}/v3/kv/range`, {
    method: "POST",
    // "0" follows "/": the range is all keys below the channel.
    body: JSON.stringify({
      key: encode(`${channel}/`),
      range_end: encode(`${channel}0`),
      count_only: true,
      serializable: true,
    }),
  });
  const { count } = (await answer.json()) as { count?: string };
  return Number(count ?? 0);
}

async function prove(
  nodes: readonly Address[],
  channel: string,
  report: ClusterPublishReport,
): Promise<string> {
  let counts: readonly number[] = [];
  await waitUntil(
    async () => {
      counts = await Promise.all(nodes.map((node) => countKeys(node, channel)));
      return counts.every((count) => count === report.acknowledged);
    },
    APPLIED_MS,
    100,
  );
  return judgeStored(
    report,
    counts.map((count, index) => ({ where: `node ${index + 1}`, count })),
  );
}

async function startThree(group: ServerGroup, program: string): Promise<readonly Address[]> {
  const ports = await freePorts(2 * NODES);
  const [clients, peers] = [ports.slice(0, NODES), ports.slice(NODES)];
  const founders = peers.map((port, index) => `e${index}=http://${HOST}:${port}`).join(",");
  for (const [index, port] of clients.entries()) {
    const [client, peer] = [`http://${HOST}:${port}`, `http://${HOST}:${at(peers, index)}`];
    await group.spawn(program, [
      ...["--name", `e${index}`, "--data-dir", group.directory(index)],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", founders, "--initial-cluster-state", "new"],
      ...["--quota-backend-bytes", String(QUOTA_BYTES), "--log-level", "error"],
    ]);
  }
  return clients.map((port) => ({ host: HOST, port }));
}

export function etcd(): ClusterContestant {
  const program = findProgram("etcd");
  return {
    key: "etcd",
    protocol: "etcd",
    rows: ["etcd put"],
    fsync: "yes",
    version: program === null ? "" : versionOf(program, ["--version"], /etcd Version: (\S+)/),
    missing: program === null ? "etcd is not installed" : null,
    start: () =>
      startGroup("bench-etcd", async (group) => {
        const nodes = await startThree(group, program ?? "etcd");
        const led = async (): Promise<boolean> => (await leaderOf(nodes)) !== undefined;
        if (!(await waitUntil(led, START_MS, 200))) throw new Error(`etcd: ${group.tail}`);
        return {
          route: async () => (await leaderOf(nodes)) ?? at(nodes, 0),
          prove: (channel, report) => prove(nodes, channel, report),
        };
      }),
  };
}
