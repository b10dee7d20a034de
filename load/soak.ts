/**
 * `npm run soak -- [--minutes 60] [--fault-seconds 60] [--seed N] [--json FILE] [--record]`: three nodes under everything at once, with a fault every minute
 * or so. Every publisher's row is checked at every watcher as it comes, sessions every few minutes; at the end memory, descriptors and disk have
 * to be flat: what one process holds after collections, and what all nodes take. Exit code 1 for a violation, and for what grows.
 */
import { writeFileSync } from "node:fs";
import { Crew } from "./faults/crew.js";
import { NamespaceTerrain, namespacesUnavailable } from "./faults/namespaces.js";
import { Cluster } from "./lib/cluster.js";
import type { ClusterNode } from "./lib/cluster-node.js";
import { Options } from "./lib/options.js";
import {
  delay,
  keepDirectory,
  removeDirectory,
  runMain,
  seededRandom,
  setDeadline,
  temporaryDirectory,
  waitUntil,
} from "./lib/support.js";
import { formatNumber, renderText, type Table } from "./lib/table.js";
import { LoopbackTerrain, type Terrain } from "./lib/terrain.js";
import { currentCommit, recordRun } from "./reliability/record.js";
import { publishRow, type SoakLoad, Watcher } from "./soak/clients.js";
import { Faults, LASTING_NODE } from "./soak/faults.js";
import { fill } from "./soak/fill.js";
import { FIGURES, type Sample, type Trend, trendOf } from "./soak/flatness.js";
import { probeArgs } from "./soak/memory.js";
import { Rows } from "./soak/rows.js";
import { sampleAll, sampleHeld } from "./soak/samples.js";
import { receiveVisitors, type VisitorCounts } from "./soak/visitors.js";

/** Small, so that everything has been trimmed and used again many times. */
const FLAGS = [
  ...["--log-segment-bytes", "17MiB", "--message-segment-bytes", "17MiB"],
  ...["--snapshot-log-bytes", "34MiB", "--retention-bytes", "48MiB"],
];
const SAMPLE_MS = 5_000;
/** A collection stops the node for a tenth of a second. */
const HELD_SAMPLE_MS = 10_000;
/** So often the sessions stand still and are checked. */
const FAULTS_BETWEEN_CHECKS = 4;
const PUBLISH_PAUSE_MS = 30;
const SESSION_PAUSE_MS = 100;
const ALL_WITHIN_MS = 90_000;
const SLOW_WITHIN_MS = 120_000;
const VIOLATIONS_SHOWN = 20;
/** Beyond the minutes: filling at the beginning, waiting for everybody at the end. */
const SETTLING_SECONDS = 900;
const BYTES_PER_MIB = 1024 * 1024;

class Soak {
  readonly violations: string[] = [];
  readonly samples: Sample[] = [];
  readonly counts: VisitorCounts = { visits: 0, shared: 0, topics: 0, qos0: 0, live: 0 };
  readonly rows: Rows;
  readonly crew: Crew;
  readonly faults: Faults;
  readonly #cluster: Cluster;
  readonly #random: () => number;
  #startedMs = performance.now();
  readonly #bornMs = new Map<number, number>();
  #publishedAtHalf = 0;
  #goesOn = true;

