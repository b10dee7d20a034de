/**
 * Clients with kept sessions in the middle of the faults: subscribers and publishers at QoS 1 and 2 of both versions that wander from node
 * to node while the load is on, with a goodbye or without one, and never give a message up. Everything is checked when it is off.
 */
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { delay } from "../lib/support.js";
import type { Seat } from "../sessions/seat.js";
import { Stage } from "../sessions/stage.js";

export interface CrewOptions {
  readonly cluster: Cluster;
  readonly random: () => number;
  /** Between two looks of a publisher at whether it may publish. */
  readonly pauseMs?: number;
  /** Hears of every violation. */
  readonly report: (detail: string) => void;
}

const PAUSE_MS = 25;
const WINDOW = 4;
/** How long one stays at a node. */
const STAY_MS = { min: 500, max: 4_000 } as const;
const POLITE_CHANCE = 0.3;

export class Crew {
  readonly #stage: Stage;
  readonly #options: CrewOptions;
  readonly #seats: Seat[] = [];
  #isWandering = false;
  #wanderers: Promise<unknown> = Promise.resolve();

  constructor(options: CrewOptions) {
    this.#options = options;
    const { cluster, random, pauseMs = PAUSE_MS } = options;
    this.#stage = new Stage({ cluster, random, log: () => undefined, pauseMs, window: WINDOW });
  }

  /** Everybody connects for the first time, and subscribes. */
  async begin(): Promise<void> {
    const [first, second = first] = this.#options.cluster.running;
    if (first === undefined || second === undefined) throw new Error("no node runs");
    await this.#stage.begin(first, second);
    const next = (): ClusterNode | undefined => this.#anyNode();
    for (const { seat } of this.#stage.subscribers) {
      seat.roam(next);
      this.#seats.push(seat);
    }
    for (const publisher of this.#stage.publishers) {
      const seat = publisher.roam(next);
      if (seat !== null) this.#seats.push(seat);
    }
  }

  #anyNode(): ClusterNode | undefined {
    const nodes = this.#options.cluster.running.filter(({ paused }) => !paused);
    return nodes[Math.floor(this.#options.random() * nodes.length)];
  }

  startLoad(): void {
    this.#isWandering = true;
    this.#stage.startLoad();
    this.#wanderers = Promise.all(this.#seats.map((seat) => this.#wander(seat)));
  }

  async #wander(seat: Seat): Promise<void> {
    const { random } = this.#options;
    while (this.#isWandering) {
      await delay(STAY_MS.min + random() * (STAY_MS.max - STAY_MS.min));
      if (this.#isWandering) seat.hop(random() < POLITE_CHANCE);
    }
  }

  /** Nobody moves any more; resolves when all publishes are answered. */
  async stopLoad(): Promise<void> {
    this.#isWandering = false;
    await this.#wanderers;
    await this.#stage.stopLoad();
  }

  /** With the load off and all nodes running: nothing is missing, doubled at QoS 2, or out of order. */
  async check(when: string): Promise<void> {
    await this.#stage.check();
    for (const { kind, detail } of this.#stage.violations.splice(0)) {
      this.#options.report(`${when}: sessions: ${kind}: ${detail}`);
    }
  }

  /** Those that listen say goodbye, and their sessions wait; `back` brings them again. */
  away(): () => void {
    let mayCome = false;
    const next = (): ClusterNode | undefined => (mayCome ? this.#anyNode() : undefined);
    for (const { seat } of this.#stage.subscribers) {
      seat.roam(next);
      seat.hop(true);
    }
    return () => {
      mayCome = true;
    };
  }

  get figures(): Readonly<Record<string, number>> {
    const { ledger, delivered } = this.#stage;
    return {
      sessionPublishes: ledger.acknowledged,
      sessionDeliveries: delivered.messages,
      sessionRepeatsAtQos1: delivered.again,
      sessionsResumed: this.#seats.reduce((sum, { resumed }) => sum + resumed, 0),
    };
  }

  close(): Promise<void> {
    this.#isWandering = false;
    return this.#stage.close();
  }
}
