/**
 * Transport over TCP. Each node dials each peer on three lanes, and sends on what it dials; what it accepts it only reads. So there are
 * six connections between two nodes, each renewed by its dialer, and no rule is needed for who of two may keep one.
 *
 * No promise is made beyond the port's: frames of a lane arrive in order or not at all, and only from who proved to be that peer.
 */
import { assertInvariant } from "../errors.js";
import type { NodeId } from "../types.js";
import { WarningGate } from "../warning-gate.js";
import { encodeFrame } from "./frame-codec.js";
import type { HandshakeSelf, PeerIdentity, RefusalCode } from "./handshake.js";
import { PeerLink } from "./peer-link.js";
import { PeerListener } from "./peer-listener.js";
import { type Lane, laneOf, type PeerFrame, type PeerView, type Transport } from "./transport.js";
import { DEFAULT_TIMINGS, type TcpTransportOptions, type TransportTimings } from "./transport-options.js";

export type { TcpTransportOptions } from "./transport-options.js";

const LANES: readonly Lane[] = ["control", "entries", "bulk"];

interface Peer {
  readonly address: string;
  /** Empty while the transport is not started. */
  readonly links: ReadonlyMap<Lane, PeerLink>;
}

export class TcpTransport implements Transport {
  readonly #options: TcpTransportOptions;
  readonly #timings: TransportTimings;
  readonly #listener: PeerListener;
  readonly #warnings: WarningGate;
  readonly #peers = new Map<NodeId, Peer>();
  /** When each peer was last heard of, members or not. */
  readonly #heardMs = new Map<NodeId, number>();
  /** What each peer refused this node for, until it lets it in. */
  readonly #refusals = new Map<NodeId, RefusalCode>();
  readonly #closing = new Set<Promise<void>>();
  #receiver: (from: NodeId, frame: PeerFrame) => void = () => undefined;
  #unreachable: (peer: NodeId) => void = () => undefined;
  #address: string | null = null;
  #isRunning = false;
  #isStopped = false;
  #cancelTicks: () => void = () => undefined;
  #tickedMs = 0;
  /** How long this node stood still in all: silence in that time is not the peers'. */
  #stalledMs = 0;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.#timings = { ...DEFAULT_TIMINGS, ...options.timings };
    this.#warnings = new WarningGate(options.ticker, options.onWarning);
    this.#listener = new PeerListener({
      host: options.host,
      port: options.port,
      timings: this.#timings,
      self: () => this.#self(),
      admit: options.admit,
      nowMs: () => this.#nowMs(),
      onFrame: (from, frame) => {
        if (this.#isRunning) this.#receiver(from, frame);
      },
      onHeard: (from) => this.#heardMs.set(from, this.#nowMs()),
      onMet: options.onMet,
      onWarning: (facts, text) => this.#warnings.warn(facts, text),
    });
  }

  /** The `host:port` that is listened on; `null` before `start`. */
  get address(): string | null {
    return this.#address;
  }

  send(to: NodeId, frame: PeerFrame): void {
    const link = this.#isRunning ? this.#peers.get(to)?.links.get(laneOf(frame)) : undefined;
    if (link === undefined) {
      this.#tellUnreachable(to);
      return;
    }
    try {
      link.send(() => encodeFrame(frame));
    } catch (error) {
      this.#warnings.warn({ peer: to, err: error }, "a frame could not be encoded and is dropped");
      this.#tellUnreachable(to);
    }
  }

  onFrame(receiver: (from: NodeId, frame: PeerFrame) => void): void {
    this.#receiver = receiver;
  }

  onUnreachable(listener: (peer: NodeId) => void): void {
    this.#unreachable = listener;
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    for (const [id, { address }] of this.#peers) {
      if (peers.get(id) !== address) this.#hangUp(id);
      if (!peers.has(id)) this.#forget(id);
    }
    for (const [id, address] of peers) {
      if (id === this.#options.id || this.#peers.has(id)) continue;
      this.#peers.set(id, { address, links: this.#isRunning ? this.#dial(id, address) : new Map() });
    }
  }

  peers(): readonly PeerView[] {
    const aliveSinceMs = this.#nowMs() - this.#timings.silenceMs;
    return [...this.#peers].map(([id, { address }]) => ({
      id,
      address,
      isAlive: (this.#heardMs.get(id) ?? Number.NEGATIVE_INFINITY) > aliveSinceMs,
    }));
  }

  /** Listens and dials. Rejects with `peer_port_taken` or `peer_listen_failed`. */
  async start(): Promise<void> {
    assertInvariant(this.#address === null, "a transport starts once");
    this.#address = await this.#listener.start();
    if (this.#isStopped) return;
    this.#isRunning = true;
    const { ticker } = this.#options;
    this.#tickedMs = ticker.monotonicMs();
    this.#cancelTicks = ticker.every(this.#timings.tickMs, () => this.#tick());
    for (const [id, { address }] of this.#peers) {
      this.#peers.set(id, { address, links: this.#dial(id, address) });
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#isRunning = false;
    this.#cancelTicks();
    for (const id of this.#peers.keys()) this.#hangUp(id);
    await Promise.all([this.#listener.close(), ...this.#closing]);
  }

  #self(): HandshakeSelf {
    const { id, secret, advertise, identity } = this.#options;
    const { clusterId, tag } = identity();
    return { id, clusterId, tag, address: advertise ?? this.#address ?? "", secret };
  }

  #dial(peer: NodeId, address: string): ReadonlyMap<Lane, PeerLink> {
    const { admit, onMet, ticker, random } = this.#options;
    const shared = {
      peer,
      address,
      admit,
      ticker,
      random,
      timings: this.#timings,
      self: () => this.#self(),
      nowMs: () => this.#nowMs(),
      onUnreachable: () => this.#tellUnreachable(peer),
      onHeard: () => this.#heardMs.set(peer, this.#nowMs()),
      onMet: (met: PeerIdentity) => {
        this.#refusals.delete(peer);
        onMet(met);
      },
      onWarning: (facts: Readonly<Record<string, unknown>>, text: string) => this.#warnings.warn(facts, text),
    };
    const linkOf = (lane: Lane): PeerLink => {
      const onRefused = (code: RefusalCode, text: string): void => this.#refused(peer, lane, code, text);
      return new PeerLink({ ...shared, lane, onRefused });
    };
    return new Map(LANES.map((lane) => [lane, linkOf(lane)]));
  }

  /** Closes what this node dialled; the peer may be dialled anew at once. */
  #hangUp(id: NodeId): void {
    const links = this.#peers.get(id)?.links.values() ?? [];
    this.#peers.delete(id);
    for (const link of links) {
      const closed = link.close();
      this.#closing.add(closed);
      void closed.then(() => this.#closing.delete(closed));
    }
  }

  #forget(id: NodeId): void {
    this.#heardMs.delete(id);
    this.#refusals.delete(id);
    this.#listener.closePeer(id);
  }

  /** All lanes are refused alike: told by one of them, or when the reason is new. */
  #refused(peer: NodeId, lane: Lane, code: RefusalCode, text: string): void {
    const isNews = this.#refusals.get(peer) !== code;
    this.#refusals.set(peer, code);
    if (isNews || lane === "control") this.#options.onRefused(peer, code, text);
  }

  /** Never within the call that finds it out. */
  #tellUnreachable(peer: NodeId): void {
    queueMicrotask(() => {
      if (this.#isRunning) this.#unreachable(peer);
    });
  }

  #nowMs(): number {
    return this.#options.ticker.monotonicMs() - this.#stalledMs;
  }

  #tick(): void {
    const now = this.#options.ticker.monotonicMs();
    const lateMs = now - this.#tickedMs - this.#timings.tickMs;
    this.#tickedMs = now;
    // What the peers said meanwhile waits to be read: the deadlines have to wait for that too.
    if (lateMs > this.#timings.tickMs) this.#stalledMs += lateMs;
    this.#listener.tick();
    for (const { links } of this.#peers.values()) for (const link of links.values()) link.tick();
  }
}