  constructor(cluster: Cluster, random: () => number, canCut: boolean) {
    this.#cluster = cluster;
    this.#random = random;
    const report = (detail: string): void => this.report(detail);
    this.rows = new Rows(report);
    this.crew = new Crew({ cluster, random, report, pauseMs: SESSION_PAUSE_MS });
    const onStarted = ({ id }: ClusterNode): void => {
      this.#bornMs.set(id, performance.now());
    };
    for (const node of cluster.nodes) onStarted(node);
    this.faults = new Faults({ cluster, random, canCut, report, log: (line) => this.#say(line), onStarted });
  }

  report(detail: string): void {
    this.violations.push(detail);
    if (this.violations.length <= VIOLATIONS_SHOWN) this.#say(`violation: ${detail}`);
  }

  #say(line: string): void {
    console.log(`${Math.round(this.#seconds)} s: ${line}`);
  }

  get #seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  async run(seconds: number, faultSeconds: number): Promise<void> {
    this.#say("filling what has a ceiling");
    await fill(this.#cluster);
    this.#startedMs = performance.now();
    const load: SoakLoad = {
      cluster: this.#cluster,
      rows: this.rows,
      random: this.#random,
      goesOn: () => this.#goesOn,
    };
    const watchers = [1, 2, 3].map((at) => new Watcher(load, `watcher-${at}`, false));
    const slow = [1, 2].map((at) => new Watcher(load, `slow-${at}`, true));
    await this.crew.begin();
    this.crew.startLoad();
    const visitors = receiveVisitors(load, this.counts);
    const publishers = Promise.all([
      ...[1, 2, 3].map((at) => publishRow(load, `single-${at}`, "single", PUBLISH_PAUSE_MS)),
      publishRow(load, "batch-1", "batch", PUBLISH_PAUSE_MS * 4),
      publishRow(load, "retained-1", "retained", PUBLISH_PAUSE_MS * 10),
    ]);
    const sampling = Promise.all([this.#sample(), this.#sampleHeld(), this.#countFromHalf(seconds)]);
    await this.#strikeUntil(seconds, faultSeconds);
    this.#goesOn = false;
    await Promise.all([publishers, visitors, sampling, this.crew.stopLoad()]);
    await this.crew.check("at the end");
    await this.#hasAll(watchers, ALL_WITHIN_MS);
    await this.#hasAll(slow, SLOW_WITHIN_MS);
    for (const watcher of [...watchers, ...slow]) watcher.stop();
    await this.#agree();
    await this.crew.close();
  }

  async #strikeUntil(seconds: number, faultSeconds: number): Promise<void> {
    for (let strikes = 1; ; strikes++) {
      const dueSeconds = this.#seconds + faultSeconds * (0.5 + this.#random());
      await delay(Math.max(0, Math.min(dueSeconds, seconds) - this.#seconds) * 1000);
      if (this.#seconds >= seconds - 1) return;
      await this.faults.strike();
      if (strikes % FAULTS_BETWEEN_CHECKS !== 0) continue;
      await this.crew.stopLoad();
      await this.crew.check(`after ${strikes} faults`);
      this.crew.startLoad();
      this.#say(`${this.rows.acknowledgedCount} in rows, ${this.violations.length} violations`);
    }
  }

  #ageOf({ id }: ClusterNode): number {
    return (performance.now() - (this.#bornMs.get(id) ?? 0)) / 1000;
  }

  async #sample(): Promise<void> {
    while (this.#goesOn) {
      this.samples.push(...sampleAll(this.#cluster, this.#seconds, (node) => this.#ageOf(node)));
      await delay(SAMPLE_MS);
    }
  }

  async #sampleHeld(): Promise<void> {
    const node = this.#cluster.node(LASTING_NODE);
    while (this.#goesOn) {
      this.samples.push(...(await sampleHeld(node, this.#seconds, this.#ageOf(node))));
      await delay(HELD_SAMPLE_MS);
    }
  }

  /** All that was published so far, as far as its publishers know. */
  get #published(): number {
    const { rows, counts, crew } = this;
    return rows.acknowledgedCount + counts.qos0 + counts.topics + (crew.figures["sessionPublishes"] ?? 0);
  }

  async #countFromHalf(seconds: number): Promise<void> {
    await waitUntil(() => this.#seconds >= seconds / 2 || !this.#goesOn, seconds * 1000);
    this.#publishedAtHalf = this.#published;
  }

  get publishedSinceHalf(): number {
    return this.#published - this.#publishedAtHalf;
  }

  async #hasAll(watchers: readonly Watcher[], timeoutMs: number): Promise<void> {
    const lacking = (): string[] =>
      watchers.flatMap(({ reader }) =>
        this.rows.lacking(reader.last).map((what) => `a watcher lacks ${what}`),
      );
    await waitUntil(() => lacking().length === 0, timeoutMs);
    for (const what of lacking()) this.report(what);
  }

  /** With nobody publishing, all nodes end with the same. */
  async #agree(): Promise<void> {
    const behind = await this.#cluster.waitUntilEqual(ALL_WITHIN_MS);
    if (behind !== null) this.report(behind);
  }

  /** What is not flat, and what nobody can say anything about, is a violation. */
  judge(seconds: number): readonly Trend[] {
    return FIGURES.flatMap((figure) => {
      const trend = trendOf(this.samples, figure, seconds);
      if (trend === null) this.report(`${figure}: too few samples`);
      else if (!trend.isFlat) this.report(`${figure} grows: ${trend.gain.toFixed(1)} over the second half`);
      return trend ?? [];
    });
  }
}

function tableOf(trends: readonly Trend[], minutes: number): Table {
  const fixed = (value: number): string => value.toFixed(1);
  return {
    title: `What nodes take, second half of ${minutes} minutes`,
    columns: ["", "mean", "gain over the half", "allowed", "per hour", "flat"],
    rows: trends.map(({ figure, mean, gain, gainMax, perHour, isFlat }) => [
      figure,
      ...[mean, gain, gainMax, perHour].map(fixed),
      isFlat ? "yes" : "no",
    ]),
    notes: [
      `By the slope within samples of the same node and age. Node ${LASTING_NODE}, which is never restarted, is asked what it holds after a collection;`,
      "descriptors, sockets, disk and rss are those of all nodes.",
    ],
  };
}

/** Bytes that each of so many publishes would have to leave in the heap to pass the bound. */
function bytesToShow(publishes: number, trends: readonly Trend[]): number {
  const heap = trends.find(({ figure }) => figure === "live heap, MiB");
  return heap === undefined ? 0 : Math.ceil((heap.gainMax * BYTES_PER_MIB) / publishes);
}

function figuresOf(soak: Soak, trends: readonly Trend[]): Record<string, number> {
  const { rows, crew, counts, faults } = soak;
  const own = trends.flatMap(({ figure, mean, gain }) => [
    [`${figure}`, Number(mean.toFixed(1))],
    [`${figure}, gain over the second half`, Number(gain.toFixed(1))],
  ]);
  const sessions = Object.entries(crew.figures);
  const struck = Object.entries(faults.counts).map(([kind, count]) => [`faults: ${kind}`, count]);
  return {
    "messages in rows": rows.acknowledgedCount,
    "publishes in the second half": soak.publishedSinceHalf,
    "bytes a publish that would show in the heap": bytesToShow(soak.publishedSinceHalf, trends),
    ...Object.fromEntries([...sessions, ...struck, ...own]),
    "short sessions": counts.visits,
    "shared deliveries": counts.shared,
    "live deliveries": counts.live,
    "QoS 0 publishes": counts.qos0,
    "topics made and deleted": counts.topics,
  };
}

async function main(): Promise<number> {
  const given = new Options(["minutes", "fault-seconds", "seed", "json"], ["record"]);
  const minutes = given.number("minutes", 60);
  const faultSeconds = given.number("fault-seconds", 60);
  const seed = given.number("seed", Math.floor(Math.random() * 2 ** 32), 0);
  const commit = given.has("record") ? currentCommit() : "";
  setDeadline((minutes * 60 + SETTLING_SECONDS) * 1000, "soak");
  const uncuttable = namespacesUnavailable();
  console.log(
    `soak: ${minutes} minutes, --seed ${seed}${uncuttable === null ? "" : `; no cuts: ${uncuttable}`}`,
  );
  const directory = temporaryDirectory("soak");
  const terrain: Terrain =
    uncuttable === null ? await NamespaceTerrain.create(directory) : new LoopbackTerrain(directory);
  const cluster = await Cluster.start({ size: 3, terrain, flags: FLAGS, nodeArgs: probeArgs() });
  const soak = new Soak(cluster, seededRandom(seed), uncuttable === null);
  try {
    await soak.run(minutes * 60, faultSeconds);
  } catch (error) {
    soak.report(error instanceof Error ? error.message : String(error));
  } finally {
    await cluster.close();
    await terrain.close();
  }
  const trends = soak.judge(minutes * 60);
  const figures = figuresOf(soak, trends);
  console.log(`\n${renderText(tableOf(trends, minutes))}\n`);
  for (const [name, value] of Object.entries(figures)) console.log(`${name}: ${formatNumber(value)}`);
  console.log(`violations: ${soak.violations.length}`);
  if (soak.violations.length === 0) removeDirectory(directory);
  else {
    keepDirectory(directory);
    console.log(`data and logs are kept in ${directory}`);
  }
  const file = given.text("json", "");
  if (file !== "")
    writeFileSync(file, `${JSON.stringify({ seed, minutes, trends, figures, samples: soak.samples })}\n`);
  if (given.has("record")) {
    const command = `npm run soak -- --minutes ${minutes} --seed ${seed}${given.chosenToo(["fault-seconds"])}`;
    const row = {
      name: "mixed load with faults",
      rounds: minutes,
      violations: soak.violations.length,
      figures,
    };
    console.log(recordRun("soak", { command, commit, seconds: Math.round(minutes * 60), rows: [row] }));
  }
  return soak.violations.length === 0 ? 0 : 1;
}

runMain(main);
