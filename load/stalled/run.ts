/**
 * The run: everybody reads for a while, then some more come who do not read while the others go on, then those read too. The
 * server's resident memory is sampled all the time, and what the sampled and the stalled subscribers receive is checked
 * message by message.
 */
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { bytesInKernel, peakResidentMib, residentMib } from "../lib/machine.js";
import { MEASURED_BASE, numberedPayload } from "../lib/sequence.js";
import type { Server } from "../lib/server.js";
import { delay, waitUntil } from "../lib/support.js";
import type { MqttDrainReport } from "../loaders/mqtt-drain.js";
import type { SseDrainReport } from "../loaders/sse-drain.js";
import { CATCH_UP_MS_MAX, type PhaseLatency, type StalledPlan } from "./plan.js";
import { openStallers, openSubscribers, type Stallable, type Subscribers } from "./subscribers.js";

export interface StalledReport {
  readonly residentMib: readonly number[];
  readonly peakResidentMib: number;
  readonly sseBaseline: PhaseLatency;
  readonly sseStalled: PhaseLatency;
  readonly mqttBaseline: PhaseLatency;
  readonly mqttStalled: PhaseLatency;
  readonly published: number;
  /** How far behind schedule the publisher was at its worst: a server that answers late slows everybody. */
  readonly publisherLateMs: number;
  /** Bytes that the crowd received, MiB, and their share of what is due (headers come on top of it). */
  readonly crowdMib: number;
  readonly crowdShare: number;
  readonly crowdClosed: number;
  /** What is wrong with sampled or stalled subscribers; empty when nothing is. */
  readonly faults: readonly string[];
  /** How many of the stalled ones received everything, and how many were told of a gap. */
  readonly stalledEverything: number;
  readonly stalledGap: number;
  /** What the kernel held for a stalled one, of what was published meanwhile; at 1 the server was never told to wait. */
  readonly kernelHeldShare: number;
  readonly catchUpMs: number;
}

const TOPIC = "load/stalled";
const SAMPLE_PERIOD_MS = 1_000;
const SETTLE_MS = 5_000;
/** The first messages meet cold code on both sides: they are not timed. */
const WARM_UP_SECONDS = 2;

class Publishing {
  readonly sentAtMs: number[] = [];
  lateMs = 0;
  readonly #connection: HttpConnection;
  readonly #plan: StalledPlan;

  constructor(server: Server, plan: StalledPlan) {
    this.#connection = new HttpConnection(server.http);
    this.#plan = plan;
  }

  get last(): number {
    return MEASURED_BASE + this.sentAtMs.length - 1;
  }

