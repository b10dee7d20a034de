/**
 * The transport of one life: dials the peers that it is told of, as the TCP one does, shows who it is, lets in and is let in, or is
 * refused. What is sent where no link stands is lost.
 */
import type { PeerIdentity, RefusalCode } from "../../cluster/transport/handshake.js";
import type { PeerFrame, PeerView, Transport } from "../../cluster/transport/transport.js";
import type { NodeId } from "../../cluster/types.js";
import type { Scope } from "./event-queue.js";
import type { SimNetwork } from "./sim-network.js";
import { Crashed } from "./world.js";

/** What the membership decides about peers. */
export interface Door {
  readonly identity: () => PeerIdentity;
  readonly admit: (peer: PeerIdentity) => RefusalCode | null;
  readonly met: (peer: PeerIdentity) => void;
  readonly sends: (frame: PeerFrame) => PeerFrame;
  /** A peer turned this node away. */
  readonly refused: (by: NodeId, code: RefusalCode) => void;
}

/** The times of production, in ticks of the group. */
const LOOK_TICKS = 2.5;
const SILENCE_TICKS = 20;
const ATTEMPT_TICKS = 10;
const RETRY_TICKS = { least: 0.4, most: 10 } as const;
const REFUSED_TICKS = { least: 10, most: 40 } as const;

/** One way to a peer, dialled by this side. */
interface Link {
  state: "down" | "dialling" | "up";
  acceptor: SimTransport | null;
  attempt: number;
  /** When the attempt began, or something was last heard. */
  sinceMs: number;
  nextMs: number;
}

export class SimTransport implements Transport {
  readonly id: NodeId;
  readonly scope: Scope;
  readonly #network: SimNetwork;
  readonly #door: Door;
  #started = false;
  #peers: ReadonlyMap<NodeId, string> = new Map();
  readonly #links = new Map<NodeId, Link>();
  /** Who dialled this node and was let in. */
  readonly #accepted = new Map<NodeId, SimTransport>();
  readonly #heardMs = new Map<NodeId, number>();
  #receiver: (from: NodeId, frame: PeerFrame) => void = () => undefined;
  #unreachable: (peer: NodeId) => void = () => undefined;
  #attempts = 0;

  constructor(network: SimNetwork, id: NodeId, scope: Scope, door: Door) {
    this.#network = network;
    this.id = id;
    this.scope = scope;
    this.#door = door;
  }

