/**
 * Port: Raft messages between peers. Delivery is best effort and in order per link; Raft copes with loss. Messages are values:
 * a transport within one process passes them on as they are, one over a network encodes them (message-codec.ts).
 * Implementations: memory-transport.ts (twin); the TCP one comes with the second node.
 */
import type { GroupId, NodeId, PeerMessage } from "../types.js";

/** A message with the number of the Raft group it belongs to. */
export interface PeerFrame {
  readonly group: GroupId;
  readonly message: PeerMessage;
}

export interface Transport {
  /** Queues a frame for `message.to`; never blocks, never throws: what cannot be sent is dropped and `onUnreachable` told. */
  send(frame: PeerFrame): void;
  /** Sets the one receiver of frames for this node. Called once, before `start`. */
  onFrame(receiver: (frame: PeerFrame) => void): void;
  /** Sets who is told that a peer could not be reached. Called once, before `start`. */
  onUnreachable(listener: (peer: NodeId) => void): void;
  start(): Promise<void>;
  /** No frame is given to the receiver after. */
  stop(): Promise<void>;
}
