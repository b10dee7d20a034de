/**
 * The network between the nodes: in order on each link, late, lossy, now and then twice, and cut one way or both. Seen from
 * here, two leaders of one term cannot hide: what only a leader sends names its term.
 */
import { decodeMessage, encodeMessage } from "../../cluster/transport/message-codec.js";
import type { PeerFrame, PeerView, Transport } from "../../cluster/transport/transport.js";
import type { NodeId } from "../../cluster/types.js";
import type { Chance } from "./chance.js";
import type { Scope } from "./event-queue.js";
import type { World } from "./world.js";

/** etcd's numbers of what only leaders send: appends and heartbeats. */
const LEADERS_WORDS: ReadonlySet<number> = new Set([3, 8]);

export class SimNetwork {
  readonly world: World;
  readonly #chance: Chance;
  readonly #encode: boolean;
  readonly #up = new Map<NodeId, SimTransport>();
  readonly #cut = new Set<string>();
  /** When the newest frame of a link arrives: no later one comes before it. */
  readonly #busyUntilMs = new Map<string, number>();
  readonly #leaderOf = new Map<number, NodeId>();
  lossChance = 0;
  twiceChance = 0;
  delayMs = 1;

  constructor(world: World, encode: boolean) {
    this.world = world;
    this.#chance = world.chance.stream("network");
    this.#encode = encode;
  }

  join(id: NodeId, scope: Scope): Transport {
    return new SimTransport(this, id, scope);
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Every link works, and well. */
  heal(): void {
    this.#cut.clear();
    this.lossChance = 0;
    this.twiceChance = 0;
    this.delayMs = 1;
  }

  /** `id` acts as the leader of a term. */
  leads(term: number, id: NodeId): void {
    const known = this.#leaderOf.get(term);
    if (known === undefined) {
      this.#leaderOf.set(term, id);
      this.world.tell(`n${id}`, `leads term ${term}`);
    } else this.world.check(known === id, () => `term ${term} has two leaders, ${known} and ${id}`);
  }

  started(id: NodeId, transport: SimTransport): void {
    this.#up.set(id, transport);
  }

  stopped(id: NodeId, transport: SimTransport): void {
    if (this.#up.get(id) === transport) this.#up.delete(id);
  }

  /** Whether a peer can be heard now. */
  hears(from: NodeId, to: NodeId): boolean {
    return this.#up.get(from)?.scope.alive === true && !this.#cut.has(`${from}>${to}`);
  }

  carry(from: SimTransport, to: NodeId, frame: PeerFrame): void {
    if (frame.kind === "raft" && LEADERS_WORDS.has(frame.message.kind))
      this.leads(frame.message.term, from.id);
    const link = `${from.id}>${to}`;
    const target = this.#up.get(to);
    if (target === undefined || !target.scope.alive) {
      if (this.#chance.of(0.5)) this.world.after(0, () => from.unreachable(to), from.scope);
      return;
    }
    const times = this.#chance.of(this.twiceChance) ? 2 : 1;
    for (let i = 0; i < times; i += 1) this.#deliver(link, from.id, target, this.#onWire(frame));
  }

  #deliver(link: string, from: NodeId, target: SimTransport, frame: PeerFrame): void {
    if (this.#chance.of(this.lossChance)) return;
    const asap = this.world.nowMs + this.#chance.around(this.delayMs);
    const arrivalMs = Math.max(asap, this.#busyUntilMs.get(link) ?? 0);
    this.#busyUntilMs.set(link, arrivalMs);
    const arrive = (): void => {
      if (!this.#cut.has(link)) target.receive(from, frame);
    };
    this.world.after(arrivalMs - this.world.nowMs, arrive, target.scope);
  }

  #onWire(frame: PeerFrame): PeerFrame {
    if (!this.#encode || frame.kind !== "raft") return frame;
    return { ...frame, message: decodeMessage(encodeMessage(frame.message)) };
  }
}

export class SimTransport implements Transport {
  readonly id: NodeId;
  readonly scope: Scope;
  readonly #network: SimNetwork;
  #started = false;
  #peers: ReadonlyMap<NodeId, string> = new Map();
  receive: (from: NodeId, frame: PeerFrame) => void = () => undefined;
  unreachable: (peer: NodeId) => void = () => undefined;

  constructor(network: SimNetwork, id: NodeId, scope: Scope) {
    this.#network = network;
    this.id = id;
    this.scope = scope;
  }

  send(to: NodeId, frame: PeerFrame): void {
    if (this.#started && this.scope.alive) this.#network.carry(this, to, frame);
  }

  onFrame(receiver: (from: NodeId, frame: PeerFrame) => void): void {
    this.receive = (from, frame) => {
      if (this.#started) receiver(from, frame);
    };
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    this.#peers = peers;
  }

  peers(): readonly PeerView[] {
    return [...this.#peers]
      .filter(([id]) => id !== this.id)
      .map(([id, address]) => ({ id, address, isAlive: this.#network.hears(id, this.id) }));
  }

  onUnreachable(listener: (peer: NodeId) => void): void {
    this.unreachable = listener;
  }

  async start(): Promise<void> {
    this.#started = true;
    this.#network.started(this.id, this);
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#network.stopped(this.id, this);
  }
}
