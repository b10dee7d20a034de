/** QoS 1 publishes at a fixed rate whatever the answers do, each timed from the moment it was due: a stall costs every one of them. */
import type { Attempt, History } from "../crash/history.js";
import { payloadOf } from "../crash/publishers.js";
import { MqttPublisher } from "../lib/mqtt-connection.js";
import type { Address } from "../lib/server.js";
import { LatencyHistogram } from "../lib/statistics.js";
import { waitUntil } from "../lib/support.js";
import { LOAD_TOPICS } from "./trial.js";

const TICK_MS = 1;
const PACKET_IDS = 65_535;
const LAST_ANSWERS_TIMEOUT_MS = 20_000;

export class PacedPublisher {
  readonly latencies = new LatencyHistogram();
  readonly #address: Address;
  readonly #history: History;
  readonly #name: string;
  readonly #periodMs: number;
  readonly #waiting = new Map<number, { readonly attempt: Attempt; readonly dueMs: number }>();
  #connection: MqttPublisher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #sequence = 0;

  constructor(address: Address, history: History, name: string, perSecond: number) {
    this.#address = address;
    this.#history = history;
    this.#name = name;
    this.#periodMs = 1000 / perSecond;
  }

  async start(): Promise<void> {
    this.#connection = await MqttPublisher.open(this.#address, this.#name, {
      onAck: (packetId) => this.#acknowledged(packetId),
      onClose: () => {
        this.#closed = true;
      },
    });
    let dueMs = performance.now();
    this.#timer = setInterval(() => {
      for (; dueMs <= performance.now(); dueMs += this.#periodMs) this.#publish(dueMs);
    }, TICK_MS);
  }

  #publish(dueMs: number): void {
    const packetId = (this.#sequence % PACKET_IDS) + 1;
    if (this.#closed || this.#waiting.has(packetId)) return;
    const topic = LOAD_TOPICS[this.#sequence % LOAD_TOPICS.length] ?? "";
    const attempt = this.#history.invoke(this.#name, this.#sequence, topic);
    this.#waiting.set(packetId, { attempt, dueMs });
    this.#connection?.publish(topic, payloadOf(attempt.key, this.#sequence), packetId);
    this.#sequence += 1;
  }

  #acknowledged(packetId: number): void {
    const publish = this.#waiting.get(packetId);
    if (publish === undefined) return;
    this.#waiting.delete(packetId);
    this.#history.ok(publish.attempt);
    this.latencies.add(performance.now() - publish.dueMs);
  }

  /** Publishes no more and waits for what is not answered yet. Throws when the connection was lost. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await waitUntil(() => this.#waiting.size === 0 || this.#closed, LAST_ANSWERS_TIMEOUT_MS);
    const lost = this.#closed;
    this.#connection?.close();
    if (lost) throw new Error(`${this.#name} lost its connection`);
  }
}
