/**
 * What goes into the consensus core and what comes out of it, in the words of types.ts: the shapes that the adapter (raft-core.ts)
 * and its callers share.
 */
import type { LogStore } from "./log/log-store.js";
import type {
  ConfState,
  Entry,
  HardState,
  LogIndex,
  NodeId,
  PeerMessage,
  SnapshotMeta,
  Term,
} from "./types.js";

/** Who leads and what this node is. */
export type CoreRole = "follower" | "candidate" | "leader";

export interface CoreOptions {
  readonly id: NodeId;
  readonly log: LogStore;
  readonly hardState: HardState;
  readonly confState: ConfState;
  /** Last entry that the state machine already holds. */
  readonly applied: LogIndex;
  /** 0 (included) to 1 (excluded): the election timeout's only source of chance. */
  readonly random: () => number;
  readonly onWarning: (text: string) => void;
  /** Ticks without a leader before an election, and between heartbeats. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Payload bytes of one append to a peer, and of what is applied in one round. */
  readonly messageBytesMax: number;
  readonly applyBytesMax: number;
  /** Payload bytes proposed and not committed, past which proposals are dropped. */
  readonly uncommittedBytesMax: number;
  readonly inflightMessagesMax: number;
}

/** One round of work: persist, then send, then apply, then `advance` (Raft thesis, section 10.2). */
export interface CoreReady {
  /** Set when term, vote or commit changed. */
  readonly hardState: HardState | null;
  /** To be persisted. */
  readonly entries: readonly Entry[];
  /** To be persisted and installed before `committed` is applied. */
  readonly snapshot: SnapshotMeta | null;
  /** To be sent after `hardState`, `entries` and `snapshot` are on disk. */
  readonly messages: readonly PeerMessage[];
  /** To be applied after `entries` are on disk (a single voter has the same entries in both). */
  readonly committed: readonly Entry[];
  /** Contexts of linearizable reads that may be answered once `index` is applied. */
  readonly reads: readonly { readonly context: string; readonly index: LogIndex }[];
}

/** How far a member is, as its leader knows. */
export interface MemberProgress {
  /** Highest index known to be on its disk. */
  readonly match: LogIndex;
  /** It was sent a snapshot and gets no entries until it has it, or until that failed. */
  readonly awaitsSnapshot: boolean;
}

export interface CoreStatus {
  readonly role: CoreRole;
  readonly leaderId: NodeId | "";
  readonly term: Term;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  /** What a leader knows of each member, itself included; empty elsewhere. */
  readonly progress: ReadonlyMap<NodeId, MemberProgress>;
  /** A leader that is handing over: it takes no proposals. */
  readonly isTransferring: boolean;
}
