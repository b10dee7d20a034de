/**
 * A cluster under load and under watch: publishers and subscribers on all nodes, a history of what was acknowledged, and a
 * complete check of every node from outside whenever the load has been stopped.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  checkSameOrder,
  checkSameStore,
  checkStore,
  checkStream,
  type Stored,
  type StoredTopics,
  type Violation,
  type ViolationKind,
} from "../crash/checker.js";
import { Follower } from "../crash/follower.js";
import { History } from "../crash/history.js";
import { batchPublisher, httpPublisher, mqttPublisher, type Publisher } from "../crash/publishers.js";
import { readStored } from "../crash/stored.js";
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { HttpConnection, topicPath } from "../lib/http-client.js";
import { delay, waitUntil } from "../lib/support.js";
import { type Stall, StallMeter } from "./stall-meter.js";

export const LOAD_TOPICS = ["faults/a", "faults/b", "faults/c/deep/er", "faults/praça"];
const FILTER = "faults/#";
const EXACT_TOPIC = "faults/praça";
const BATCH_SIZE = 5;
const MQTT_WINDOW = 5;
const RECONNECT_MS = 50;
const REFUSED_PAUSE_MS = 50;
/** A publish is answered within 10 s, whatever happens; then its publisher stops. */
const STOP_TIMEOUT_MS = 30_000;
const VIOLATIONS_SHOWN = 20;
const EQUAL_TIMEOUT_MS = 60_000;
const CATCH_UP_TIMEOUT_MS = 60_000;

export interface TrialOptions {
  readonly cluster: Cluster;
  readonly log: (line: string) => void;
  /** Between an answer and the same publisher's next publish. */
  readonly pauseMs: number;
}

interface Seat {
  readonly publisher: Publisher;
  readonly home: number;
}

interface Audience {
  readonly follower: Follower;
  readonly home: number;
}

export class Trial {
  readonly cluster: Cluster;
  readonly violations: Violation[] = [];
  readonly history: History;
  readonly #options: TrialOptions;
  readonly #meter = new StallMeter();
  /** The node that each publisher is connected to. */
  readonly #whereabouts = new Map<string, number>();
  #seats: Seat[] = [];
  #followers: Audience[] = [];
  /** What was read of each node so far. */
  readonly #stores = new Map<number, Map<string, Stored[]>>();
  readonly #extraTopics = new Map<string, number>();
  #load: Promise<void>[] = [];
  #publishing = false;
  readonly #ownDelay = monitorEventLoopDelay({ resolution: 10 });
  #ownDelayMs = 0;

  constructor(options: TrialOptions) {
    this.#options = options;
    this.cluster = options.cluster;
    this.history = new History(({ publisher }) => {
      const node = this.#whereabouts.get(publisher);
      if (node !== undefined) this.#meter.acknowledged(performance.now(), node);
    });
  }