  send(to: NodeId, frame: PeerFrame): void {
    if (!this.#started || !this.scope.alive) return;
    const acceptor = this.#links.get(to)?.acceptor;
    if (acceptor === null || acceptor === undefined) {
      const { world, chance } = this.#network;
      if (chance.of(0.5)) world.after(0, () => this.#unreachable(to), this.scope);
    } else this.#network.carry(this, acceptor, this.#door.sends(frame));
  }

  onFrame(receiver: (from: NodeId, frame: PeerFrame) => void): void {
    this.#receiver = receiver;
  }

  onUnreachable(listener: (peer: NodeId) => void): void {
    this.#unreachable = listener;
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    for (const id of this.#peers.keys()) {
      if (peers.has(id)) continue;
      this.#links.delete(id);
      this.#accepted.delete(id);
      this.#heardMs.delete(id);
    }
    this.#peers = new Map([...peers].filter(([id]) => id !== this.id));
    for (const id of this.#peers.keys()) {
      if (this.#links.has(id)) continue;
      this.#links.set(id, { state: "down", acceptor: null, attempt: 0, sinceMs: 0, nextMs: 0 });
    }
    if (this.#started) this.#dialDue();
  }

  #ticks(count: number): number {
    return count * this.#network.tickMs;
  }

  peers(): readonly PeerView[] {
    const sinceMs = this.#network.world.nowMs - this.#ticks(SILENCE_TICKS);
    const isAlive = (id: NodeId): boolean => (this.#heardMs.get(id) ?? Number.NEGATIVE_INFINITY) > sinceMs;
    return [...this.#peers].map(([id, address]) => ({ id, address, isAlive: isAlive(id) }));
  }

  async start(): Promise<void> {
    if (!this.scope.alive) throw new Crashed();
    this.#started = true;
    this.#network.started(this);
    this.#dialDue();
    this.#tickLater();
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#network.stopped(this);
  }

  /** A frame of a peer; heard only while its link stands on this side too. */
  arrived(from: SimTransport, frame: PeerFrame): void {
    if (!this.#takes(from)) return;
    this.#heard(from.id);
    this.#receiver(from.id, frame);
  }

  #takes(from: SimTransport): boolean {
    return this.#started && this.scope.alive && this.#accepted.get(from.id) === from;
  }

  #heard(peer: NodeId): void {
    this.#heardMs.set(peer, this.#network.world.nowMs);
  }

  #tickLater(): void {
    this.#network.world.after(
      this.#ticks(LOOK_TICKS),
      () => {
        if (!this.#started) return;
        for (const [peer, link] of this.#links) this.#look(peer, link);
        this.#dialDue();
        this.#tickLater();
      },
      this.scope,
    );
  }

  /** Pongs, in both meanings: a link on which nothing is heard is given up. */
  #look(peer: NodeId, link: Link): void {
    const { world, chance } = this.#network;
    const { nowMs } = world;
    const { acceptor } = link;
    if (acceptor !== null) {
      const isHeard =
        acceptor.scope.pausedUntilMs <= nowMs &&
        this.#network.isOpen(this.id, peer) &&
        this.#network.isOpen(peer, this.id);
      if (!acceptor.#takes(this))
        this.#down(link, this.#ticks(chance.between(RETRY_TICKS.least, RETRY_TICKS.most)));
      else if (isHeard) {
        link.sinceMs = nowMs;
        this.#heard(peer);
        acceptor.#heard(this.id);
      } else if (nowMs - link.sinceMs > this.#ticks(SILENCE_TICKS)) this.#down(link, 0);
    } else if (link.state === "dialling" && nowMs - link.sinceMs > this.#ticks(ATTEMPT_TICKS))
      this.#down(link, 0);
    if (link.state === "down" && link.sinceMs === nowMs) this.#unreachable(peer);
  }

  #down(link: Link, pauseMs: number): void {
    const { nowMs } = this.#network.world;
    Object.assign(link, { state: "down", acceptor: null, sinceMs: nowMs, nextMs: nowMs + pauseMs });
  }

  #dialDue(): void {
    const { nowMs } = this.#network.world;
    for (const [peer, link] of this.#links) {
      if (link.state === "down" && link.nextMs <= nowMs) this.#dial(peer, link);
    }
  }

  #dial(peer: NodeId, link: Link): void {
    this.#attempts += 1;
    const attempt = this.#attempts;
    const hello = this.#door.identity();
    Object.assign(link, { state: "dialling", attempt, sinceMs: this.#network.world.nowMs });
    this.#network.travel(this.id, peer, (acceptor) => {
      if (!acceptor.#started || !this.scope.alive) return;
      const { verdict, identity } = acceptor.#judge(this, hello);
      this.#network.travel(peer, this.id, (dialler) => {
        if (dialler === this) this.#answered({ peer, attempt, acceptor, identity, verdict });
      });
    });
  }

  #judge(
    dialler: SimTransport,
    hello: PeerIdentity,
  ): { readonly verdict: RefusalCode | null; readonly identity: PeerIdentity } {
    const identity = this.#door.identity();
    const verdict = this.#door.admit(hello);
    if (verdict === null) {
      this.#accepted.set(hello.id, dialler);
      this.#heard(hello.id);
      this.#door.met(hello);
    }
    return { verdict, identity };
  }

  #answered(answer: {
    readonly peer: NodeId;
    readonly attempt: number;
    readonly acceptor: SimTransport;
    readonly identity: PeerIdentity;
    readonly verdict: RefusalCode | null;
  }): void {
    const { peer, attempt, acceptor, identity, verdict } = answer;
    const link = this.#links.get(peer);
    if (!this.#started || link?.attempt !== attempt || link.state !== "dialling") return;
    const objection = verdict ?? this.#door.admit(identity);
    if (objection !== null) {
      this.#down(link, this.#ticks(this.#network.chance.between(REFUSED_TICKS.least, REFUSED_TICKS.most)));
      if (verdict !== null) this.#door.refused(peer, verdict);
      return;
    }
    Object.assign(link, { state: "up", acceptor, sinceMs: this.#network.world.nowMs });
    this.#heard(peer);
    this.#door.met(identity);
  }
}
