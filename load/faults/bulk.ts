/** A lot of data in little time: batches of large messages, from several connections, each of them in the history. */
import type { History } from "../crash/history.js";
import { isSuccess } from "../crash/publishers.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { delay } from "../lib/support.js";

export const BULK_TOPIC = "bulk";
/** Messages that are read at once when the topic is checked. */
export const BULK_PAGE = 50;
const PAYLOAD_BYTES = 100 * 1024;
const BATCH = 10;
const BATCH_BYTES = PAYLOAD_BYTES * BATCH;
const LANES = 3;

/** Publishes so many bytes at a node, as fast as it takes them. Rejects when it refuses some. */
export async function publishBulk(node: ClusterNode, history: History, bytes: number): Promise<void> {
  let left = Math.ceil(bytes / BATCH_BYTES);
  const takeOne = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  const lanes = Array.from({ length: LANES }, (_, at) => publishLane(node, history, `bulk-${at}`, takeOne));
  await Promise.all(lanes);
}

/** A stream of bulk that goes on until it is stopped. */
export class BulkFlow {
  readonly #done: Promise<void>;
  #batches = 0;
  #isStopped = false;

  /** About so many bytes a second, as long as the node takes them: a batch, a pause. `name` is that of a publisher. */
  constructor(node: ClusterNode, history: History, name: string, bytesPerSecond: number) {
    const pauseMs = (BATCH_BYTES * 1_000) / bytesPerSecond;
    this.#done = publishLane(node, history, name, async () => {
      if (this.#batches > 0) await delay(pauseMs);
      this.#batches += 1;
      return !this.#isStopped;
    });
    // Told where it is waited for.
    this.#done.catch(() => undefined);
  }

  /** Bytes that were given to the node. */
  get bytes(): number {
    return this.#batches * BATCH_BYTES;
  }

  /** Rejects when the node refused some of it. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#done;
  }
}

async function publishLane(
  node: ClusterNode,
  history: History,
  name: string,
  goesOn: () => boolean | Promise<boolean>,
): Promise<void> {
  const connection = new HttpConnection(node.http);
  for (let sequence = 0; await goesOn(); sequence += BATCH) {
    const traits = { batch: `${name}/${sequence}` };
    const attempts = Array.from({ length: BATCH }, (_, at) =>
      history.invoke(name, sequence + at, BULK_TOPIC, traits),
    );
    const pad = "x".repeat(PAYLOAD_BYTES);
    const body = attempts.map(({ key }) => `${JSON.stringify({ key, pad })}\n`).join("");
    const headers = { "content-type": "application/x-ndjson" };
    const answer = await connection.ask("POST", `${topicPath(BULK_TOPIC)}/messages`, body, headers);
    if (!isSuccess(answer)) throw new Error(`a large batch was answered ${answer.status} ${answer.body}`);
    for (const attempt of attempts) history.ok(attempt);
  }
  connection.close();
}
