/** The clients of a round and where they are: subscribers on one node, publishers on another, all with sessions that outlive a node. */
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { delay, waitUntil } from "../lib/support.js";
import { Ledger, type Violation, type ViolationKind } from "./audit.js";
import { httpPublisher, mqttPublisher, type Publisher } from "./publisher.js";
import { Subscriber } from "./subscriber.js";

export interface StageOptions {
  readonly cluster: Cluster;
  readonly random: () => number;
  readonly log: (line: string) => void;
  readonly pauseMs: number;
  /** Publishes under way at most, of each publisher. */
  readonly window?: number;
}

const TOPIC = "sessions/load/a";
const WINDOW = 20;
const ACK_DELAY_MS_MAX = 4;
const VIOLATIONS_SHOWN = 20;
const DELIVERED_TIMEOUT_MS = 60_000;
/** After the last message is there: what comes twice comes at once behind it. */
const QUIET_MS = 300;

export class Stage {
  readonly violations: Violation[] = [];
  readonly ledger = new Ledger();
  readonly subscribers: readonly Subscriber[];
  readonly publishers: readonly Publisher[];
  readonly #log: (line: string) => void;

  constructor({ random, log, pauseMs, window = WINDOW }: StageOptions) {
    this.#log = log;
    const report = ({ kind, detail }: Violation): void => this.report(kind, detail);
    const ackDelayMs = (): number => Math.floor(random() * ACK_DELAY_MS_MAX);
    const overlapping = ["sessions/#", "sessions/+/a"];
    const subscriber = (name: string, level: 4 | 5, qos: 1 | 2, filters: readonly string[]): Subscriber =>
      new Subscriber({ name, level, qos, filters, ackDelayMs }, this.ledger, report);
    this.subscribers = [
      subscriber("sub-311-qos1", 4, 1, ["sessions/load/+"]),
      subscriber("sub-5-qos1", 5, 1, overlapping),
      subscriber("sub-311-qos2", 4, 2, overlapping),
      subscriber("sub-5-qos2", 5, 2, [TOPIC]),
    ];
    const load = { ledger: this.ledger, topic: TOPIC, pauseMs, report };
    const publisher = (name: string, level: 4 | 5, qos: 1 | 2): Publisher =>
      mqttPublisher({ name, level, qos, window }, load);
    this.publishers = [
      publisher("pub-311-qos1", 4, 1),
      publisher("pub-5-qos1", 5, 1),
      publisher("pub-311-qos2", 4, 2),
      publisher("pub-5-qos2", 5, 2),
      httpPublisher("pub-http", load),
    ];
  }

  report(kind: ViolationKind, detail: string): void {
    this.violations.push({ kind, detail });
    if (this.violations.length <= VIOLATIONS_SHOWN) this.#log(`  violation: ${kind}: ${detail}`);
  }

  /** Everybody connects, and subscribes. */
  async begin(subscribersAt: ClusterNode, publishersAt: ClusterNode): Promise<void> {
    for (const subscriber of this.subscribers) await subscriber.begin(subscribersAt);
    await Promise.all(this.publishers.map((publisher) => publisher.settle(publishersAt, true)));
  }

  /** Everybody moves to a new place in peace, saying goodbye to the old one. */
  async seat(subscribersAt: ClusterNode, publishersAt: ClusterNode): Promise<void> {
    await Promise.all([
      ...this.subscribers.map(({ seat }) => seat.settle(subscribersAt, true)),
      ...this.publishers.map((publisher) => publisher.settle(publishersAt, true)),
    ]);
  }

  /** Where clients go when their connection breaks. */
  async nextPlace(subscribersAt: ClusterNode, publishersAt: ClusterNode): Promise<void> {
    for (const { seat } of this.subscribers) await seat.settle(subscribersAt, false);
    for (const publisher of this.publishers) await publisher.settle(publishersAt, false);
  }

  startLoad(): void {
    for (const publisher of this.publishers) publisher.start();
  }

  async stopLoad(): Promise<void> {
    const stopped = await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    for (const [at, isDone] of stopped.entries()) {
      if (!isDone) this.report("stuck", `${this.publishers[at]?.name} has publishes without an answer`);
    }
  }

  /** Waits until every subscriber has got so many more messages. */
  async waitForDelivered(count: number): Promise<void> {
    const due = this.subscribers.map(({ audit }) => audit.delivered + count);
    const isThere = (): boolean =>
      this.subscribers.every(({ audit }, at) => audit.delivered >= (due[at] ?? 0));
    if (await waitUntil(isThere, DELIVERED_TIMEOUT_MS)) return;
    const had = this.subscribers.map(({ seat, audit }) => `${seat.name} ${audit.delivered}`);
    throw new Error(
      `${count} more messages did not come within ${DELIVERED_TIMEOUT_MS} ms: ${had.join(", ")}`,
    );
  }

  /** With the load stopped: what was acknowledged is with every subscriber. */
  async check(): Promise<void> {
    const missing = (): boolean => this.subscribers.some(({ audit }) => audit.missing > 0);
    await waitUntil(() => !missing(), DELIVERED_TIMEOUT_MS, 50);
    await delay(QUIET_MS);
    for (const { audit } of this.subscribers) audit.close();
    for (const key of this.ledger.unsettled) this.report("stuck", `${key} has no answer`);
  }

  /** Messages delivered, without those that came again; and those. */
  get delivered(): { readonly messages: number; readonly again: number } {
    const sum = (figure: (subscriber: Subscriber) => number): number =>
      this.subscribers.reduce((total, subscriber) => total + figure(subscriber), 0);
    return { messages: sum(({ audit }) => audit.delivered), again: sum(({ audit }) => audit.again) };
  }

  async close(): Promise<void> {
    await Promise.all(this.publishers.map((publisher) => publisher.leave()));
    await Promise.all(this.subscribers.map(({ seat }) => seat.leave()));
  }
}
