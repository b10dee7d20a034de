/**
 * One fault after another, by chance: kill, pause, restart, a cut where there is something to cut, and now and then a member that comes back
 * without its disk. The first node is never restarted: what a process gathers in an hour shows in it.
 */
import { rm } from "node:fs/promises";
import { lastCode } from "../faults/members.js";
import type { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { delay, waitUntil } from "../lib/support.js";
import type { Cut } from "../lib/terrain.js";

export const FAULT_KINDS = ["kill", "pause", "restart", "cut", "wipe"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface FaultOptions {
  readonly cluster: Cluster;
  readonly random: () => number;
  readonly canCut: boolean;
  readonly report: (detail: string) => void;
  readonly log: (line: string) => void;
  /** A node has been started. */
  readonly onStarted: (node: ClusterNode) => void;
}

/** The one that lives through it all. */
export const LASTING_NODE = 1;
const HOLD_MS = { min: 1_000, max: 8_000 } as const;
const REFUSAL_TIMEOUT_MS = 30_000;
const WEIGHTS: Readonly<Record<FaultKind, number>> = { kill: 4, pause: 3, restart: 3, cut: 4, wipe: 1 };
/** A founder is refused by its peers, one that joined by whom it asks to join again. */
const WIPED_CODES: readonly string[] = ["member_wiped", "join_refused"];
const CUTS: readonly Cut[] = ["both", "hearing", "speaking"];

export class Faults {
  readonly counts: Record<FaultKind, number> = { kill: 0, pause: 0, restart: 0, cut: 0, wipe: 0 };
  readonly #options: FaultOptions;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  /** One fault, from its beginning until it has healed. */
  async strike(): Promise<void> {
    const kind = this.#choose();
    const { cluster, log } = this.#options;
    const nodes = cluster.nodes.filter(({ id }) => this.#spares(kind) || id !== LASTING_NODE);
    const victim = this.#pick(nodes);
    log(`  ${kind} of node ${victim.id}`);
    await this.#perform(kind, victim);
    this.counts[kind] += 1;
    const behind = await cluster.waitUntilEqual(REFUSAL_TIMEOUT_MS * 2);
    // Under load somebody is always an entry behind: what counts is that all answer.
    if (behind !== null && (await cluster.statuses()).length < cluster.nodes.length)
      this.#options.report(`after ${kind}: ${behind}`);
  }

  /** Whether the process lives on. */
  #spares(kind: FaultKind): boolean {
    return kind === "pause" || kind === "cut";
  }

  #choose(): FaultKind {
    const { random, canCut } = this.#options;
    const kinds = FAULT_KINDS.filter((kind) => kind !== "cut" || canCut);
    let left = random() * kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
    for (const kind of kinds) {
      left -= WEIGHTS[kind];
      if (left < 0) return kind;
    }
    return "kill";
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#options.random() * items.length)];
    if (item === undefined) throw new Error("there is nothing to choose from");
    return item;
  }

  async #perform(kind: FaultKind, victim: ClusterNode): Promise<void> {
    const { cluster, random } = this.#options;
    const holdMs = HOLD_MS.min + random() * (HOLD_MS.max - HOLD_MS.min);
    if (kind === "kill") {
      await victim.kill();
      await delay(holdMs);
      await this.#start(victim);
    } else if (kind === "pause") {
      victim.pause();
      await delay(holdMs);
      victim.resume();
    } else if (kind === "restart") {
      const code = await victim.stop();
      if (code !== 0) this.#options.report(`node ${victim.id} ended with ${code} at SIGTERM`);
      await this.#start(victim);
    } else if (kind === "cut") {
      await cluster.terrain.cut(victim.id, this.#pick(CUTS));
      await delay(holdMs);
      await cluster.terrain.heal();
    } else await this.#wipe(victim);
  }

  async #start(node: ClusterNode): Promise<void> {
    await node.start();
    this.#options.onStarted(node);
  }

  /** It is refused, and another takes its place. */
  async #wipe(victim: ClusterNode): Promise<void> {
    const { cluster, report, onStarted } = this.#options;
    await victim.kill();
    await rm(victim.place.dataDir, { recursive: true, force: true });
    const child = await victim.spawn();
    const ended = await waitUntil(() => child.ended, REFUSAL_TIMEOUT_MS);
    if (!ended) child.signal("SIGKILL");
    await child.exited;
    if (!ended || !WIPED_CODES.includes(lastCode(child.tail) ?? ""))
      report(`wiped node ${victim.id} was not refused: ${child.tail}`);
    await cluster.remove(victim.id);
    onStarted(await cluster.add());
  }
}
