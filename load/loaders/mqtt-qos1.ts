/**
 * QoS 1: many publishers with a window each, no subscriber; every PUBACK is matched and timed.
 *
 *   run {host, port, topicPrefix, publishers, window, payloadBytes, warmUpMs, measureMs} -> Qos1Report
 */
import type { Socket } from "node:net";
import { drainSocket } from "../lib/drain-socket.js";
import { serveCommands } from "../lib/loader.js";
import { CONNACK, connectPacket, PacketReader, PUBACK, publishPacket } from "../lib/mqtt-packets.js";
import { numberedPayload, SEQUENCE_AT, WARM_UP_BASE, writeSequence } from "../lib/sequence.js";
import type { Address } from "../lib/server.js";
import { LatencyHistogram } from "../lib/statistics.js";
import { delay, waitUntil } from "../lib/support.js";

export interface Qos1Args extends Address {
  /** Each publisher has its own topic below it. */
  readonly topicPrefix: string;
  readonly publishers: number;
  /** Publishes of one publisher sent and not yet acknowledged. */
  readonly window: number;
  readonly payloadBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface Qos1Report {
  readonly acknowledgedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the whole run: equal when every publish was acknowledged in the end. */
  readonly published: number;
  readonly acknowledged: number;
  readonly closed: number;
}

const DRAIN_MS = 5_000;

/** Counters of all publishers together. */
const totals = { published: 0, acknowledged: 0, closed: 0, publishing: true };
const latencies = new LatencyHistogram();

class Publisher {
  readonly #window: number;
  readonly #packet: Buffer;
  readonly #sequenceAt: number;
  readonly #packetIdAt: number;
  /** By packet identifier (1 to `window`): a slot is free again when it is acknowledged. */
  readonly #sentAtMs: Float64Array;
  readonly #freed: number[] = [];
  #socket: Socket | undefined;
  #connected: (() => void) | undefined;

  constructor(args: Qos1Args, at: number) {
    const topic = `${args.topicPrefix}/${at}`;
    const payload = Buffer.from(numberedPayload(WARM_UP_BASE, args.payloadBytes));
    this.#packet = publishPacket(topic, payload, 1);
    this.#sequenceAt = this.#packet.length - payload.length + SEQUENCE_AT;
    this.#packetIdAt = this.#packet.length - payload.length - 2;
    this.#window = args.window;
    this.#sentAtMs = new Float64Array(args.window + 1);
  }

  async connect(address: Address, clientId: string): Promise<void> {
    const reader = new PacketReader((firstByte, body) => this.#onPacket(firstByte >> 4, body));
    const onBytes = (buffer: Buffer, length: number): void => {
      reader.feed(buffer.subarray(0, length));
      this.#publishFreed();
    };
    const onClose = (): void => {
      totals.closed += 1;
    };
    const socket = await drainSocket(address, { onBytes, onClose });
    this.#socket = socket;
    await new Promise<void>((resolve) => {
      this.#connected = resolve;
      socket.write(connectPacket(clientId));
    });
  }

  start(): void {
    for (let slot = 1; slot <= this.#window; slot++) this.#freed.push(slot);
    this.#publishFreed();
  }

  #onPacket(type: number, body: Buffer): void {
    if (type === CONNACK) this.#connected?.();
    if (type !== PUBACK) return;
    const slot = body.readUInt16BE(0);
    latencies.add(performance.now() - (this.#sentAtMs[slot] ?? 0));
    totals.acknowledged += 1;
    this.#freed.push(slot);
  }

  /** One write for all slots that the last bytes have freed. */
  #publishFreed(): void {
    const count = this.#freed.length;
    if (count === 0 || !totals.publishing) return;
    const size = this.#packet.length;
    const bytes = Buffer.allocUnsafe(size * count);
    const nowMs = performance.now();
    for (let at = 0; at < count; at++) {
      const slot = this.#freed[at] ?? 0;
      this.#sentAtMs[slot] = nowMs;
      this.#packet.copy(bytes, at * size);
      bytes.writeUInt16BE(slot, at * size + this.#packetIdAt);
      writeSequence(bytes, at * size + this.#sequenceAt, WARM_UP_BASE + totals.published);
      totals.published += 1;
    }
    this.#freed.length = 0;
    this.#socket?.write(bytes);
  }
}

async function run(args: Qos1Args): Promise<Qos1Report> {
  const publishers = Array.from({ length: args.publishers }, (_, at) => new Publisher(args, at));
  await Promise.all(publishers.map((publisher, at) => publisher.connect(args, `qos1-${at}`)));
  for (const publisher of publishers) publisher.start();
  await delay(args.warmUpMs);
  latencies.clear();
  const before = totals.acknowledged;
  const startedAt = performance.now();
  await delay(args.measureMs);
  const seconds = (performance.now() - startedAt) / 1000;
  const acknowledgedPerSecond = (totals.acknowledged - before) / seconds;
  const [p50Ms, p99Ms] = [latencies.percentile(0.5), latencies.percentile(0.99)];
  totals.publishing = false;
  await waitUntil(() => totals.acknowledged >= totals.published, DRAIN_MS);
  const { published, acknowledged, closed } = totals;
  return { acknowledgedPerSecond, p50Ms, p99Ms, published, acknowledged, closed };
}

serveCommands({ run });
