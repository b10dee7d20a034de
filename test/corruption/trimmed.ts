/**
 * A topic of its own that keeps little, so that retention takes something away and writes that down: the lists of trims, which there are
 * none of otherwise. It is none of those that the trial fills and checks.
 */
import { readdirSync } from "node:fs";
import type { Course } from "../../load/faults/scenario.js";
import type { ClusterNode } from "../../load/lib/cluster-node.js";
import { HttpConnection, topicPath } from "../../load/lib/http-client.js";
import { waitUntil } from "../../load/lib/support.js";
import { FILE_KINDS } from "./damage.js";

const TOPIC = "trimmed";
const KEPT_BYTES = 1_000;
const MESSAGES = 40;
const BODY = "x".repeat(500);
/** Retention is applied every ten seconds. */
const TRIMMED_TIMEOUT_MS = 30_000;

/** Publishes more than is kept, and waits until every node has trimmed some of it, or too long. */
export async function trimOnAll({ cluster }: Course): Promise<void> {
  const leader = await cluster.leader();
  const connection = new HttpConnection(leader.http);
  try {
    const topic = JSON.stringify({ name: TOPIC, retention: { bytes: KEPT_BYTES } });
    // The second time it is there.
    await connection.ask("POST", "/topics", topic, { "content-type": "application/json" });
    for (let nth = 0; nth < MESSAGES; nth += 1) {
      const { status, body } = await connection.ask("POST", `${topicPath(TOPIC)}/messages`, BODY);
      if (status >= 300) throw new Error(`${TOPIC} takes nothing: ${status} ${body}`);
    }
  } finally {
    connection.close();
  }
  await waitUntil(() => cluster.nodes.every(hasTrimmed), TRIMMED_TIMEOUT_MS);
}

function hasTrimmed({ place }: ClusterNode): boolean {
  return readdirSync(place.dataDir, { recursive: true, encoding: "utf8" }).some((name) =>
    FILE_KINDS["list of trims"].test(name),
  );
}
