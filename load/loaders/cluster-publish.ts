/**
 * One publisher with a window, on whichever wire: each acknowledged publish frees its slot for the next, and all slots that one
 * read has freed go out in one write.
 *
 *   run {protocol, host, port, channel, payloadBytes, window, warmUpMs, measureMs} -> ClusterPublishReport
 */
import { openAmqp } from "../bench-cluster/wires/amqp.js";
import { openEtcd } from "../bench-cluster/wires/etcd.js";
import { openMqtt } from "../bench-cluster/wires/mqtt.js";
import { openNats } from "../bench-cluster/wires/nats.js";
import { openRedis } from "../bench-cluster/wires/redis.js";
import type { OpenWire, Wire, WireArgs } from "../bench-cluster/wires/wire.js";
import { serveCommands } from "../lib/loader.js";
import { WARM_UP_BASE } from "../lib/sequence.js";
import { LatencyHistogram } from "../lib/statistics.js";
import { delay, waitUntil } from "../lib/support.js";

const WIRES = {
  mqtt: openMqtt,
  nats: openNats,
  etcd: openEtcd,
  amqp: openAmqp,
  redis: openRedis,
} as const satisfies Record<string, OpenWire>;

export type Protocol = keyof typeof WIRES;

export interface ClusterPublishArgs extends WireArgs {
  readonly protocol: Protocol;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface ClusterPublishReport {
  readonly acknowledgedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the whole run: equal when every publish was acknowledged in the end. */
  readonly published: number;
  readonly acknowledged: number;
  /** What ended the run early, or null. */
  readonly failure: string | null;
  /** Of one core, while it was measured: near 1, the client may have set the limit. */
  readonly clientCpuShare: number;
}

const DRAIN_MS = 15_000;
const MICROSECONDS = 1_000_000;

class WindowedPublisher {
  readonly latencies = new LatencyHistogram();
  readonly #sentAtMs: Float64Array;
  #wire: Wire | undefined;
  #freed: number[];
  #publishing = false;
  published = 0;
  acknowledged = 0;
  failure: string | null = null;

  constructor(window: number) {
    this.#sentAtMs = new Float64Array(window);
    this.#freed = Array.from({ length: window }, (_, slot) => slot);
  }

  async open(args: ClusterPublishArgs): Promise<void> {
    this.#wire = await WIRES[args.protocol](args, {
      onAck: (slot) => {
        this.latencies.add(performance.now() - (this.#sentAtMs[slot] ?? 0));
        this.acknowledged += 1;
        this.#freed.push(slot);
      },
      onRead: () => this.#publishFreed(),
      onFailure: (reason) => {
        this.failure ??= reason;
        this.#publishing = false;
      },
    });
  }

  start(): void {
    this.#publishing = true;
    this.#publishFreed();
  }

  /** Publishes no more and waits for what is under way. */
  async finish(): Promise<void> {
    this.#publishing = false;
    const done = (): boolean => this.acknowledged >= this.published || this.failure !== null;
    await waitUntil(done, DRAIN_MS);
    this.#wire?.close();
  }

  #publishFreed(): void {
    if (!this.#publishing || this.#freed.length === 0) return;
    const slots = this.#freed;
    this.#freed = [];
    const nowMs = performance.now();
    for (const slot of slots) this.#sentAtMs[slot] = nowMs;
    this.#wire?.publish(slots, WARM_UP_BASE + this.published);
    this.published += slots.length;
  }
}

async function run(args: ClusterPublishArgs): Promise<ClusterPublishReport> {
  const publisher = new WindowedPublisher(args.window);
  await publisher.open(args);
  publisher.start();
  await delay(args.warmUpMs);
  publisher.latencies.clear();
  const [before, startedAt, cpuBefore] = [publisher.acknowledged, performance.now(), process.cpuUsage()];
  await delay(args.measureMs);
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  const acknowledgedPerSecond = (publisher.acknowledged - before) / seconds;
  const [p50Ms, p99Ms] = [publisher.latencies.percentile(0.5), publisher.latencies.percentile(0.99)];
  await publisher.finish();
  const { published, acknowledged, failure } = publisher;
  const clientCpuShare = (cpu.user + cpu.system) / MICROSECONDS / seconds;
  return { acknowledgedPerSecond, p50Ms, p99Ms, published, acknowledged, failure, clientCpuShare };
}

serveCommands({ run });
