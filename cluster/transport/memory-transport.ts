/**
 * Transport within one process: the twin for tests and the simulator, and the one of a node that has no peers. Frames arrive in
 * order, in a later microtask; links can be cut, each way by itself.
 */
import type { NodeId } from "../types.js";
import type { PeerFrame, PeerView, Transport } from "./transport.js";

/** Where memory transports meet. */
export class MemoryNetwork {
  readonly #members = new Map<NodeId, MemoryTransport>();
  readonly #cut = new Set<string>();

  /** The transport of node `id`. */
  join(id: NodeId): Transport {
    return new MemoryTransport(this, id);
  }

  /** From now on nothing that `from` sends reaches `to`. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Undoes every cut. */
  heal(): void {
    this.#cut.clear();
  }

  /** Used by the transports: a started one can be reached. */
  register(id: NodeId, transport: MemoryTransport): void {
    this.#members.set(id, transport);
  }

  /** Used by the transports. */
  unregister(id: NodeId): void {
    this.#members.delete(id);
  }

  /** Used by the transports: the receiver of a frame, or `null` when it cannot be reached. */
  route(from: NodeId, to: NodeId): MemoryTransport | null {
    if (this.#cut.has(`${from}>${to}`)) return null;
    return this.#members.get(to) ?? null;
  }
}

class MemoryTransport implements Transport {
  readonly #network: MemoryNetwork;
  readonly #id: NodeId;
  #peers: ReadonlyMap<NodeId, string> = new Map();
  #receiver: (from: NodeId, frame: PeerFrame) => void = () => undefined;
  #unreachable: (peer: NodeId) => void = () => undefined;
  #started = false;

  constructor(network: MemoryNetwork, id: NodeId) {
    this.#network = network;
    this.#id = id;
  }

  send(to: NodeId, frame: PeerFrame): void {
    queueMicrotask(() => {
      if (!this.#started) return;
      const target = this.#peers.has(to) ? this.#network.route(this.#id, to) : null;
      if (target === null) this.#unreachable(to);
      else target.#receiver(this.#id, frame);
    });
  }

  onFrame(receiver: (from: NodeId, frame: PeerFrame) => void): void {
    this.#receiver = receiver;
  }

  onUnreachable(listener: (peer: NodeId) => void): void {
    this.#unreachable = listener;
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    this.#peers = new Map([...peers].filter(([id]) => id !== this.#id));
  }

  peers(): readonly PeerView[] {
    return [...this.#peers].map(([id, address]) => ({
      id,
      address,
      isAlive: this.#network.route(id, this.#id) !== null && this.#network.route(this.#id, id) !== null,
    }));
  }

  async start(): Promise<void> {
    this.#started = true;
    this.#network.register(this.#id, this);
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#network.unregister(this.#id);
  }
}
