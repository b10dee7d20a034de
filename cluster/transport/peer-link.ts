/**
 * The dialing side of one lane to one peer: connects, proves itself, sends what is queued, and begins anew whenever the connection is
 * lost or silent. Frames only go out here; what comes in are the steps of the handshake and pongs.
 *
 * What is sent while there is no connection waits for the attempt under way (or the next) and is dropped when that fails: it was meant
 * for now, and Raft and callers repeat what still matters.
 */
import type { NodeId } from "../types.js";
import {
  type EncodedFrame,
  encodeLinkFrame,
  malformedFrame,
  type WireFrame,
  WireKind,
} from "./frame-codec.js";
import {
  type Admit,
  DialerHandshake,
  type HandshakeSelf,
  type PeerIdentity,
  type RefusalCode,
  refusalText,
} from "./handshake.js";
import { PeerConnection } from "./peer-connection.js";
import { connectToPeer, parseAddress } from "./peer-sockets.js";
import { SendQueue } from "./send-queue.js";
import type { Lane } from "./transport.js";
import { LANE_BYTES_MAX, type Ticker, type TransportTimings } from "./transport-options.js";

/** Given to the socket at one go; the rest waits here, where it can still be dropped. */
const WRITE_BYTES = 1024 * 1024;

/** So many attempts have failed when an operator is told, once: some hundred milliseconds, more than a restart takes to listen. */
const FAILURES_TOLD = 6;

const PING = encodeLinkFrame(WireKind.Ping, new Uint8Array(0));

export interface PeerLinkOptions {
  readonly peer: NodeId;
  readonly address: string;
  readonly lane: Lane;
  /** This node as it is now. */
  readonly self: () => HandshakeSelf;
  readonly admit: Admit;
  readonly ticker: Ticker;
  /** Monotonic, without the time that this node itself stood still. */
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly timings: TransportTimings;
  /** What was sent may be lost. */
  readonly onUnreachable: () => void;
  readonly onHeard: () => void;
  readonly onMet: (peer: PeerIdentity) => void;
  readonly onRefused: (code: RefusalCode, text: string) => void;
  readonly onWarning: (facts: Readonly<Record<string, unknown>>, text: string) => void;
}

