/**
 * Members of a Raft group in one process: memory twins below, a ticker that moves when the test says so. `startMember` gives a node with
 * everything that it stands on; `until` lets time pass until something is so.
 */
import { emptyLogImage, MemoryLog, type MemoryLogImage } from "../../cluster/log/memory-log.js";
import { MemorySnapshotStore } from "../../cluster/log/memory-snapshot-store.js";
import { RaftNode } from "../../cluster/node.js";
import type { Origin, RaftNodeLimits, RaftNodeOptions, Ticker } from "../../cluster/node-options.js";
import type { PeerIdentity } from "../../cluster/transport/handshake.js";
import type { MemoryNetwork } from "../../cluster/transport/memory-transport.js";
import { EMPTY_CONF_STATE, type NodeId, type Roster } from "../../cluster/types.js";
import { seededRandom } from "../../src/runtime/random.js";
import { CountingMachine } from "./counting-machine.js";

const TICK_MS = 100;

/** Ticks only when the test says so. */
export class HandTicker implements Ticker {
  #tasks = new Set<() => void>();
  #nowMs = 0;
  monotonicMs = (): number => this.#nowMs;
  nowMs = (): number => this.#nowMs;

  every(_periodMs: number, task: () => void): () => void {
    this.#tasks.add(task);
    return () => this.#tasks.delete(task);
  }

  /** In whole ticks. */
  after(delayMs: number, task: () => void): () => void {
    let left = Math.ceil(delayMs / TICK_MS);
    const cancel = this.every(TICK_MS, () => {
      left -= 1;
      if (left > 0) return;
      cancel();
      task();
    });
    return cancel;
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.#tasks.size;
  }

  tick(): void {
    this.#nowMs += TICK_MS;
    for (const task of [...this.#tasks]) task();
  }
}

export const LIMITS: RaftNodeLimits = {
  tickMs: TICK_MS,
  electionTicks: 10,
  heartbeatTicks: 1,
  messageBytesMax: 1_000,
  applyBytesMax: 10_000,
  uncommittedBytesMax: 100_000,
  inflightMessagesMax: 16,
  snapshotLogBytes: 1_000_000,
  snapshotBytesPerSecondMax: 1e9,
};

export interface Member {
  readonly id: NodeId;
  readonly node: RaftNode;
  readonly log: MemoryLog;
  readonly image: MemoryLogImage;
  readonly snapshots: MemorySnapshotStore;
  readonly machine: CountingMachine;
  readonly failures: Error[];
  readonly warnings: string[];
  start(origin?: Partial<Origin>): Promise<void>;
}

export type Overrides = Partial<RaftNodeOptions> & { readonly image?: MemoryLogImage };

/** Members that share a network and a clock. */
export class MemoryGroup {
  readonly network: MemoryNetwork;
  readonly ticker = new HandTicker();
  readonly #running = new Map<NodeId, RaftNode>();

  constructor(network: MemoryNetwork) {
    this.network = network;
  }

  member(id: NodeId, voters: readonly NodeId[], overrides: Overrides = {}): Member {
    const failures: Error[] = [];
    const warnings: string[] = [];
    const image = overrides.image ?? emptyLogImage();
    const log = (overrides.log as MemoryLog | undefined) ?? new MemoryLog(image);
    const snapshots = (overrides.snapshots as MemorySnapshotStore | undefined) ?? new MemorySnapshotStore();
    const machine = (overrides.machine as CountingMachine | undefined) ?? new CountingMachine();
    const node = new RaftNode({
      id,
      tag: tagOf(id),
      log,
      snapshots,
      machine,
      transport: this.network.join(id),
      group: 0,
      ticker: this.ticker,
      random: seededRandom(Number(id)).unit,
      limits: LIMITS,
      onWarning: (_facts, text) => warnings.push(text),
      onFailed: (error) => failures.push(error),
      ...overrides,
    });
    const start = async (origin: Partial<Origin> = {}): Promise<void> => {
      this.#running.set(id, node);
      await node.listen();
      const founding = voters.length === 0 ? null : foundersOf(voters);
      await node.start({ peer: peerOf(id), founding, contacts: new Map(), ...origin });
      this.#introduce(id, node);
    };
    return { id, node, log, image, snapshots, machine, failures, warnings, start };
  }

  /** Lets time pass until something is so. */
  async until(condition: () => boolean, what: string, turns = 5_000): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) {
      if (condition()) return;
      this.ticker.tick();
      await turnOfLoop();
    }
    throw new Error(`never: ${what}`);
  }

  /** Lets so many ticks pass. */
  async pass(ticks: number): Promise<void> {
    for (let tick = 0; tick < ticks; tick += 1) {
      this.ticker.tick();
      await turnOfLoop();
    }
  }

  /** Time passes until a promise settles; gives what it gave. */
  async settled<Result>(promise: Promise<Result>, what: string): Promise<Result> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    promise.then(over, over);
    await this.until(() => isOver, what);
    return await promise;
  }

  /** Nothing passes between a member and the others, in both directions. */
  isolate(id: NodeId, others: readonly NodeId[]): void {
    for (const other of others) {
      this.network.cut(id, other);
      this.network.cut(other, id);
    }
  }

  async stop(): Promise<void> {
    for (const node of this.#running.values()) await node.stop();
    this.#running.clear();
  }

  /** What the handshakes do where there are real connections. */
  #introduce(id: NodeId, node: RaftNode): void {
    for (const [otherId, other] of this.#running) {
      node.meet(identityOf(otherId));
      other.meet(identityOf(id));
    }
  }
}

export const CLUSTER = "cluster";
export const tagOf = (id: NodeId): string => `tag of ${id}`;
export const peerOf = (id: NodeId): string => `node-${id}:7000`;
export const leads = ({ node }: Member): boolean => node.status().role === "leader";
export const command = (text: string): Uint8Array => Buffer.from(text);

const identityOf = (id: NodeId): PeerIdentity => ({
  id,
  tag: tagOf(id),
  clusterId: CLUSTER,
  address: peerOf(id),
});

/** What founding members begin with: addresses, and tags that are not known yet. */
function foundersOf(voters: readonly NodeId[]): Origin["founding"] {
  const members: Record<NodeId, Roster["members"][string]> = {};
  for (const id of voters) members[id] = { peer: peerOf(id), tag: "", wantsVote: true };
  return { ...EMPTY_CONF_STATE, voters, roster: { clusterId: CLUSTER, members, removed: [] } };
}

/** What is readable now is read, what was put off is done. */
export async function turnOfLoop(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
