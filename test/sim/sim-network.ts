/**
 * The network between the nodes: late, lossy, now and then twice, and cut one way or both. Each way keeps its order, as TCP does, but
 * for Raft's own frames, which may be told to overtake each other: Raft does not ask for more. Seen from here, two leaders of one term cannot hide: what only a leader sends names its term.
 */
import { decodeMessage, encodeMessage } from "../../cluster/transport/message-codec.js";
import type { PeerFrame } from "../../cluster/transport/transport.js";
import type { NodeId } from "../../cluster/types.js";
import type { Chance } from "./chance.js";
import type { Scope } from "./event-queue.js";
import { type Door, SimTransport } from "./sim-transport.js";
import type { World } from "./world.js";

/** etcd's numbers of what only leaders send: appends and heartbeats. */
const LEADERS_WORDS: ReadonlySet<number> = new Set([3, 8]);

export class SimNetwork {
  readonly world: World;
  readonly chance: Chance;
  readonly tickMs: number;
  readonly #encode: boolean;
  readonly #up = new Map<NodeId, SimTransport>();
  readonly #cut = new Set<string>();
  /** When the newest of what went one way arrives: nothing later comes before it. */
  readonly #busyUntilMs = new Map<string, number>();
  readonly #leaderOf = new Map<number, NodeId>();
  /** Told who leads, when it speaks for the first time in its term: nothing of that has arrived anywhere. */
  onLeader: (id: NodeId) => void = () => undefined;
  lossChance = 0;
  twiceChance = 0;
  /** Of Raft's frames, how many those that follow overtake. */
  overtakenChance = 0;
  delayMs = 1;

  /** `tickMs`: of the group, whose multiples the times of links are. */
  constructor(world: World, encode: boolean, tickMs: number) {
    this.world = world;
    this.tickMs = tickMs;
    this.chance = world.chance.stream("network");
    this.#encode = encode;
  }

  join(id: NodeId, scope: Scope, door: Door): SimTransport {
    return new SimTransport(this, id, scope, door);
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Nothing comes through between the node and these, either way. */
  isolate(id: NodeId, peers: readonly { readonly id: NodeId }[]): void {
    for (const peer of peers) {
      this.cut(id, peer.id);
      this.cut(peer.id, id);
    }
  }

  mend(from: NodeId, to: NodeId): void {
    this.#cut.delete(`${from}>${to}`);
  }

  /** Every way works, and well. */
  heal(): void {
    this.#cut.clear();
    this.lossChance = 0;
    this.twiceChance = 0;
    this.overtakenChance = 0;
    this.delayMs = 1;
  }

  /** `id` acts as the leader of a term. */
  leads(term: number, id: NodeId): void {
    const known = this.#leaderOf.get(term);
    if (known === undefined) {
      this.#leaderOf.set(term, id);
      this.world.tell(`n${id}`, `leads term ${term}`);
      this.onLeader(id);
    } else this.world.check(known === id, () => `term ${term} has two leaders, ${known} and ${id}`);
  }

  started(transport: SimTransport): void {
    this.#up.set(transport.id, transport);
  }

  stopped(transport: SimTransport): void {
    if (this.#up.get(transport.id) === transport) this.#up.delete(transport.id);
  }

  /** Whether what one says reaches the other. */
  isOpen(from: NodeId, to: NodeId): boolean {
    return !this.#cut.has(`${from}>${to}`);
  }

  /** A frame on a link that stands. */
  carry(from: SimTransport, to: SimTransport, frame: PeerFrame): void {
    if (frame.kind === "raft" && LEADERS_WORDS.has(frame.message.kind))
      this.leads(frame.message.term, from.id);
    const times = this.chance.of(this.twiceChance) ? 2 : 1;
    if (times > 1) this.world.fault("frame twice");
    for (let i = 0; i < times; i += 1) {
      const onWire = this.#onWire(frame);
      const isOvertaken = frame.kind === "raft" && this.chance.of(this.overtakenChance);
      const arrived = (target: SimTransport): void => {
        if (target === to) target.arrived(from, onWire);
      };
      if (isOvertaken) this.#detour(from.id, to.id, arrived);
      else this.travel(from.id, to.id, arrived);
    }
  }

  /** Something small goes to whoever is there when it arrives. */
  travel(from: NodeId, to: NodeId, arrived: (target: SimTransport) => void): void {
    const target = this.#up.get(to);
    if (target === undefined || !target.scope.alive) return;
    if (this.chance.of(this.lossChance)) {
      this.world.fault("frame lost");
      return;
    }
    const way = `${from}>${to}`;
    const asap = this.world.nowMs + this.chance.around(this.delayMs);
    const arrivalMs = Math.max(asap, this.#busyUntilMs.get(way) ?? 0);
    this.#busyUntilMs.set(way, arrivalMs);
    const arrive = (): void => {
      if (!this.#cut.has(way)) arrived(target);
    };
    this.world.after(arrivalMs - this.world.nowMs, arrive, target.scope);
  }

  /** It sets off later than those that follow, some of which arrive before it. */
  #detour(from: NodeId, to: NodeId, arrived: (target: SimTransport) => void): void {
    this.world.fault("frame overtaken");
    this.world.after(this.chance.between(0, 2 * this.tickMs), () => this.travel(from, to, arrived));
  }

  #onWire(frame: PeerFrame): PeerFrame {
    if (!this.#encode || frame.kind !== "raft") return frame;
    return { ...frame, message: decodeMessage(encodeMessage(frame.message)) };
  }
}
