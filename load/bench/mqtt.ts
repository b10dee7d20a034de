/** MQTT against mosquitto and aedes: QoS 0 one to one, QoS 0 fan-out to 500, QoS 1 from 50 publishers. */

import { Loader } from "../lib/loader.js";
import { cpuSeconds } from "../lib/machine.js";
import { formatMs, formatNumber, formatPercent, type Table } from "../lib/table.js";
import type { FanoutArgs, FanoutReport } from "../loaders/mqtt-fanout.js";
import type { Qos1Args, Qos1Report } from "../loaders/mqtt-qos1.js";
import { aedes, LOAD_CPU, mosquitto, type Running } from "./contestants.js";
import { type BenchOptions, cellOf, medianOf, type Outcome, ratioOf, runRounds, spreadOf } from "./rounds.js";
import { FANOUT_TARGET, QOS1_TARGET } from "./targets.js";

const PAYLOAD_BYTES = 100;
const WARM_UP_MS = 1_500;
const SAMPLES = 3;
const LOAD_CPU_SHARE_MAX = 0.9;

interface MqttSample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** "ok", or what was lost. */
  readonly proof: string;
  readonly serverCpuShare: number;
  readonly loadCpuShare: number;
}

interface Shares {
  readonly serverCpuShare: number;
  /** Near 100%: it was the load that could not do more. */
  readonly loadCpuShare: number;
}

/** Runs one command of a loader beside a server; the CPU shares cover warm-up and measured time. */
async function runLoader<Report>(
  running: Running,
  loaderName: string,
  args: object,
  timeoutMs: number,
): Promise<{ readonly report: Report; readonly shares: Shares }> {
  if (running.mqtt === null) throw new Error("does not speak MQTT");
  const loader = await Loader.start(loaderName, LOAD_CPU);
  try {
    const startedAt = performance.now();
    const [serverBefore, loadBefore] = [cpuSeconds(running.child.pid), cpuSeconds(loader.child.pid)];
    const report = await loader.ask<Report>("run", { ...running.mqtt, ...args }, timeoutMs);
    const seconds = (performance.now() - startedAt) / 1000;
    const serverCpuShare = (cpuSeconds(running.child.pid) - serverBefore) / seconds;
    const loadCpuShare = (cpuSeconds(loader.child.pid) - loadBefore) / seconds;
    return { report, shares: { serverCpuShare, loadCpuShare } };
  } finally {
    await loader.stop();
  }
}

/** What the subscribers found. QoS 0 may be dropped (that is the peers' right), but is said. */
export function judgeFanout(report: FanoutReport, subscribers: number): string {
  const faults: string[] = [];
  const dropped = report.published * subscribers - report.delivered;
  if (dropped !== 0) faults.push(`${formatNumber(dropped)} dropped`);
  if (report.samples.some((sample) => sample.doubled > 0)) faults.push("DOUBLED");
  const orders = new Set(report.samples.map((sample) => sample.fingerprint));
  if (dropped === 0 && orders.size > 1) faults.push("ORDER DIFFERS");
  if (report.closed > 0) faults.push(`${report.closed} CLOSED`);
  return faults.length === 0 ? "ok" : faults.join(", ");
}

async function measureFanout(
  running: Running,
  subscribers: number,
  window: number,
  options: BenchOptions,
): Promise<MqttSample> {
  const args: Omit<FanoutArgs, "host" | "port"> = {
    topic: "bench/fanout",
    subscribers,
    samples: Math.min(SAMPLES, subscribers),
    window,
    payloadBytes: PAYLOAD_BYTES,
    warmUpMs: WARM_UP_MS,
    measureMs: options.seconds * 1000,
  };
  const timeoutMs = options.seconds * 1000 + 60_000;
  const { report, shares } = await runLoader<FanoutReport>(running, "mqtt-fanout", args, timeoutMs);
  const proof = judgeFanout(report, subscribers);
  return {
    perSecond: report.deliveriesPerSecond,
    p50Ms: Number.NaN,
    p99Ms: Number.NaN,
    proof,
    ...shares,
  };
}

async function measureQos1(running: Running, options: BenchOptions): Promise<MqttSample> {
  const args: Omit<Qos1Args, "host" | "port"> = {
    topicPrefix: "bench/qos1",
    publishers: 50,
    window: 20,
    payloadBytes: PAYLOAD_BYTES,
    warmUpMs: WARM_UP_MS,
    measureMs: options.seconds * 1000,
  };
  const timeoutMs = options.seconds * 1000 + 60_000;
  const { report, shares } = await runLoader<Qos1Report>(running, "mqtt-qos1", args, timeoutMs);
  const { acknowledgedPerSecond: perSecond, p50Ms, p99Ms, published, acknowledged, closed } = report;
  const open = published - acknowledged;
  const proof = closed > 0 ? `${closed} CLOSED` : open > 0 ? `${formatNumber(open)} UNACKNOWLEDGED` : "ok";
  return { perSecond, p50Ms, p99Ms, proof, ...shares };
}

