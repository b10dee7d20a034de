/**
 * Publishes a second over HTTP while N SSE subscribers listen, against the naive Node app: server on one core, load on the
 * other. Sampled subscribers prove that the deliveries behind the figure really happen.
 */

import { Loader } from "../lib/loader.js";
import { cpuSeconds } from "../lib/machine.js";
import { MEASURED_BASE, WARM_UP_BASE } from "../lib/sequence.js";
import type { Address } from "../lib/server.js";
import { delay, waitUntil } from "../lib/support.js";
import { formatMs, formatNumber, formatPercent, type Table } from "../lib/table.js";
import { hasWrk, runWrk } from "../lib/wrk.js";
import type { HttpLoadArgs, HttpLoadReport } from "../loaders/http-load.js";
import type { SseDrainReport } from "../loaders/sse-drain.js";
import { LOAD_CPU, naive, type Running } from "./contestants.js";
import { type BenchOptions, cellOf, medianOf, type Outcome, ratioOf, runRounds, spreadOf } from "./rounds.js";
import { HTTP_TARGETS } from "./targets.js";

const TOPIC = "/topics/bench%2Fhttp";
const CONNECTIONS = 50;
const PAYLOAD_BYTES = 100;
const SAMPLES = 3;
const WARM_UP_MS = 1_000;
const GRACE_MS = 5_000;
const SETTLE_MS = 30_000;
/** Streams get the same bytes; what differs is the moment of counting. */
const UNEVEN_SHARE = 0.02;

export interface HttpSample {
  readonly publishesPerSecond: number;
  readonly deliveriesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of the answered publishes that every sampled subscriber had 5 s after the end. */
  readonly receivedShare: number;
  /** "ok", or what the sampled subscribers found wrong. */
  readonly proof: string;
  readonly serverCpuShare: number;
  readonly drainCpuShare: number;
}

async function publish(address: Address, base: number, measureMs: number): Promise<HttpLoadReport> {
  const args: HttpLoadArgs = {
    ...address,
    path: `${TOPIC}/messages`,
    connections: CONNECTIONS,
    payloadBytes: PAYLOAD_BYTES,
    base,
    measureMs,
  };
  if (hasWrk()) return runWrk(args, LOAD_CPU);
  const loader = await Loader.start("http-load", LOAD_CPU);
  try {
    return await loader.ask<HttpLoadReport>("run", args, measureMs + 30_000);
  } finally {
    await loader.stop();
  }
}

function fewestReceived(report: SseDrainReport): number {
  return report.samples.reduce((least, sample) => Math.min(least, sample.received), Number.POSITIVE_INFINITY);
}

/** Waits until the sampled subscribers receive nothing more for a while. */
async function settle(drain: Loader): Promise<SseDrainReport> {
  let before = -1;
  let report = await drain.ask<SseDrainReport>("report");
  await waitUntil(
    async () => {
      report = await drain.ask<SseDrainReport>("report");
      const now = fewestReceived(report);
      const quiet = now === before;
      before = now;
      return quiet;
    },
    SETTLE_MS,
    400,
  );
  return report;
}

/** What the sampled subscribers found, in words. */
export function judgeSamples(report: SseDrainReport, answered: number): string {
  const faults: string[] = [];
  const { samples } = report;
  if (samples.length === 0) return "-";
  const lost = Math.max(0, answered - fewestReceived(report));
  // Requests that were cut off at the end may or may not have been published: at most one a connection.
  const holes = Math.max(...samples.map((sample) => sample.largest - MEASURED_BASE + 1 - sample.received));
  if (lost > 0) faults.push(`LOST ${formatNumber(lost)}`);
  else if (holes > CONNECTIONS) faults.push(`LOST ${formatNumber(holes)}`);
  if (samples.some((sample) => sample.doubled > 0)) faults.push("DOUBLED");
  if (new Set(samples.map((sample) => sample.fingerprint)).size > 1) faults.push("ORDER DIFFERS");
  if (report.closed > 0) faults.push(`${report.closed} CLOSED`);
  const sampledMean = report.sampledBytes / samples.length;
  const drainedMean = report.drainedBytes / report.drainedStreams;
  if (Math.abs(drainedMean / sampledMean - 1) > UNEVEN_SHARE) faults.push("UNEVEN");
  return faults.length === 0 ? "ok" : faults.join(", ");
}

async function measureWithSubscribers(
  running: Running,
  http: Address,
  subscribers: number,
  measureMs: number,
): Promise<HttpSample> {
  const drain = await Loader.start("sse-drain", LOAD_CPU);
  try {
    const target = { ...http, path: `${TOPIC}/stream`, count: subscribers, samples: SAMPLES };
    await drain.ask("connect", target, 60_000);
    await publish(http, WARM_UP_BASE, WARM_UP_MS);
    await settle(drain);
    await drain.ask("begin", { base: MEASURED_BASE });
    const [serverCpu, drainCpu] = [cpuSeconds(running.child.pid), cpuSeconds(drain.child.pid)];
    const load = await publish(http, MEASURED_BASE, measureMs);
    const [serverUsed, drainUsed] = [
      cpuSeconds(running.child.pid) - serverCpu,
      cpuSeconds(drain.child.pid) - drainCpu,
    ];
    const atEnd = fewestReceived(await drain.ask<SseDrainReport>("report"));
    let received = atEnd;
    await waitUntil(async () => {
      received = fewestReceived(await drain.ask<SseDrainReport>("report"));
      return received >= load.answered;
    }, GRACE_MS);
    const settled = await settle(drain);
    return {
      publishesPerSecond: load.answered / load.seconds,
      deliveriesPerSecond: (atEnd * subscribers) / load.seconds,
      p50Ms: load.p50Ms,
      p99Ms: load.p99Ms,
      receivedShare: Math.min(1, received / load.answered),
      proof: [judgeSamples(settled, load.answered), ...refusals(load)].join(", "),
      serverCpuShare: serverUsed / load.seconds,
      drainCpuShare: drainUsed / load.seconds,
    };
  } finally {
    await drain.stop();
  }
}

