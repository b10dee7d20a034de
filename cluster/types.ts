/**
 * The words of replication: terms, indexes, entries, hard state, configuration, snapshot metadata.
 * Plain frozen shapes; nothing here knows the engine, the disk or what the bytes mean.
 */

/** A member's id: the decimal digits of a positive integer ("1", "2", ...). Never reused after a member is removed. */
export type NodeId = string;

const NODE_ID = /^[1-9][0-9]{0,15}$/;

/** True for what can be a member's id, whoever says it. */
export function isNodeId(value: unknown): value is NodeId {
  return typeof value === "string" && NODE_ID.test(value);
}

/** Number of the Raft group on this node. There is one group today, 0; every format carries the number. */
export type GroupId = number;

/** Raft term: a safe integer, 0 before the first election. */
export type Term = number;

/** Position in the Raft log: a safe integer, the first entry after bootstrap has index 2. */
export type LogIndex = number;

/** What an entry holds: a command of the application, or a change of membership (bytes of the adapter's own). */
export const EntryKind = { Command: 0, ConfChange: 1 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

/** One entry of the Raft log. `data` is empty for the entry that a new leader writes. */
export interface Entry {
  readonly term: Term;
  readonly index: LogIndex;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must be on disk before a reply that relies on it is sent (Raft thesis, section 3.8). `vote` is "" for none. */
export interface HardState {
  readonly term: Term;
  readonly vote: NodeId;
  readonly commit: LogIndex;
}

/** What is known of a member besides its vote. */
export interface Member {
  /** Where peers dial it, `host:port`; "" for one that was never told (a group of one without a peer port). */
  readonly peer: string;
  /** Drawn at the creation of its data directory: the same id with another tag has lost its disk. "" until it was met. */
  readonly tag: string;
  /** A learner that wants a vote gets it when it has caught up. */
  readonly wantsVote: boolean;
}

/** Who is who in the group: travels with the membership, through log, snapshots and markers. */
export interface Roster {
  /** The same for all members; a stranger of another cluster is told apart by it. */
  readonly clusterId: string;
  readonly members: Readonly<Record<NodeId, Member>>;
  /** Ids that were removed: never used again. */
  readonly removed: readonly NodeId[];
}

/** The membership as of some index (joint consensus: the outgoing half is empty outside a change). */
export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  readonly learnersNext: readonly NodeId[];
  readonly autoLeave: boolean;
  /** Missing in what was written before there were peers, and then empty. */
  readonly roster?: Roster;
}

/** Where a snapshot stands: the last entry it covers, that entry's term, and the membership as of it. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly confState: ConfState;
}

/** The hard state and membership of a log that holds nothing yet. */
export const EMPTY_HARD_STATE: HardState = Object.freeze({ term: 0, vote: "", commit: 0 });
export const EMPTY_CONF_STATE: ConfState = Object.freeze({
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
});

export const EMPTY_ROSTER: Roster = Object.freeze({ clusterId: "", members: {}, removed: [] });

/** One change of membership; one is under way at a time. Its entry is what `EntryKind.ConfChange` holds. */
export interface MembershipChange {
  readonly kind: "add-learner" | "promote" | "remove" | "update";
  readonly id: NodeId;
  /** What the roster says of the member from then on; `null` for a removal. */
  readonly member: Member | null;
}

/**
 * etcd's numbers of what members say to each other: MsgApp, MsgAppResp, MsgVote, MsgVoteResp, MsgSnap, MsgHeartbeat, MsgHeartbeatResp,
 * MsgTimeoutNow, MsgPreVote, MsgPreVoteResp. The others a node says to its own core, or they go a way of their own here (proposals, reads,
 * transfers) whose rules a peer would get around with them.
 */
export const PEER_MESSAGE_KINDS: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 8, 9, 14, 17, 18]);

/**
 * A message of the Raft protocol on its way to a peer, as the core gave it. `kind` is the core's own number (etcd's MessageType), one
 * of `PEER_MESSAGE_KINDS`.
 * Frozen by convention: it may be shared between sender and receiver within one process.
 */
export interface PeerMessage {
  readonly kind: number;
  readonly to: NodeId;
  readonly from: NodeId;
  readonly term: Term;
  readonly logTerm: Term;
  readonly index: LogIndex;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
  /** Set in the offer of a snapshot; its bytes travel by themselves. */
  readonly snapshot: SnapshotMeta | null;
  readonly reject: boolean;
  readonly rejectHint: LogIndex;
  /** Context of a linearizable read or of a transfer, "" for none. */
  readonly context: string;
}