export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #queue: SendQueue;
  #connection: PeerConnection | null = null;
  #handshake: DialerHandshake | null = null;
  /** Who proved to be at the other end, before it has let this node in. */
  #acceptor: PeerIdentity | null = null;
  #isConnected = false;
  #isUp = false;
  #isRefused = false;
  #awaitsDrain = false;
  #flushIsDue = false;
  #fullIsTold = false;
  #failures = 0;
  #attemptMs = 0;
  #upMs = 0;
  #heardMs = 0;
  #pingMs = 0;
  #cancelRetry: (() => void) | null = null;
  #onClosed: (() => void) | null = null;
  #isClosed = false;

  /** Dials at once. */
  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#queue = new SendQueue(LANE_BYTES_MAX[options.lane]);
    this.#dial();
  }

  /** Queues a frame; when the lane is full it is dropped, and not even encoded if that is clear before. */
  send(encode: () => EncodedFrame): void {
    if (this.#isClosed) return;
    if (this.#queue.isFull || !this.#queue.push(encode())) this.#tellFull();
    else this.#flushSoon();
  }

  /** Looks at deadlines; called every `tickMs`. */
  tick(): void {
    const connection = this.#connection;
    if (connection === null) return;
    const { timings, nowMs } = this.#options;
    const now = nowMs();
    if (!this.#isConnected) {
      if (now - this.#attemptMs >= timings.connectMs) connection.fail(new Error("no connection in time"));
    } else if (now - this.#heardMs >= timings.silenceMs) {
      connection.fail(new Error("nothing was heard in time"));
    } else if (!this.#isUp && now - this.#attemptMs >= timings.connectMs + timings.handshakeMs) {
      connection.fail(new Error("the handshake did not end in time"));
    } else if (this.#isUp && now - this.#pingMs >= timings.pingMs && connection.isIdle) {
      // Behind data a ping would only arrive late; data are answered by pongs too.
      this.#pingMs = now;
      connection.write(PING);
    }
  }

  /** Drops what is queued; resolves when the socket is gone. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#queue.clear();
    const connection = this.#connection;
    if (connection === null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onClosed = resolve;
      connection.fail(new Error("this node closed the link"));
    });
  }

  #dial(): void {
    const { address, lane, peer, self, nowMs } = this.#options;
    this.#cancelRetry = null;
    this.#attemptMs = nowMs();
    this.#isRefused = false;
    const target = parseAddress(address);
    if (target === null) {
      this.#options.onWarning({ peer, address }, "the address of a peer is no host:port");
      this.#lost(false);
      return;
    }
    this.#handshake = new DialerHandshake(self(), peer, lane);
    const socket = connectToPeer(target.host, target.port);
    socket.once("connect", () => this.#connected());
    this.#connection = new PeerConnection(socket, {
      onHeard: () => this.#heard(),
      onFrame: (frame) => this.#receive(frame),
      onDrain: () => this.#drained(),
      onClose: (reason) => this.#gone(reason),
    });
  }

  #connected(): void {
    this.#isConnected = true;
    this.#heardMs = this.#options.nowMs();
    const hello = this.#handshake?.hello;
    if (hello !== undefined) this.#connection?.write(encodeLinkFrame(WireKind.Hello, hello));
  }

  #heard(): void {
    this.#heardMs = this.#options.nowMs();
    if (this.#isUp) this.#options.onHeard();
  }

  /** One step of the handshake, or a pong. Throws `peer_frame` for what must not come now. */
  #receive({ kind, content }: WireFrame): void {
    if (this.#isUp && kind === WireKind.Pong) return;
    const handshake = this.#handshake;
    if (handshake === null || this.#isUp) throw malformedFrame(`kind ${kind} on a link that only sends`);
    if (kind === WireKind.Challenge && this.#acceptor === null) {
      const answer = handshake.answer(content);
      if (answer === null) {
        this.#refused("peer_unauthorized", refusalText("peer_unauthorized"));
        return;
      }
      this.#acceptor = answer.peer;
      this.#connection?.write(encodeLinkFrame(WireKind.Proof, answer.proof));
    } else if (kind === WireKind.Verdict && this.#acceptor !== null) {
      const refusal = handshake.verdict(content);
      if (refusal === null) this.#welcomed(this.#acceptor);
      else this.#refused(refusal.code, refusal.text);
    } else throw malformedFrame(`kind ${kind} in a handshake`);
  }

  #refused(code: RefusalCode, text: string): void {
    this.#isRefused = true;
    this.#connection?.fail(new Error(text));
    this.#options.onRefused(code, text);
  }

  /** The acceptor let this node in; whether this node wants that acceptor is another question. */
  #welcomed(acceptor: PeerIdentity): void {
    const { peer, admit, lane, onWarning, onMet } = this.#options;
    const objection = acceptor.id === peer ? admit(acceptor) : "wrong_node_id";
    if (objection !== null) {
      this.#isRefused = true;
      this.#connection?.fail(new Error(refusalText(objection)));
      onWarning({ peer, lane, code: objection }, "the node at a peer's address is not that peer");
      return;
    }
    this.#isUp = true;
    this.#upMs = this.#options.nowMs();
    this.#options.onHeard();
    onMet(acceptor);
    this.#flushSoon();
  }

  #gone(reason: Error): void {
    const { peer, lane, onWarning, nowMs, timings } = this.#options;
    const wasUp = this.#isUp;
    if (wasUp && nowMs() - this.#upMs >= timings.silenceMs) this.#failures = 0;
    this.#connection = null;
    this.#handshake = null;
    this.#acceptor = null;
    this.#isConnected = false;
    this.#isUp = false;
    this.#awaitsDrain = false;
    if (this.#isClosed) this.#onClosed?.();
    else {
      if (wasUp)
        onWarning({ peer, lane, reason: reason.message }, "the link to a peer is lost and dialled anew");
      else this.#tellFailure(reason);
      this.#lost(wasUp);
    }
  }

  /** The attempt failed or the connection is lost: drops what waits, tries again later. */
  #lost(wasUp: boolean): void {
    const { onUnreachable, ticker } = this.#options;
    this.#fullIsTold = false;
    if (this.#queue.clear() || wasUp) onUnreachable();
    this.#cancelRetry = ticker.after(this.#retryDelayMs(), () => this.#dial());
    this.#failures += 1;
  }

  /** Once for all lanes, and once until the link has held for a while. */
  #tellFailure(reason: Error): void {
    const { peer, address, lane, onWarning } = this.#options;
    if (lane !== "control" || this.#isRefused || this.#failures !== FAILURES_TOLD) return;
    onWarning(
      { peer, address, reason: reason.message },
      "a peer cannot be reached: it is dialled again and again",
    );
  }

  /** Counted from the beginning of the attempt that failed, so that a slow failure is not waited for twice. */
  #retryDelayMs(): number {
    const { timings, random, nowMs } = this.#options;
    const { backoffMinMs, backoffMaxMs, refusedMinMs, refusedMaxMs } = timings;
    if (this.#isRefused) return refusedMinMs + random() * (refusedMaxMs - refusedMinMs);
    const chance = 1 - random() / 2;
    const intervalMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failures, 16)) * chance;
    return Math.max(backoffMinMs * chance, intervalMs - (nowMs() - this.#attemptMs));
  }

  /** Frames sent in the same turn leave in one write. */
  #flushSoon(): void {
    if (this.#flushIsDue || !this.#isUp || this.#awaitsDrain) return;
    this.#flushIsDue = true;
    queueMicrotask(() => {
      this.#flushIsDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#isUp && !this.#awaitsDrain && !this.#queue.isEmpty) {
      this.#awaitsDrain = this.#connection?.write(...this.#queue.take(WRITE_BYTES)) === false;
    }
    if (this.#queue.isEmpty) this.#fullIsTold = false;
  }

  #drained(): void {
    this.#awaitsDrain = false;
    this.#flush();
  }

  /** Once until the lane has been empty again. */
  #tellFull(): void {
    if (this.#fullIsTold) return;
    this.#fullIsTold = true;
    const { peer, lane, onWarning, onUnreachable } = this.#options;
    if (this.#isUp) onWarning({ peer, lane }, "a lane to a peer is full: frames are dropped");
    onUnreachable();
  }
}
