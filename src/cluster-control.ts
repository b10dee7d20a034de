/**
 * Port: the group as operators see it from any node. What only the leader can do is sent to it; the answers are the leader's, whichever
 * node was asked.
 */
import type { NodeStatus } from "./broker.js";

/** A node that wants to belong. */
export interface NewMember {
  /** A positive whole number in decimal digits, never used before. */
  readonly id: string;
  /** Where peers dial it, `host:port`. */
  readonly peer: string;
  /** Of its data directory; "" when an operator announces a node that is not there yet. */
  readonly tag: string;
  /** True: voter as soon as it has caught up. False: learner for good. */
  readonly wantsVote: boolean;
}

/** What a new member has to know before its first frame. */
export interface JoinTicket {
  readonly clusterId: string;
  /** Who belongs, the new one included: id, `host:port`, role. */
  readonly members: readonly { readonly id: string; readonly peer: string; readonly role: string }[];
}

/** Every call rejects with `JangadaError` `no_leader` when there is none within its time, besides the codes named. */
export interface ClusterControl {
  /** Resolves when everything that was committed anywhere before the call is applied here (ReadIndex, Raft thesis section 6.4). */
  readBarrier(): Promise<void>;
  /** The group as its leader sees it, or with `local` as this node does (no waiting, match indexes only where it leads). */
  status(local: boolean): Promise<NodeStatus>;
  /** Resolves when the node is a learner. Asking again for the same id and tag is no error. `member_exists`, `member_removed`, `change_pending`. */
  addMember(member: NewMember): Promise<JoinTicket>;
  /** A learner gets a vote when it has caught up. `member_unknown`. */
  promoteMember(id: string): Promise<void>;
  /** Resolves when it is out. `member_unknown`, `change_pending`, `quorum_at_risk`. */
  removeMember(id: string): Promise<void>;
  /** To that voter, or to the one that is furthest. Resolves with the new leader's id. `member_unknown`, `transfer_failed`. */
  transferLeadership(to: string | null): Promise<string>;
}
