/** The soak's steady clients: publishers that ask until they know, watchers that come back with their last id, slow ones among them. */
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { openSse, type SseStream } from "../lib/sse-stream.js";
import { delay } from "../lib/support.js";
import { payloadOf, RowReader, type Rows } from "./rows.js";

export interface SoakLoad {
  readonly cluster: Cluster;
  readonly rows: Rows;
  readonly random: () => number;
  /** Until when everybody goes on. */
  readonly goesOn: () => boolean;
}

export const FILTER = "soak/#";
export const TOPICS: readonly string[] = ["soak/a", "soak/b", "soak/c/deep"];
const RETAINED_TOPIC = "soak/retained";
/** Large enough that the log is cut and segments are dropped every minute or two. */
const PAYLOAD_BYTES = 4_096;
const ANSWER_TIMEOUT_MS = 12_000;
const RETRY_MS = 100;
/** Also a request of which a node that was paused heard the end too late (408): it did nothing. */
const MAY_COME_AGAIN: readonly number[] = [408, 429];
const BATCH = 5;
/** A watcher looks for another node now and then, as clients behind a load balancer do. */
const STAY_MS = 45_000;
const SLOW_MS = { reads: 15_000, rests: 25_000 } as const;

/** A running node that is not paused, by chance. */
export function anyNode({ cluster, random }: SoakLoad): ClusterNode | undefined {
  const nodes = cluster.running.filter(({ paused }) => !paused);
  return nodes[Math.floor(random() * nodes.length)];
}

export type Manner = "single" | "batch" | "retained";

/** Publishes one row; each message is asked for with its Idempotency-Key until it is known to be there. */
export async function publishRow(
  load: SoakLoad,
  row: string,
  manner: Manner,
  pauseMs: number,
): Promise<void> {
  let number = 0;
  for (let at = 0; load.goesOn(); at++) {
    const count = manner === "batch" ? BATCH : 1;
    const topic = manner === "retained" ? RETAINED_TOPIC : (TOPICS[at % TOPICS.length] ?? "");
    const payloads = Array.from({ length: count }, (_, i) => payloadOf(row, number + i, PAYLOAD_BYTES));
    const body =
      manner === "batch"
        ? payloads.map((payload) => `${JSON.stringify(payload)}\n`).join("")
        : (payloads[0] ?? "");
    const type = manner === "batch" ? "application/x-ndjson" : "text/plain";
    const path = `${topicPath(topic)}/messages${manner === "retained" ? "?retain=true" : ""}`;
    await untilKnown(load, path, body, type, `${row}-${number}`);
    number += count;
    load.rows.acknowledged(row, number - 1);
    await delay(pauseMs);
  }
}

/** The load may be over before it is known: then what is last in the row stays unknown, and is asked for to the end all the same. */
async function untilKnown(
  load: SoakLoad,
  path: string,
  body: string,
  type: string,
  key: string,
): Promise<void> {
  const headers = { "content-type": type, "idempotency-key": key };
  for (;;) {
    const node = anyNode(load);
    if (node !== undefined) {
      const connection = new HttpConnection(node.http, ANSWER_TIMEOUT_MS);
      try {
        const { status, body: said } = await connection.ask("POST", path, body, headers);
        if (status < 300) return;
        if (!MAY_COME_AGAIN.includes(status) && status < 500) {
          load.rows.report(`${key} was answered with ${status} ${said}`);
          return;
        }
      } catch {
        // No answer: it may be there or not, and is asked for again.
      } finally {
        connection.close();
      }
    }
    await delay(RETRY_MS);
  }
}

export class Watcher {
  readonly reader: RowReader;
  readonly #load: SoakLoad;
  readonly #isSlow: boolean;
  #lastId: string | null = null;
  #isStopped = false;
  #stream: SseStream | undefined;
  readonly work: Promise<void>;

  constructor(load: SoakLoad, name: string, isSlow: boolean) {
    this.#load = load;
    this.#isSlow = isSlow;
    this.reader = new RowReader(name, load.rows, isSlow);
    this.work = this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      const node = anyNode(this.#load);
      if (node === undefined) await delay(RETRY_MS);
      else await this.#stay(node);
    }
  }

  async #stay(node: ClusterNode): Promise<void> {
    let over: () => void = () => undefined;
    const closed = new Promise<void>((resolve) => {
      over = resolve;
    });
    try {
      const stream = await openSse(node.http, `${topicPath(FILTER)}/stream`, this.#lastId, {
        onEvent: ({ id, event, data }) => {
          if (id !== undefined) this.#lastId = id;
          if (event === "gap") this.reader.tellGap(data);
          // Retained messages come before the stream, without an id.
          else if (id !== undefined) this.reader.take(id, payloadIn(data));
        },
        onClose: over,
      });
      this.#stream = stream;
      const rests = this.#isSlow
        ? setInterval(() => this.#rest(stream), SLOW_MS.reads + SLOW_MS.rests)
        : undefined;
      const moves = setTimeout(() => stream.close(), STAY_MS * (0.5 + this.#load.random()));
      await closed;
      clearInterval(rests);
      clearTimeout(moves);
    } catch {
      await delay(RETRY_MS);
    }
  }

  #rest(stream: SseStream): void {
    stream.pause();
    setTimeout(() => stream.resume(), this.#isStopped ? 0 : SLOW_MS.rests);
  }

  stop(): void {
    this.#isStopped = true;
    this.#stream?.close();
  }
}

/** The payload in an event's envelope; of JSON messages it is JSON in turn. */
function payloadIn(data: string): string {
  const { payload, contentType } = JSON.parse(data) as { payload: string; contentType?: string };
  if (contentType === "application/json" || payload.startsWith('"')) return String(JSON.parse(payload));
  return payload;
}