  /** Publishes on schedule for so long. Throws when a publish is not acknowledged. */
  async publishFor(seconds: number): Promise<void> {
    const periodMs = 1000 / this.#plan.publishesPerSecond;
    const startedAt = performance.now();
    const count = Math.round(seconds * this.#plan.publishesPerSecond);
    for (let at = 0; at < count; at++) {
      const dueAt = startedAt + at * periodMs;
      const nowMs = performance.now();
      if (nowMs < dueAt) await delay(dueAt - nowMs);
      else this.lateMs = Math.max(this.lateMs, nowMs - dueAt);
      await this.#publish();
    }
  }

  close(): void {
    this.#connection.close();
  }

  async #publish(): Promise<void> {
    const payload = numberedPayload(MEASURED_BASE + this.sentAtMs.length, this.#plan.payloadBytes);
    this.sentAtMs.push(performance.now());
    const headers = { "content-type": "application/json" };
    const answer = await this.#connection.ask("POST", `${topicPath(TOPIC)}/messages`, payload, headers);
    if (answer.status !== 201) throw new Error(`a publish was answered ${answer.status} ${answer.body}`);
  }
}

function latencyOf(sampled: readonly Stallable[], kind: string): PhaseLatency {
  const of = sampled.map(({ receiver }) => receiver).filter(({ name }) => name.includes(kind));
  // Every sampled subscriber gets the same messages: the worst of them stands for all.
  return {
    p50Ms: Math.max(...of.map(({ latencies }) => latencies.percentile(0.5))),
    p99Ms: Math.max(...of.map(({ latencies }) => latencies.percentile(0.99))),
  };
}

const bothLatencies = (sampled: readonly Stallable[]): readonly [PhaseLatency, PhaseLatency] => [
  latencyOf(sampled, "-sse-"),
  latencyOf(sampled, "-mqtt-"),
];

/** The largest share of `due` bytes that the kernel holds for one of the stalled subscribers. */
function kernelHeldShare(stallers: readonly Stallable[], due: number): number {
  const byServerPort = new Map<number, ReadonlyMap<number, number>>();
  let most = 0;
  for (const { serverPort, localPort } of stallers) {
    const held = byServerPort.get(serverPort) ?? bytesInKernel(serverPort);
    byServerPort.set(serverPort, held);
    most = Math.max(most, held.get(localPort) ?? 0);
  }
  return most / due;
}

async function catchUp(stallers: readonly Stallable[], last: number): Promise<number> {
  const startedAt = performance.now();
  for (const staller of stallers) staller.resume();
  const settled = ({ receiver }: Stallable): boolean => receiver.hasReached(last) || receiver.fault !== null;
  await waitUntil(() => stallers.every(settled), CATCH_UP_MS_MAX);
  return performance.now() - startedAt;
}

function faultsOf(group: readonly Stallable[], last: number): string[] {
  return group.flatMap(({ receiver }) => {
    const verdict = receiver.verdict(last);
    return verdict.ok ? [] : [`${receiver.name}: ${verdict.why}`];
  });
}

function countHow(stallers: readonly Stallable[], last: number, how: string): number {
  return stallers.filter(({ receiver }) => {
    const verdict = receiver.verdict(last);
    return verdict.ok && verdict.how === how;
  }).length;
}

async function crowdReport(
  { sseCrowd, mqttCrowd, crowdCount }: Subscribers,
  published: number,
  payloadBytes: number,
): Promise<{ readonly crowdMib: number; readonly crowdShare: number; readonly crowdClosed: number }> {
  const sse = await sseCrowd.ask<SseDrainReport>("report");
  const mqtt = await mqttCrowd.ask<MqttDrainReport>("report");
  const bytes = sse.drainedBytes + mqtt.bytes;
  return {
    crowdMib: bytes / 1024 / 1024,
    crowdShare: bytes / (published * payloadBytes * crowdCount),
    crowdClosed: sse.closed + mqtt.closed,
  };
}

/** Carries the plan out against a fresh server. `loadCpu` is the core of the crowd. */
export async function runStalled(
  server: Server,
  plan: StalledPlan,
  loadCpu: number | undefined,
  log: (line: string) => void,
): Promise<StalledReport> {
  const resident: number[] = [];
  const publishing = new Publishing(server, plan);
  const subscribers = await openSubscribers(server, TOPIC, plan, publishing.sentAtMs, loadCpu);
  const { sampled } = subscribers;
  log(`subscribed, server at ${residentMib(server.child.pid).toFixed(0)} MiB`);
  const sampling = setInterval(() => {
    if (!server.child.ended) resident.push(residentMib(server.child.pid));
  }, SAMPLE_PERIOD_MS);
  try {
    await publishing.publishFor(WARM_UP_SECONDS);
    for (const { receiver } of sampled) receiver.latencies.clear();
    await publishing.publishFor(plan.baselineSeconds);
    const [sseBaseline, mqttBaseline] = bothLatencies(sampled);
    for (const { receiver } of sampled) receiver.latencies.clear();
    const stallers = await openStallers(server, TOPIC, plan, publishing.sentAtMs);
    log(
      `baseline done, ${stallers.length} more that do not read, server at ${resident.at(-1)?.toFixed(0)} MiB`,
    );
    await publishing.publishFor(plan.stalledSeconds);
    await waitUntil(() => sampled.every((one) => one.receiver.hasReached(publishing.last)), SETTLE_MS);
    const [sseStalled, mqttStalled] = bothLatencies(sampled);
    const due = plan.stalledSeconds * plan.publishesPerSecond * plan.payloadBytes;
    const heldShare = kernelHeldShare(stallers, due);
    log(`they read again, server at ${resident.at(-1)?.toFixed(0)} MiB`);
    const catchUpMs = await catchUp(stallers, publishing.last);
    const published = publishing.sentAtMs.length;
    return {
      residentMib: resident,
      peakResidentMib: peakResidentMib(server.child.pid),
      ...{ sseBaseline, sseStalled, mqttBaseline, mqttStalled },
      published,
      publisherLateMs: publishing.lateMs,
      ...(await crowdReport(subscribers, published, plan.payloadBytes)),
      catchUpMs,
      kernelHeldShare: heldShare,
      faults: [...faultsOf(sampled, publishing.last), ...faultsOf(stallers, publishing.last)],
      stalledEverything: countHow(stallers, publishing.last, "everything"),
      stalledGap: countHow(stallers, publishing.last, "an explicit gap"),
    };
  } finally {
    clearInterval(sampling);
    publishing.close();
    await subscribers.sseCrowd.stop();
    await subscribers.mqttCrowd.stop();
  }
}
