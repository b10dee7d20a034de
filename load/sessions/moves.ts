/**
 * Rounds in which a node goes away under subscribers, and in some under publishers too; they go on elsewhere, and nothing is lost,
 * doubled or out of order.
 */
import { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { median } from "../lib/statistics.js";
import { delay, waitUntil } from "../lib/support.js";
import type { Terrain } from "../lib/terrain.js";
import type { Violation } from "./audit.js";
import { Stage } from "./stage.js";

export const MOVES = ["kill-subscriber-node", "kill-leader", "both-move", "graceful"] as const;
export type Move = (typeof MOVES)[number];

export interface Conditions {
  readonly terrain: Terrain;
  readonly rounds: number;
  /** Decides victims and moments. */
  readonly random: () => number;
  readonly log: (line: string) => void;
  /** Between two publishes of one publisher at most. */
  readonly pauseMs: number;
  /** Messages that each subscriber has to get before the node goes away, and again after it has moved. */
  readonly messages: number;
}

export interface MovesReport {
  readonly rounds: number;
  readonly roundsNotRun: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly delivered: number;
  /** Deliveries at QoS 1 that came again, and may. */
  readonly again: number;
  /** From the death of a node to the acceptance of each subscriber elsewhere. */
  readonly resumesMs: readonly number[];
  readonly violations: readonly Violation[];
}

interface Places {
  readonly victim: ClusterNode;
  readonly publishers: ClusterNode;
  readonly refuge: ClusterNode;
}

const JITTER_MS = 300;
const EQUAL_TIMEOUT_MS = 60_000;
const RESUME_TIMEOUT_MS = 30_000;

/** Who goes away, who stays, and where the subscribers go. */
async function placesOf(move: Move, cluster: Cluster, random: () => number): Promise<Places> {
  const leader = await cluster.leader();
  const others = cluster.nodes.filter((node) => node !== leader);
  const choose = <T>(list: readonly T[]): T => {
    const chosen = list[Math.floor(random() * list.length)];
    if (chosen === undefined) throw new Error("there is nothing to choose from");
    return chosen;
  };
  const victim =
    move === "kill-leader" ? leader : choose(move === "kill-subscriber-node" ? others : cluster.nodes);
  const rest = cluster.nodes.filter((node) => node !== victim);
  const refuge = choose(rest);
  const publishers = move === "both-move" ? victim : (rest.find((node) => node !== refuge) ?? refuge);
  return { victim, publishers, refuge };
}

class Course {
  readonly #move: Move;
  readonly #cluster: Cluster;
  readonly #conditions: Conditions;
  readonly stage: Stage;
  readonly resumesMs: number[] = [];

  constructor(move: Move, cluster: Cluster, conditions: Conditions) {
    this.#move = move;
    this.#cluster = cluster;
    this.#conditions = conditions;
    const { random, log, pauseMs } = conditions;
    this.stage = new Stage({ cluster, random, log, pauseMs });
  }

  async begin(): Promise<void> {
    const { victim, publishers } = await placesOf(this.#move, this.#cluster, this.#conditions.random);
    await this.stage.begin(victim, publishers);
  }

  async round(number: number): Promise<void> {
    const { stage } = this;
    const { random, messages, log } = this.#conditions;
    const { victim, publishers, refuge } = await placesOf(this.#move, this.#cluster, random);
    const before = stage.delivered;
    const acknowledgedBefore = stage.ledger.acknowledged;
    await stage.seat(victim, publishers);
    stage.startLoad();
    await stage.waitForDelivered(messages);
    await delay(random() * JITTER_MS);
    const resumesMs = await this.#takeAway(victim, refuge, publishers === victim ? refuge : publishers);
    await stage.waitForDelivered(messages);
    await stage.stopLoad();
    await victim.start();
    const behind = await this.#cluster.waitUntilEqual(EQUAL_TIMEOUT_MS);
    if (behind !== null) stage.report("stuck", behind);
    await stage.check();
    const after = stage.delivered;
    this.resumesMs.push(...resumesMs);
    log(
      `  round ${number}: node ${victim.id} went away, subscribers to ${refuge.id}: ` +
        `${stage.ledger.acknowledged - acknowledgedBefore} acknowledged, ` +
        `${after.messages - before.messages} delivered, ${after.again - before.again} again at QoS 1, ` +
        `resumed after ${median(resumesMs).toFixed(0)} ms, the last after ${Math.max(...resumesMs).toFixed(0)} ms`,
    );
  }

  /** Resolves with how long each subscriber was away. */
  async #takeAway(
    victim: ClusterNode,
    refuge: ClusterNode,
    publishers: ClusterNode,
  ): Promise<readonly number[]> {
    const { stage } = this;
    await stage.nextPlace(refuge, publishers);
    const goneAtMs = performance.now();
    if (this.#move === "graceful") {
      const code = await victim.stop();
      if (code !== 0) stage.report("stuck", `node ${victim.id} ended with ${code} at SIGTERM`);
    } else await victim.kill();
    const seats = stage.subscribers.map(({ seat }) => seat);
    await waitUntil(() => seats.every((seat) => seat.home === refuge), RESUME_TIMEOUT_MS, 5);
    for (const seat of seats) {
      if (seat.home !== refuge) stage.report("late", `${seat.name} was not let in at node ${refuge.id}`);
    }
    return seats.map((seat) => seat.connectedAtMs - goneAtMs);
  }
}

/** Ends with the first round that violates something, or that cannot be carried through, which is a violation too. */
export async function runMoves(move: Move, conditions: Conditions): Promise<MovesReport> {
  const cluster = await Cluster.start({ size: 3, terrain: conditions.terrain });
  const course = new Course(move, cluster, conditions);
  const { stage } = course;
  let done = 0;
  try {
    await course.begin();
    while (done < conditions.rounds && stage.violations.length === 0) {
      await course.round(done + 1);
      done += 1;
    }
  } catch (error) {
    stage.report("stuck", error instanceof Error ? error.message : String(error));
  } finally {
    await stage.close();
    await cluster.close();
  }
  const { messages: delivered, again } = stage.delivered;
  return {
    ...{ rounds: done, roundsNotRun: conditions.rounds - done, delivered, again },
    acknowledged: stage.ledger.acknowledged,
    refused: stage.ledger.refused,
    resumesMs: course.resumesMs,
    violations: stage.violations,
  };
}