function describe(sample: MqttSample): string {
  const latency = Number.isNaN(sample.p50Ms)
    ? ""
    : `, p50 ${formatMs(sample.p50Ms)}, p99 ${formatMs(sample.p99Ms)}`;
  return `${formatNumber(sample.perSecond)}/s${latency}, proof ${sample.proof}, server ${formatPercent(sample.serverCpuShare)}, load ${formatPercent(sample.loadCpuShare)}`;
}

const COLUMNS = [
  "broker",
  "median/s",
  "jangada is",
  "target",
  "spread",
  "p50",
  "p99",
  "proof",
  "server CPU",
  "load CPU",
];

function rowOf(
  outcome: Outcome<MqttSample>,
  ours: Outcome<MqttSample> | undefined,
  target: number | null,
): string[] {
  const rate = (sample: MqttSample): number => sample.perSecond;
  const isOurs = outcome === ours;
  const proofs = outcome.samples.map((sample) => sample.proof);
  return [
    outcome.name,
    cellOf(outcome, rate),
    isOurs ? "" : ratioOf(medianOf(ours, rate), medianOf(outcome, rate)),
    target !== null && outcome.name === "mosquitto" ? `${target}x` : "",
    spreadOf(outcome, rate),
    formatMs(medianOf(outcome, (sample) => sample.p50Ms)),
    formatMs(medianOf(outcome, (sample) => sample.p99Ms)),
    proofs.find((proof) => proof !== "ok") ?? proofs[0] ?? "-",
    formatPercent(medianOf(outcome, (sample) => sample.serverCpuShare)),
    formatPercent(medianOf(outcome, (sample) => sample.loadCpuShare)),
  ];
}

/** Whose figure may be the load's limit rather than its own. */
function loadLimited(outcomes: readonly Outcome<MqttSample>[]): string[] {
  const names = outcomes
    .filter((outcome) => medianOf(outcome, (sample) => sample.loadCpuShare) > LOAD_CPU_SHARE_MAX)
    .map(({ name }) => name);
  if (names.length === 0) return [];
  return [`The load's core was nearly full beside ${names.join(" and ")}: there it may have set the limit.`];
}

async function runScenario(
  title: string,
  target: number | null,
  options: BenchOptions,
  measure: (running: Running) => Promise<MqttSample>,
  note: string,
): Promise<Table> {
  const outcomes = await runRounds(title, [mosquitto(), aedes()], options, measure, describe);
  return {
    title,
    columns: COLUMNS,
    rows: outcomes.map((outcome) => rowOf(outcome, outcomes[0], target)),
    notes: [note, ...loadLimited(outcomes)],
  };
}

/** One publisher to one subscriber. */
export function runQos0(options: BenchOptions): Promise<Table> {
  return runScenario(
    "MQTT QoS 0, 1 publisher to 1 subscriber, deliveries/s",
    null,
    options,
    (running) => measureFanout(running, 1, 20_000, options),
    `${PAYLOAD_BYTES}-byte payloads, at most 20,000 outstanding. Jangada fsyncs QoS 0 too before it delivers.`,
  );
}

/** One publisher to 500 subscribers. */
export function runFanout(options: BenchOptions): Promise<Table> {
  return runScenario(
    "MQTT QoS 0, 1 publisher to 500 subscribers, deliveries/s",
    FANOUT_TARGET,
    options,
    (running) => measureFanout(running, 500, 1_000, options),
    `${PAYLOAD_BYTES}-byte payloads, at most 1,000 messages outstanding, deliveries counted by received bytes. Jangada fsyncs before it delivers.`,
  );
}

/** 50 publishers with a window of 20. */
export function runQos1(options: BenchOptions): Promise<Table> {
  return runScenario(
    "MQTT QoS 1, 50 publishers, window 20, acknowledged/s",
    QOS1_TARGET,
    options,
    (running) => measureQos1(running, options),
    `${PAYLOAD_BYTES}-byte payloads, a topic for each publisher, no subscriber. Jangada fsyncs before it acknowledges; mosquitto and aedes acknowledge from memory.`,
  );
}
