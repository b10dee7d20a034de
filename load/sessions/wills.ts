/**
 * A node that dies with a thousand clients on it whose wills are the only trace of them: each is published once, soon, whatever their
 * keep-alive (none of them has one); those who said goodbye before leave none.
 */

import { Cluster } from "../lib/cluster.js";
import type { ClusterNode } from "../lib/cluster-node.js";
import { inParallel } from "../lib/drain-socket.js";
import { HttpConnection } from "../lib/http-client.js";
import { delay, waitUntil } from "../lib/support.js";
import type { Terrain } from "../lib/terrain.js";
import type { Violation, ViolationKind } from "./audit.js";
import { ClientStore } from "./client-store.js";
import { type Level, StrictClient } from "./strict-client.js";

export interface WillConditions {
  readonly terrain: Terrain;
  readonly rounds: number;
  readonly random: () => number;
  readonly log: (line: string) => void;
  /** Clients that die with their node. */
  readonly clients: number;
}

export interface WillsReport {
  readonly rounds: number;
  readonly roundsNotRun: number;
  /** From the death of the node to the first and to the last will, of each round. */
  readonly firstMs: readonly number[];
  readonly lastMs: readonly number[];
  readonly wills: number;
  readonly violations: readonly Violation[];
}

/** What the project promises. */
const WITHIN_MS = 5_000;
/** What is published twice is so soon after the first. */
const QUIET_MS = 2_000;
const TIMEOUT_MS = 30_000;
const WIDTH = 50;
/** One in so many says goodbye before. */
const POLITE_EACH = 20;

/** Hears all wills on one node; how often each came, and when first. */
class Watcher {
  readonly heardAtMs = new Map<string, number>();
  readonly again: string[] = [];

  async begin(node: ClusterNode, name: string, filter: string): Promise<void> {
    const { client } = await StrictClient.open(
      node.mqtt,
      { clientId: name, level: 5, clean: true, kept: false },
      new ClientStore(),
      {
        onMessage: (payload) => {
          if (this.heardAtMs.has(payload)) this.again.push(payload);
          else this.heardAtMs.set(payload, performance.now());
        },
      },
    );
    await client.subscribe([filter], 1);
  }
}

/** Waits until a node knows that a client is gone. */
async function closed(node: ClusterNode, clientId: string): Promise<void> {
  const connection = new HttpConnection(node.http);
  try {
    const deadlineMs = performance.now() + TIMEOUT_MS;
    while (performance.now() < deadlineMs) {
      const { status, body } = await connection.ask("GET", `/sessions/${clientId}`);
      if (status === 404 || JSON.parse(body).connected === false) return;
      await delay(10);
    }
  } finally {
    connection.close();
  }
  throw new Error(`${clientId} said goodbye, and is still connected`);
}

class WillsCourse {
  readonly violations: Violation[] = [];
  readonly firstMs: number[] = [];
  readonly lastMs: number[] = [];
  wills = 0;
  readonly #cluster: Cluster;
  readonly #conditions: WillConditions;

  constructor(cluster: Cluster, conditions: WillConditions) {
    this.#cluster = cluster;
    this.#conditions = conditions;
  }

  report(kind: ViolationKind, detail: string): void {
    this.violations.push({ kind, detail });
    this.#conditions.log(`  violation: ${kind}: ${detail}`);
  }

  async #connectAll(node: ClusterNode, round: number, count: number): Promise<StrictClient[]> {
    const clients: StrictClient[] = [];
    await inParallel(count, WIDTH, async (at) => {
      const level: Level = at % 2 === 0 ? 4 : 5;
      const will = { topic: `wills/${round}/${at % 7}`, payload: `will-${round}-${at}`, qos: 1 as const };
      // Every third has a session that goes on: its will comes all the same.
      const options = { clientId: `mortal-${round}-${at}`, level, clean: true, kept: at % 3 === 0, will };
      const { client } = await StrictClient.open(node.mqtt, options, new ClientStore());
      clients[at] = client;
    });
    return clients;
  }

  async round(number: number): Promise<void> {
    const { clients: count, random, log } = this.#conditions;
    const { nodes } = this.#cluster;
    const victim = nodes[Math.floor(random() * nodes.length)];
    if (victim === undefined) throw new Error("there are no nodes");
    const watchers: Watcher[] = [];
    for (const node of nodes.filter((one) => one !== victim)) {
      const watcher = new Watcher();
      await watcher.begin(node, `watcher-${number}-${node.id}`, `wills/${number}/#`);
      watchers.push(watcher);
    }
    const clients = await this.#connectAll(victim, number, count);
    const polite = clients.filter((_, at) => at % POLITE_EACH === 0);
    for (const client of polite) client.disconnect();
    await waitUntil(() => polite.every((client) => !client.isOpen), TIMEOUT_MS);
    // Nothing answers DISCONNECT: only the group can say that it knows.
    const survivor = nodes.find((one) => one !== victim) ?? victim;
    for (let at = 0; at < count; at += POLITE_EACH) await closed(survivor, `mortal-${number}-${at}`);
    const due = count - polite.length;
    const killedAtMs = performance.now();
    await victim.kill();
    await waitUntil(() => watchers.every(({ heardAtMs }) => heardAtMs.size >= due), TIMEOUT_MS, 5);
    await delay(QUIET_MS);
    for (const watcher of watchers) this.#judge(watcher, due, killedAtMs, number);
    await victim.start();
    await this.#cluster.leader();
    this.wills += due;
    const [first, last] = [this.firstMs.at(-1) ?? Number.NaN, this.lastMs.at(-1) ?? Number.NaN];
    log(
      `  round ${number}: node ${victim.id} died, ${due} wills, the first after ${first.toFixed(0)} ms, the last after ${last.toFixed(0)} ms`,
    );
  }

  #judge({ heardAtMs, again }: Watcher, due: number, killedAtMs: number, round: number): void {
    const times = [...heardAtMs.values()].map((ms) => ms - killedAtMs);
    const last = Math.max(...times);
    this.firstMs.push(Math.min(...times));
    this.lastMs.push(last);
    const mine = [...heardAtMs.keys()].filter((payload) => payload.startsWith(`will-${round}-`));
    if (mine.length < due) this.report("lost", `${due - mine.length} of ${due} wills did not come`);
    const polite = mine.filter((payload) => Number(payload.split("-")[2]) % POLITE_EACH === 0);
    if (polite.length > 0) this.report("phantom", `${polite.join(", ")}: said goodbye, and left a will`);
    if (again.length > 0) this.report("doubled", `${again.slice(0, 5).join(", ")} came twice`);
    if (last > WITHIN_MS) this.report("late", `the last will came after ${last.toFixed(0)} ms`);
  }
}

/** Ends with the first round that violates something, or that cannot be carried through, which is a violation too. */
export async function runWills(conditions: WillConditions): Promise<WillsReport> {
  const cluster = await Cluster.start({ size: 3, terrain: conditions.terrain });
  const course = new WillsCourse(cluster, conditions);
  let done = 0;
  try {
    while (done < conditions.rounds && course.violations.length === 0) {
      await course.round(done + 1);
      done += 1;
    }
  } catch (error) {
    course.report("stuck", error instanceof Error ? error.message : String(error));
  } finally {
    await cluster.close();
  }
  const { firstMs, lastMs, wills, violations } = course;
  return { rounds: done, roundsNotRun: conditions.rounds - done, firstMs, lastMs, wills, violations };
}
