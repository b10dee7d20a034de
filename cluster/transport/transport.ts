/**
 * Port: frames between peers. Delivery is best effort and in order per lane; Raft and the callers of calls cope with loss. Frames are
 * values: a transport within one process passes them on as they are, one over a network encodes them (frame-codec.ts).
 * Implementations: tcp-transport.ts, memory-transport.ts (twin). One contract suite runs on both.
 */
import type { GroupId, NodeId, PeerMessage } from "../types.js";

/** A Raft message. */
export interface RaftFrame {
  readonly kind: "raft";
  readonly group: GroupId;
  readonly message: PeerMessage;
}

/** A batch on its way from the node that made it to the one that leads. */
export interface ProposalFrame {
  readonly kind: "proposal";
  readonly group: GroupId;
  readonly payload: Uint8Array;
}

/** A question to a peer. Lost ones are not told of: the caller has a deadline (calls.ts). */
export interface RequestFrame {
  readonly kind: "request";
  readonly group: GroupId;
  /** Chosen by the caller, unique in its life. */
  readonly call: number;
  readonly method: string;
  /** A safe integer or text a value: small facts, never payloads. */
  readonly params: CallParams;
  /** Goes by the lane of large things, out and back. */
  readonly isBulk: boolean;
}

/** The answer to a request. */
export interface ResponseFrame {
  readonly kind: "response";
  readonly group: GroupId;
  readonly call: number;
  readonly isBulk: boolean;
  /** Null when it worked, else a code and a text for people. */
  readonly error: { readonly code: string; readonly text: string } | null;
  readonly params: CallParams;
  readonly bytes: Uint8Array;
}

/** JSON object of small facts. */
export type CallParams = Readonly<Record<string, unknown>>;

export type PeerFrame = RaftFrame | ProposalFrame | RequestFrame | ResponseFrame;

/** How the link to a peer is. */
export interface PeerView {
  readonly id: NodeId;
  /** `host:port` that is dialled. */
  readonly address: string;
  /** Something was heard from it within the last second. */
  readonly isAlive: boolean;
}

export interface Transport {
  /**
   * Queues a frame for a peer; never blocks, never throws: what cannot be sent (unknown peer, no link, a full lane) is dropped
   * and `onUnreachable` told.
   */
  send(to: NodeId, frame: PeerFrame): void;
  /** Sets the one receiver of frames for this node; `from` is who proved to be that peer. Called once, before `start`. */
  onFrame(receiver: (from: NodeId, frame: PeerFrame) => void): void;
  /** Sets who is told that a peer could not be reached. Called once, before `start`. */
  onUnreachable(listener: (peer: NodeId) => void): void;
  /** The peers that there are from now on and where they listen; this node itself is passed over. Links to others are closed. */
  setPeers(peers: ReadonlyMap<NodeId, string>): void;
  /** The peers of the last `setPeers`. */
  peers(): readonly PeerView[];
  start(): Promise<void>;
  /** No frame is given to the receiver after. */
  stop(): Promise<void>;
}

/** Ways of a link, so that a large thing never holds up a small one. */
export type Lane = "control" | "entries" | "bulk";

/** etcd's numbers of Raft messages that carry entries or answer them: MsgApp, MsgAppResp. */
const ENTRY_MESSAGES: ReadonlySet<number> = new Set([3, 4]);

/** The lane that a frame goes by. */
export function laneOf(frame: PeerFrame): Lane {
  if (frame.kind === "raft") return ENTRY_MESSAGES.has(frame.message.kind) ? "entries" : "control";
  if (frame.kind === "proposal") return "entries";
  return frame.isBulk ? "bulk" : "entries";
}
