/** Redis: XADD to the primary of two replicas, all three with an append-only file that is synced on every write. */
import { findProgram } from "../lib/paths.js";
import type { Address } from "../lib/server.js";
import { waitUntil } from "../lib/support.js";
import {
  at,
  type ClusterContestant,
  freePorts,
  HOST,
  judgeStored,
  NODES,
  startGroup,
  versionOf,
} from "./contestant.js";
import { askRedis } from "./wires/redis.js";

const START_MS = 30_000;

/** A replica that has not synced yet does not count. */
async function replicasReady(primary: Address): Promise<boolean> {
  try {
    const info = await askRedis(primary, "INFO", "replication");
    return (info.match(/state=online/g) ?? []).length === NODES - 1;
  } catch {
    return false;
  }
}

export function redis(): ClusterContestant {
  const program = findProgram("redis-server");
  return {
    key: "redis",
    protocol: "redis",
    rows: ["Redis XADD, WAIT 2"],
    fsync: "yes",
    version: program === null ? "" : versionOf(program, ["--version"], /v=(\S+)/),
    missing: program === null ? "redis-server is not installed" : null,
    start: () =>
      startGroup("bench-redis", async (group) => {
        const ports = await freePorts(NODES);
        const nodes = ports.map((port): Address => ({ host: HOST, port }));
        for (const [index, port] of ports.entries()) {
          await group.spawn(program ?? "redis-server", [
            ...["--port", String(port), "--bind", HOST, "--dir", group.directory(index)],
            ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
            // Else the first copy to a replica waits 5 s for more replicas.
            ...["--repl-diskless-sync-delay", "0"],
            ...(index === 0 ? [] : ["--replicaof", `${HOST} ${at(ports, 0)}`]),
          ]);
        }
        const primary = at(nodes, 0);
        if (!(await waitUntil(() => replicasReady(primary), START_MS, 100)))
          throw new Error(`redis: ${group.tail}`);
        return {
          route: async () => primary,
          async prove(channel, report) {
            const counts = await Promise.all(nodes.map((node) => askRedis(node, "XLEN", channel)));
            await askRedis(primary, "DEL", channel);
            return judgeStored(
              report,
              counts.map((count, index) => ({ where: `node ${index + 1}`, count: Number(count) })),
            );
          },
        };
      }),
  };
}
