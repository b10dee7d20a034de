/** Nodes of one group, one after the other: when one dies, the next goes on with what was committed. */
import { limits } from "../../../../../src/limits.js";
import { Replicated, TestNode } from "./node.js";
import { type ConnectOptions, Peer, TestEdge } from "./peer.js";

export class Succession {
  readonly state = new Replicated();
  node = new TestNode(this.state);
  edge = new TestEdge(this.node);

  connect(options: ConnectOptions = {}): Peer {
    return new Peer(this.edge, options);
  }

  /** The node dies with what it had not committed; another goes on. */
  die(): void {
    this.node.die();
    this.node = new TestNode(this.state);
    this.edge = new TestEdge(this.node);
  }

  /** Until what was acknowledged is committed. */
  commitProgress(): void {
    this.state.clock.advance(limits.progressPeriodMs);
    this.state.clock.advance(0);
  }
}
