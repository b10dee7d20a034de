/** Peers that can only call each other, over frames that a test may hold, lose or look at. */
import { Calls } from "../../cluster/calls.js";
import type { PeerFrame, RequestFrame, ResponseFrame } from "../../cluster/transport/transport.js";
import type { NodeId } from "../../cluster/types.js";
import type { HandTicker } from "./memory-group.js";

export interface SentFrame {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly frame: RequestFrame | ResponseFrame;
}

export class CallingPeers {
  readonly ticker: HandTicker;
  readonly sent: SentFrame[] = [];
  /** What is lost on its way. */
  loses: (sent: SentFrame) => boolean = () => false;
  readonly #peers = new Map<NodeId, Calls>();

  constructor(ticker: HandTicker) {
    this.ticker = ticker;
  }

  join(id: NodeId): Calls {
    const calls = new Calls({
      lastCall: 0,
      group: 0,
      send: (to, frame) => this.#send(id, to, frame),
      after: (delayMs, task) => this.ticker.after(delayMs, task),
    });
    this.#peers.set(id, calls);
    return calls;
  }

  #send(from: NodeId, to: NodeId, frame: PeerFrame): void {
    if (frame.kind !== "request" && frame.kind !== "response") return;
    const sent = { from, to, frame };
    this.sent.push(sent);
    if (this.loses(sent)) return;
    queueMicrotask(() => this.#peers.get(to)?.receive(from, frame));
  }
}