  /** Subscribers and publishers of a node that has none yet. */
  async attend(node: ClusterNode): Promise<void> {
    const addresses = (): ClusterNode["http"][] => this.cluster.running.map(({ http }) => http);
    const seat = this.cluster.running.indexOf(node);
    const [all, exact] = [`${topicPath(FILTER)}/stream`, `${topicPath(EXACT_TOPIC)}/stream`];
    // One who joins late begins at the beginning: everybody has to end with the same.
    const from = this.history.attempted === 0 ? "" : "?from=earliest";
    const followers = [
      new Follower(`subscriber of ${FILTER} at ${node.id}`, addresses, `${all}${from}`, null, seat),
      new Follower(
        `subscriber of ${EXACT_TOPIC} at ${node.id}`,
        addresses,
        `${exact}${from}`,
        EXACT_TOPIC,
        seat,
      ),
    ];
    for (const follower of followers) await follower.start();
    this.#followers.push(...followers.map((follower) => ({ follower, home: node.id })));
    const publishers = [
      httpPublisher(`http-${node.id}a`, node.id),
      httpPublisher(`http-${node.id}b`, node.id + 1),
      batchPublisher(`batch-${node.id}`, node.id, BATCH_SIZE),
      mqttPublisher(`mqtt-${node.id}`, node.id, MQTT_WINDOW),
    ];
    const seats = publishers.map((publisher) => ({ publisher, home: node.id }));
    this.#seats.push(...seats);
    if (this.#publishing) this.#load.push(...seats.map((seat) => this.#roam(seat)));
  }

  async attendAll(): Promise<void> {
    for (const node of this.cluster.nodes) await this.attend(node);
  }

  /** A topic that somebody else fills and that is checked with the others; its pages are of `pageLimit` records. */
  include(topic: string, pageLimit: number): void {
    this.#extraTopics.set(topic, pageLimit);
  }

  /** Lets all publishers publish, each from its own node while that is there. */
  startLoad(): void {
    if (this.#publishing) throw new Error("the load is on already");
    this.#publishing = true;
    this.#load = this.#seats.map((seat) => this.#roam(seat));
  }

  async #roam({ publisher, home }: Seat): Promise<void> {
    const goOn = (): boolean => this.#publishing;
    const plan = {
      ...{ history: this.history, topics: LOAD_TOPICS, goOn },
      ...{ pauseMs: this.#options.pauseMs, refusedPauseMs: REFUSED_PAUSE_MS },
    };
    let node = this.cluster.nodes.find(({ id }) => id === home) ?? this.#next(home);
    while (this.#publishing) {
      if (node !== undefined) {
        this.#whereabouts.set(publisher.name, node.id);
        await publisher.run(node, plan);
        this.#whereabouts.delete(publisher.name);
      }
      if (!this.#publishing) return;
      await delay(RECONNECT_MS);
      node = this.#next(node?.id ?? home);
    }
  }

  /** The running node with the next higher id, round and round. */
  #next(id: number): ClusterNode | undefined {
    const { running } = this.cluster;
    return running.find((node) => node.id > id) ?? running[0];
  }

  /** Stops the load; resolves when everything is answered or will never be. */
  async stopLoad(): Promise<void> {
    this.#publishing = false;
    const load = Promise.all(this.#load);
    const timer = delay(STOP_TIMEOUT_MS).then(() => "late");
    if ((await Promise.race([load, timer])) === "late") {
      const names = [...this.#whereabouts].map(([name, node]) => `${name} at node ${node}`);
      this.report("stuck", `unanswered after ${STOP_TIMEOUT_MS} ms: ${names.join(", ")}`);
      await load;
    }
  }

  /** Watches for the longest time without an acknowledgement; `nodes` are watched one by one too. */
  beginStall(nodes: readonly ClusterNode[]): void {
    this.#meter.begin(
      performance.now(),
      nodes.map(({ id }) => id),
    );
    this.#ownDelay.reset();
    this.#ownDelay.enable();
  }

  endStall(): Stall {
    this.#ownDelay.disable();
    this.#ownDelayMs = Math.max(this.#ownDelayMs, this.#ownDelay.max / 1e6);
    return this.#meter.end(performance.now());
  }

  /** The longest time that this program itself stood still while it watched: a stall is not known better than that. */
  get ownDelayMs(): number {
    return this.#ownDelayMs;
  }

  /** Waits for so many more acknowledgements. */
  async waitForAcknowledged(count: number, timeoutMs = 60_000): Promise<void> {
    const due = this.history.acknowledgedCount + count;
    if (await waitUntil(() => this.history.acknowledgedCount >= due, timeoutMs)) return;
    const had = this.history.acknowledgedCount;
    throw new Error(`${had} of ${due} publishes were acknowledged within ${timeoutMs} ms`);
  }

  report(kind: ViolationKind, detail: string): void {
    this.violations.push({ kind, detail });
    if (this.violations.length <= VIOLATIONS_SHOWN) this.#options.log(`  violation: ${kind}: ${detail}`);
  }

  /** With the load stopped and all nodes running: every node and every subscriber has everything, once, in one order. */
  async check(when: string): Promise<void> {
    const behind = await this.cluster.waitUntilEqual(EQUAL_TIMEOUT_MS);
    if (behind !== null) {
      this.report("stuck", `${when}: ${behind}`);
      return;
    }
    const found: Violation[] = [];
    for (const node of this.cluster.nodes) {
      const store = await this.#read(node);
      found.push(...named(`node ${node.id}`, checkStore(this.history, store)));
    }
    const [first, ...others] = this.cluster.nodes;
    for (const other of others) {
      const pair = `nodes ${first?.id} and ${other.id}`;
      found.push(...checkSameStore(pair, this.#storeOf(first), this.#storeOf(other)));
    }
    found.push(...(await this.#checkFollowers(this.#storeOf(first))));
    for (const { kind, detail } of found) this.report(kind, `${when}: ${detail}`);
    this.#dismiss();
  }

  /** Publishers and subscribers whose home belongs no more have been checked a last time. */
  #dismiss(): void {
    const belongs = ({ home }: { readonly home: number }): boolean =>
      this.cluster.nodes.some(({ id }) => id === home);
    this.#seats = this.#seats.filter(belongs);
    for (const { follower } of this.#followers.filter((one) => !belongs(one))) follower.stop();
    this.#followers = this.#followers.filter(belongs);
  }

  /** Forgets what was read, so that the next check reads every node from its first message. */
  forgetReadings(): void {
    this.#stores.clear();
  }

  #storeOf(node: ClusterNode | undefined): StoredTopics {
    return this.#stores.get(node?.id ?? 0) ?? new Map();
  }

  /** Reads on from where the last reading of this node ended. */
  async #read(node: ClusterNode): Promise<StoredTopics> {
    const store = this.#stores.get(node.id) ?? new Map<string, Stored[]>();
    this.#stores.set(node.id, store);
    const connection = new HttpConnection(node.http);
    try {
      for (const topic of [...LOAD_TOPICS, ...this.#extraTopics.keys()]) {
        const stored = store.get(topic) ?? [];
        store.set(topic, stored);
        await readStored(connection, topic, stored, this.#extraTopics.get(topic));
      }
    } finally {
      connection.close();
    }
    return store;
  }

  async #checkFollowers(store: StoredTopics): Promise<Violation[]> {
    const found: Violation[] = [];
    const ofFilter = new Map(LOAD_TOPICS.map((topic) => [topic, store.get(topic) ?? []]));
    const ofTopic = new Map([[EXACT_TOPIC, store.get(EXACT_TOPIC) ?? []]]);
    for (const { follower } of this.#followers) {
      const topics = follower.topic === null ? ofFilter : ofTopic;
      const due = [...topics.values()].reduce((sum, stored) => sum + stored.length, 0);
      await waitUntil(() => follower.seen.length >= due || follower.gaveUp, CATCH_UP_TIMEOUT_MS);
      found.push(...checkStream(this.history, follower.name, follower.seen, topics));
      found.push(...follower.takeComplaints());
    }
    const ofAll = this.#followers.map(({ follower }) => follower).filter(({ topic }) => topic === null);
    const [first, ...others] = ofAll;
    for (const other of others) {
      found.push(...checkSameOrder(`${first?.name}, ${other.name}`, first?.seen ?? [], other.seen));
    }
    return found;
  }

  /** Ends publishers and subscribers; the cluster is its owner's. */
  async close(): Promise<void> {
    this.#publishing = false;
    for (const { follower } of this.#followers) follower.stop();
    await this.cluster.close();
    await Promise.all(this.#load);
  }
}

function named(who: string, violations: readonly Violation[]): Violation[] {
  return violations.map(({ kind, detail }) => ({ kind, detail: `${who}: ${detail}` }));
}
