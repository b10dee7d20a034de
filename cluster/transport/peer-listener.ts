/**
 * The accepting side: takes connections on the peer port, lets in who proves to be a member, and hands on the frames of each. On these
 * connections this node only answers the handshake and pings; its own frames go by links that it dials.
 *
 * Whoever cannot prove to know the secret costs a few KiB for a few seconds, and learns nothing of the membership.
 */
import type { NodeId } from "../types.js";
import {
  BODY_BYTES_MAX,
  decodeFrame,
  encodeLinkFrame,
  malformedFrame,
  type WireFrame,
  WireKind,
} from "./frame-codec.js";
import {
  AcceptorHandshake,
  type Admission,
  type Admit,
  type HandshakeSelf,
  type PeerIdentity,
} from "./handshake.js";
import { isMalformedFrame, PeerConnection } from "./peer-connection.js";
import { listenForPeers, type PeerServer, type PeerSocket } from "./peer-sockets.js";
import type { Lane, PeerFrame } from "./transport.js";
import { HANDSHAKES_MAX, type TransportTimings } from "./transport-options.js";

const PONG = encodeLinkFrame(WireKind.Pong, new Uint8Array(0));

export interface PeerListenerOptions {
  readonly host: string;
  readonly port: number;
  /** This node as it is now. */
  readonly self: () => HandshakeSelf;
  readonly admit: Admit;
  /** Monotonic, without the time that this node itself stood still. */
  readonly nowMs: () => number;
  readonly timings: TransportTimings;
  /** `from` is who proved to be that peer. */
  readonly onFrame: (from: NodeId, frame: PeerFrame) => void;
  readonly onHeard: (from: NodeId) => void;
  readonly onMet: (peer: PeerIdentity) => void;
  readonly onWarning: (facts: Readonly<Record<string, unknown>>, text: string) => void;
}

export class PeerListener {
  readonly #options: PeerListenerOptions;
  #server: PeerServer | null = null;
  #isClosed = false;
  /** Oldest first. */
  readonly #strangers = new Set<AcceptedConnection>();
  /** By peer and lane: a peer that dials anew has lost the connection before. */
  readonly #peers = new Map<string, AcceptedConnection>();

  constructor(options: PeerListenerOptions) {
    this.#options = options;
  }

  /** Listens; gives the `host:port` that it is. Rejects with `peer_port_taken` or `peer_listen_failed`. */
  async start(): Promise<string> {
    const { host, port, onWarning } = this.#options;
    this.#server = await listenForPeers(
      host,
      port,
      (socket) => this.#accept(socket),
      (error) => onWarning({ err: error }, "the listener for peers failed"),
    );
    if (this.#isClosed) await this.#server.close();
    return this.#server.address;
  }

  /** Closes every connection; resolves when all are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const accepted of [...this.#strangers, ...this.#peers.values()]) accepted.close("this node stops");
    await this.#server?.close();
  }

  /** The peer is no member any more. */
  closePeer(id: NodeId): void {
    for (const accepted of this.#peers.values()) {
      if (accepted.peer === id) accepted.close("the peer is no member any more");
    }
  }

  /** Looks at deadlines; called every `tickMs`. */
  tick(): void {
    for (const accepted of [...this.#strangers, ...this.#peers.values()]) accepted.tick();
  }

  #accept(socket: PeerSocket): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    const [oldest] = this.#strangers;
    if (this.#strangers.size >= HANDSHAKES_MAX) {
      // The oldest: a peer needs milliseconds, so who has been here longest is the least likely to be one.
      oldest?.close("too many connections that prove nothing");
      if (oldest !== undefined) this.#strangers.delete(oldest);
    }
    const accepted: AcceptedConnection = new AcceptedConnection(socket, this.#options, {
      onProven: (peer, lane) => this.#proven(accepted, `${peer} ${lane}`),
      onClose: () => this.#gone(accepted),
    });
    this.#strangers.add(accepted);
  }

  #proven(accepted: AcceptedConnection, key: string): void {
    this.#strangers.delete(accepted);
    this.#peers.get(key)?.close("the peer has dialled anew");
    this.#peers.set(key, accepted);
  }

  #gone(accepted: AcceptedConnection): void {
    this.#strangers.delete(accepted);
    for (const [key, other] of this.#peers) if (other === accepted) this.#peers.delete(key);
  }
}

/** What the listener hears from one of its connections. */
interface AcceptedEvents {
  onProven(peer: NodeId, lane: Lane): void;
  onClose(): void;
}

