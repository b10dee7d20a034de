/**
 * Port: frames between peers. Delivery is best effort, in order per link; Raft copes with loss.
 * Implementations: memory-transport.ts (twin); the TCP one comes with the second node.
 */
import type { GroupId, NodeId } from "../types.js";

/** One frame between peers: opaque bytes for a Raft group. */
export interface PeerFrame {
  readonly group: GroupId;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly bytes: Uint8Array;
}

export interface Transport {
  /** Queues a frame; never blocks, never throws: a frame that cannot be sent is dropped and `onUnreachable` told. */
  send(frame: PeerFrame): void;
  /** Sets the one receiver of frames for this node. Called once, before `start`. */
  onFrame(receiver: (frame: PeerFrame) => void): void;
  /** Sets who is told that a peer could not be reached. */
  onUnreachable(listener: (peer: NodeId) => void): void;
  start(): Promise<void>;
  stop(): Promise<void>;
}
