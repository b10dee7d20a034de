/**
 * `npm run bench:connections -- [--rounds N] [--count 10000] [--write]`: what idle MQTT connections cost on one node, in time and in memory,
 * beside mosquitto in the same run. A whole run (or --write) regenerates its part of load/RESULTS.md.
 */
import { loadavg } from "node:os";
import { LOAD_CPU, mosquitto, type Running } from "./bench/contestants.js";
import { cellOf, medianOf, type Outcome, ratioOf, runRounds, spreadOf } from "./bench/rounds.js";
import { Loader } from "./lib/loader.js";
import { describeCommit, describeMachine, mosquittoVersion, residentMib } from "./lib/machine.js";
import { Options } from "./lib/options.js";
import { writePart } from "./lib/results-page.js";
import { delay, runMain, setDeadline } from "./lib/support.js";
import { formatNumber, renderMarkdown, renderText, type Table } from "./lib/table.js";
import type { ConnectArgs, ConnectionsReport, ConnectionsState } from "./loaders/mqtt-connections.js";

const COUNT = 10_000;
/** Connections that are being opened at the same time: what several hundred devices do after a network is back. */
const WIDTH = 200;
const TIMEOUT_MS = 180_000;
/** Collectors and kernels take their time. */
const SETTLE_MS = 3_000;
const ROUND_SECONDS_MAX = 420;
const KIB_PER_MIB = 1024;

interface ConnectionsSample {
  readonly connectsPerSecond: number;
  readonly subscribesPerSecond: number;
  /** Resident memory of the server for each connection. */
  readonly connectedKib: number;
  readonly subscribedKib: number;
  readonly emptyMib: number;
  readonly closed: number;
}

async function measure(running: Running, count: number): Promise<ConnectionsSample> {
  if (running.mqtt === null) throw new Error("does not speak MQTT");
  const { pid } = running.child;
  const settled = async (): Promise<number> => {
    await delay(SETTLE_MS);
    return residentMib(pid);
  };
  const loader = await Loader.start("mqtt-connections", LOAD_CPU);
  try {
    const emptyMib = await settled();
    const args: ConnectArgs = { ...running.mqtt, count, width: WIDTH };
    const connected = await loader.ask<ConnectionsReport>("connect", args, TIMEOUT_MS);
    const connectedMib = await settled();
    const subscribed = await loader.ask<ConnectionsReport>("subscribe", { width: WIDTH }, TIMEOUT_MS);
    const subscribedMib = await settled();
    const { closed } = await loader.ask<ConnectionsState>("state");
    const each = (mib: number): number => ((mib - emptyMib) * KIB_PER_MIB) / count;
    return {
      connectsPerSecond: connected.perSecond,
      subscribesPerSecond: subscribed.perSecond,
      connectedKib: each(connectedMib),
      subscribedKib: each(subscribedMib),
      ...{ emptyMib, closed },
    };
  } finally {
    await loader.stop();
  }
}

function describe(sample: ConnectionsSample): string {
  return [
    `${formatNumber(sample.connectsPerSecond)} connects/s, ${formatNumber(sample.subscribesPerSecond)} subscribes/s`,
    `${formatNumber(sample.connectedKib)} KiB each, subscribed ${formatNumber(sample.subscribedKib)} KiB`,
    `${sample.closed} closed`,
  ].join(", ");
}

type Figure = (sample: ConnectionsSample) => number;

const FIGURES: readonly (readonly [string, Figure])[] = [
  ["connects/s", ({ connectsPerSecond }) => connectsPerSecond],
  ["subscribes/s", ({ subscribesPerSecond }) => subscribesPerSecond],
  ["KiB resident for each connection", ({ connectedKib }) => connectedKib],
  ["KiB for each with one subscription", ({ subscribedKib }) => subscribedKib],
  ["MiB resident without connections", ({ emptyMib }) => emptyMib],
];

function tableOf(outcomes: readonly Outcome<ConnectionsSample>[], count: number): Table {
  const [ours, peer] = outcomes;
  const closed = outcomes.flatMap(({ name, samples }) =>
    samples.some((sample) => sample.closed > 0) ? [`Connections to ${name} were closed.`] : [],
  );
  return {
    title: `${formatNumber(count)} idle MQTT connections on one node`,
    columns: ["", "jangada", "mosquitto", "jangada is", "spread"],
    rows: FIGURES.map(([name, figure]) => [
      name,
      cellOf(ours, figure),
      cellOf(peer, figure),
      ratioOf(medianOf(ours, figure), medianOf(peer, figure)),
      `${spreadOf(ours, figure)} / ${spreadOf(peer, figure)}`,
    ]),
    notes: [
      `${WIDTH} connections are opened at the same time, with clean sessions and no keep-alive; server on one core, load on the other. Jangada commits every CONNECT to disk before it is answered; mosquitto keeps sessions in memory.`,
      ...closed,
    ],
  };
}

async function main(): Promise<number> {
  const given = new Options(["rounds", "count"], ["write"]);
  const rounds = given.number("rounds", 3);
  const count = given.number("count", COUNT);
  setDeadline(rounds * 2 * ROUND_SECONDS_MAX * 1000, "bench:connections");
  const busyBefore = (loadavg()[0] ?? 0).toFixed(1);
  const options = { rounds, seconds: 0, profile: false };
  const title = `${count} connections`;
  const outcomes = await runRounds(
    title,
    [mosquitto()],
    options,
    (running) => measure(running, count),
    describe,
  );
  const table = tableOf(outcomes, count);
  console.log(`\n${renderText(table)}`);
  if ((given.has("rounds") || given.has("count")) && !given.has("write")) return 0;
  const head = [
    "# Connections",
    "",
    "Generated by `npm run bench:connections`; do not edit. The machine is shared and noisy: only ratios within one run count.",
    "",
    `- machine: ${describeMachine()}; server on one core, load on the other; load average ${busyBefore} before it began`,
    `- commit: ${describeCommit()}, ${new Date().toISOString().slice(0, 10)}`,
    `- medians of ${rounds} rounds, contestants in turn within each round, servers started afresh`,
    `- mosquitto ${mosquittoVersion() ?? "not installed"}`,
    "",
    "",
  ].join("\n");
  console.log(`\nwritten: ${writePart("bench:connections", `${head}${renderMarkdown(table)}`)}`);
  return 0;
}

runMain(main);
