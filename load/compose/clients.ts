/** Clients as applications write them, all through the load balancer: what they lose or get twice is the broker's doing. */
import { EventSource } from "eventsource";
import mqtt, { type MqttClient } from "mqtt";
import { delay } from "../lib/support.js";
import type { Received } from "./verdict.js";

const PERIOD_MS = 20;
const RETRY_MS = 50;
const ATTEMPT_TIMEOUT_MS = 3_000;
const RECONNECT_MS = 200;
const MQTT_TIMEOUT_MS = 5_000;

/** Publishes over HTTP, one message after another, repeating each under its key until it is answered 201. */
export class HttpWriter {
  /** What was acknowledged, in order. */
  readonly written: string[] = [];
  /** When each was acknowledged. */
  readonly ackedAtMs: number[] = [];
  /** Answers other than 201, and failed requests, by what they were. */
  readonly repeats = new Map<string, number>();
  readonly #url: string;
  #isOver = false;
  #done: Promise<void> = Promise.resolve();

  constructor(base: string, topic: string) {
    this.#url = `${base}/topics/${encodeURIComponent(topic)}/messages`;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Ends after the message that is on its way. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#isOver; number++) {
      const payload = `h${number}`;
      while (!(await this.#attempt(payload))) await delay(RETRY_MS);
      this.written.push(payload);
      this.ackedAtMs.push(performance.now());
      await delay(PERIOD_MS);
    }
  }

  async #attempt(payload: string): Promise<boolean> {
    try {
      const answer = await fetch(this.#url, {
        method: "POST",
        body: payload,
        headers: { "content-type": "text/plain", "idempotency-key": `compose-${payload}` },
        signal: AbortSignal.timeout(ATTEMPT_TIMEOUT_MS),
      });
      const text = await answer.text();
      if (answer.status === 201) return true;
      this.#count(`${answer.status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ""}`.trim());
    } catch (error) {
      this.#count(error instanceof Error ? error.name : "failed");
    }
    return false;
  }

  #count(what: string): void {
    this.repeats.set(what, (this.repeats.get(what) ?? 0) + 1);
  }
}

/** Connects as MQTT.js does by default, but comes back sooner. */
function connectMqtt(url: string, clientId: string): Promise<MqttClient> {
  return mqtt.connectAsync(url, {
    clientId,
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: RECONNECT_MS,
    connectTimeout: MQTT_TIMEOUT_MS,
    keepalive: 5,
  });
}

/** Publishes over MQTT at QoS 1; the library sends again what was not acknowledged when the connection broke. */
export class MqttWriter {
  readonly acked = new Set<string>();
  readonly ackedAtMs: number[] = [];
  /** What the library itself gave up and told us so: published while it was connecting, which then failed. */
  failed = 0;
  connects = 1;
  readonly #client: MqttClient;
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on("connect", () => {
      this.connects += 1;
    });
    client.on("error", () => undefined);
  }

  static async open(url: string): Promise<MqttWriter> {
    return new MqttWriter(await connectMqtt(url, "compose-writer"));
  }

  /** Publishes that nothing is known of yet. */
  get pending(): number {
    return this.#sent - this.acked.size - this.failed;
  }

  start(topic: string): void {
    this.#timer = setInterval(() => {
      const payload = `m${this.#sent}`;
      this.#sent += 1;
      this.#client.publish(topic, payload, { qos: 1 }, (error) => {
        if (error !== null && error !== undefined) {
          this.failed += 1;
          return;
        }
        this.acked.add(payload);
        this.ackedAtMs.push(performance.now());
      });
    }, PERIOD_MS);
  }

  /** Publishes no more; what is on its way may still be acknowledged. */
  pause(): void {
    clearInterval(this.#timer);
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}

/** Subscribes over MQTT with a clean session: it gets what comes while it is connected. */
export class MqttReader {
  readonly payloads: string[] = [];
  readonly #client: MqttClient;

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on("message", (_topic, payload) => this.payloads.push(payload.toString()));
    client.on("error", () => undefined);
  }

  static async open(url: string, topic: string): Promise<MqttReader> {
    const client = await connectMqtt(url, "compose-reader");
    const reader = new MqttReader(client);
    await client.subscribeAsync(topic, { qos: 1 });
    return reader;
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }
}

/** An EventSource, which comes back by itself with the id of the last event; nothing is added to it. */
export class EventReader {
  readonly received: Received[] = [];
  readonly receivedAtMs: number[] = [];
  /** How often the stream was opened: once, and once for every reconnect. */
  opens = 0;
  readonly gaps: string[] = [];
  /** Why the EventSource gave up, which it does for an answer that is not a stream. */
  gaveUp: string | null = null;
  readonly #source: EventSource;

  private constructor(source: EventSource) {
    this.#source = source;
    source.addEventListener("open", () => {
      this.opens += 1;
    });
    source.addEventListener("message", ({ data }) => {
      this.received.push(JSON.parse(String(data)) as Received);
      this.receivedAtMs.push(performance.now());
    });
    source.addEventListener("gap", ({ data }) => this.gaps.push(String(data)));
    source.addEventListener("error", ({ code, message }) => {
      if (source.readyState === EventSource.CLOSED) this.gaveUp = `${code ?? ""} ${message ?? ""}`.trim();
    });
  }

  /** Opens a stream over topics from their first message on; resolves once it is open. */
  static open(base: string, topics: readonly string[]): Promise<EventReader> {
    const query = topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join("&");
    const source = new EventSource(`${base}/stream?${query}&from=earliest`);
    const reader = new EventReader(source);
    return new Promise((resolve, reject) => {
      source.addEventListener("open", () => resolve(reader), { once: true });
      setTimeout(() => reject(new Error("the event stream did not open")), ATTEMPT_TIMEOUT_MS).unref();
    });
  }

  close(): void {
    this.#source.close();
  }
}
