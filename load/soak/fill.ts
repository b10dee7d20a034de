/**
 * Before the soak's clock runs, everything with a ceiling that an hour would only just reach is filled up to it: remembered
 * Idempotency-Keys, the newest messages in memory, what retention keeps. What grows after that has no ceiling.
 */
import type { Cluster } from "../lib/cluster.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { TOPICS } from "./clients.js";

/**
 * A group remembers 100,000 keys and then forgets the oldest. Half as many more, of the topics and of the length of those to come: the hash
 * tables of all keys (131,072 places) and of each topic's have doubled for the last time then, which would be steps of 4 and 3 MiB later on.
 */
const KEYS = 150_000;
const ASKERS = 192;
const BATCHES = 64;
const BATCH_MESSAGES = 64;
const PAYLOAD_BYTES = 16 * 1024;

/** Rejects when a request is not answered with success: no fault has begun yet. */
export async function fill(cluster: Cluster): Promise<void> {
  const message = `${JSON.stringify("x".repeat(PAYLOAD_BYTES))}\n`;
  const batch = message.repeat(BATCH_MESSAGES);
  await ask(cluster, 2, BATCHES, (at) => ["fill", batch, "application/x-ndjson", `fill-${at}`]);
  await ask(cluster, ASKERS, KEYS, (at) => {
    const topic = TOPICS[at % TOPICS.length] ?? "";
    return [topic, "x", "text/plain", `filling-${at}`];
  });
}

type Request = readonly [topic: string, body: string, contentType: string, key: string];

/** `count` requests by so many askers, each at one node. */
async function ask(
  cluster: Cluster,
  askers: number,
  count: number,
  request: (at: number) => Request,
): Promise<void> {
  const { running } = cluster;
  let next = 0;
  const one = async (asker: number): Promise<void> => {
    const node = running[asker % running.length];
    if (node === undefined) throw new Error("no node runs");
    const connection = new HttpConnection(node.http);
    try {
      while (next < count) {
        const [topic, body, type, key] = request(next++);
        const headers = { "content-type": type, "idempotency-key": key };
        const answer = await connection.ask("POST", `${topicPath(topic)}/messages`, body, headers);
        if (answer.status >= 300) throw new Error(`${key} was answered with ${answer.status} ${answer.body}`);
      }
    } finally {
      connection.close();
    }
  };
  await Promise.all(Array.from({ length: askers }, (_, asker) => one(asker)));
}