class AcceptedConnection {
  readonly #options: PeerListenerOptions;
  readonly #events: AcceptedEvents;
  readonly #connection: PeerConnection;
  readonly #handshake: AcceptorHandshake;
  readonly #remote: string;
  #awaits: "hello" | "proof" | "frames" = "hello";
  #peer: NodeId | null = null;
  #heardMs: number;
  readonly #acceptedMs: number;
  /** Something came that no pong has answered yet. */
  #owesPong = false;

  constructor(socket: PeerSocket, options: PeerListenerOptions, events: AcceptedEvents) {
    this.#options = options;
    this.#events = events;
    this.#handshake = new AcceptorHandshake(options.self());
    this.#acceptedMs = options.nowMs();
    this.#heardMs = this.#acceptedMs;
    this.#connection = new PeerConnection(socket, {
      onHeard: () => this.#heard(),
      onFrame: (frame) => this.#receive(frame),
      onDrain: () => undefined,
      onClose: (reason) => this.#gone(reason),
    });
    this.#remote = this.#connection.remote;
  }

  /** Who proved to be at the other end; `null` before that. */
  get peer(): NodeId | null {
    return this.#peer;
  }

  close(why: string): void {
    this.#connection.fail(new Error(why));
  }

  tick(): void {
    const { timings, nowMs } = this.#options;
    const now = nowMs();
    if (this.#peer === null) {
      if (now - this.#acceptedMs >= timings.handshakeMs) this.close("it proved nothing in time");
    } else if (now - this.#heardMs >= timings.acceptedSilenceMs) this.close("nothing was heard in time");
    else if (this.#owesPong) this.#pong();
  }

  #heard(): void {
    this.#heardMs = this.#options.nowMs();
    this.#owesPong = true;
    if (this.#peer !== null) this.#options.onHeard(this.#peer);
  }

  #receive(frame: WireFrame): void {
    if (this.#peer === null) this.#step(frame);
    else if (frame.kind === WireKind.Ping) this.#pong();
    else this.#deliver(this.#peer, frame);
  }

  /** Answers at once to a ping and, by `tick`, to data: a ping may be stuck behind a lot of them. */
  #pong(): void {
    this.#owesPong = false;
    if (this.#connection.isIdle) this.#connection.write(PONG);
  }

  #step({ kind, content }: WireFrame): void {
    if (this.#awaits === "hello" && kind === WireKind.Hello) {
      this.#awaits = "proof";
      this.#connection.write(encodeLinkFrame(WireKind.Challenge, this.#handshake.challenge(content)));
    } else if (this.#awaits === "proof" && kind === WireKind.Proof) {
      const { verdict, admission } = this.#handshake.judge(content, this.#options.admit);
      this.#conclude(encodeLinkFrame(WireKind.Verdict, verdict), admission);
    } else throw malformedFrame(`kind ${kind} in a handshake`);
  }

  #conclude(verdict: Uint8Array, { peer, lane, refusal }: Admission): void {
    if (refusal !== null) {
      const facts = { code: refusal, peer: peer.id, remote: this.#remote };
      this.#options.onWarning(facts, "a node was refused at the peer port");
      // It stays among the strangers, with their deadline, until the verdict is read.
      this.#connection.end(verdict);
      return;
    }
    this.#awaits = "frames";
    this.#peer = peer.id;
    this.#owesPong = false;
    this.#connection.allow(BODY_BYTES_MAX);
    this.#connection.write(verdict);
    this.#events.onProven(peer.id, lane);
    this.#options.onHeard(peer.id);
    this.#options.onMet(peer);
  }

  #deliver(from: NodeId, wire: WireFrame): void {
    const frame = decodeFrame(wire);
    if (frame === null) throw malformedFrame(`kind ${wire.kind} after the handshake`);
    if (frame.kind === "raft") {
      const { message } = frame;
      if (message.from !== from || message.to !== this.#options.self().id) {
        throw malformedFrame(`a message from ${message.from} to ${message.to} on the link of ${from}`);
      }
    }
    this.#options.onFrame(from, frame);
  }

  #gone(reason: Error): void {
    if (isMalformedFrame(reason)) {
      const facts = { remote: this.#remote, peer: this.#peer, reason: reason.message };
      this.#options.onWarning(facts, "what came in at the peer port is no frame");
    }
    this.#events.onClose();
  }
}