function refusals(load: HttpLoadReport): string[] {
  return load.refused > 0 ? [`${formatNumber(load.refused)} REFUSED`] : [];
}

async function measureAlone(running: Running, http: Address, measureMs: number): Promise<HttpSample> {
  await publish(http, WARM_UP_BASE, WARM_UP_MS);
  const serverCpu = cpuSeconds(running.child.pid);
  const load = await publish(http, MEASURED_BASE, measureMs);
  return {
    publishesPerSecond: load.answered / load.seconds,
    deliveriesPerSecond: 0,
    p50Ms: load.p50Ms,
    p99Ms: load.p99Ms,
    receivedShare: Number.NaN,
    proof: refusals(load)[0] ?? "-",
    serverCpuShare: (cpuSeconds(running.child.pid) - serverCpu) / load.seconds,
    drainCpuShare: Number.NaN,
  };
}

function describe(sample: HttpSample): string {
  return `${formatNumber(sample.publishesPerSecond)} publishes/s, ${formatNumber(sample.deliveriesPerSecond)} deliveries/s, proof ${sample.proof}, server ${formatPercent(sample.serverCpuShare)}, drain ${formatPercent(sample.drainCpuShare)}`;
}

/** The worst proof of all rounds. */
function proofOf(outcome: Outcome<HttpSample> | undefined): string {
  const proofs = (outcome?.samples ?? []).map((sample) => sample.proof);
  return proofs.find((proof) => proof !== "ok") ?? proofs[0] ?? "-";
}

function rowOf(subscribers: number, outcomes: readonly Outcome<HttpSample>[]): string[] {
  const [ours, theirs] = outcomes;
  const rate = (sample: HttpSample): number => sample.publishesPerSecond;
  const target = HTTP_TARGETS.get(subscribers);
  return [
    formatNumber(subscribers),
    cellOf(ours, rate),
    cellOf(theirs, rate),
    ratioOf(medianOf(ours, rate), medianOf(theirs, rate)),
    target === undefined ? "-" : `${target}x`,
    `${spreadOf(ours, rate)} / ${spreadOf(theirs, rate)}`,
    formatMs(medianOf(ours, (sample) => sample.p50Ms)),
    formatMs(medianOf(ours, (sample) => sample.p99Ms)),
    cellOf(ours, (sample) => sample.deliveriesPerSecond),
    formatPercent(medianOf(ours, (sample) => sample.receivedShare)),
    `${proofOf(ours)} / ${proofOf(theirs)}`,
    formatPercent(medianOf(ours, (sample) => sample.serverCpuShare)),
  ];
}

/** Measures HTTP publishes with each number of SSE subscribers. */
export async function runHttp(subscriberCounts: readonly number[], options: BenchOptions): Promise<Table> {
  const rows: string[][] = [];
  for (const subscribers of subscriberCounts) {
    const measure = (running: Running): Promise<HttpSample> => {
      if (running.http === null) throw new Error("does not speak HTTP");
      return subscribers === 0
        ? measureAlone(running, running.http, options.seconds * 1000)
        : measureWithSubscribers(running, running.http, subscribers, options.seconds * 1000);
    };
    const outcomes = await runRounds(
      `HTTP, ${subscribers} subscribers`,
      [naive()],
      options,
      measure,
      describe,
    );
    rows.push(rowOf(subscribers, outcomes));
    await delay(200);
  }
  return {
    title: "HTTP publishes/s with N SSE subscribers (server on one core, load on the other)",
    columns: [
      "subscribers",
      "jangada",
      "naive Node",
      "ratio",
      "target",
      "spread",
      "p50",
      "p99",
      "deliveries/s",
      "received after 5 s",
      "proof",
      "server CPU",
    ],
    rows,
    notes: [
      `${hasWrk() ? "wrk, 1 thread" : "the generator of load/loaders/http-load.ts"}, ${CONNECTIONS} connections, ${PAYLOAD_BYTES}-byte JSON, one request a connection in flight. Jangada fsyncs every commit before it answers; the naive app stores nothing. Spread is (largest - smallest) / median, jangada / naive.`,
      `Proof (jangada / naive): ${SAMPLES} sampled streams are parsed completely: "ok" is every answered publish received exactly once, all samples in the same order, and the other streams with the same number of bytes. Deliveries/s: what the samples had received when the load ended, times the streams.`,
    ],
  };
}
