/**
 * Changes of membership, one at a time, made by the leader on behalf of whoever asked on whichever node; and the leader's own chores:
 * it writes down what it learns of its members and gives a learner that has caught up its vote.
 */
import type { Calls } from "./calls.js";
import type { CoreStatus } from "./core-types.js";
import { ClusterError } from "./errors.js";
import type { Membership } from "./membership.js";
import { pause } from "./pause.js";
import type { CallParams } from "./transport/transport.js";
import { isNodeId, type LogIndex, type Member, type MembershipChange, type NodeId } from "./types.js";

/** What a peer said of itself when it was met. */
export interface MetPeer {
  readonly peer: string;
  readonly tag: string;
}

export interface MemberChangesOptions {
  readonly id: NodeId;
  readonly calls: Calls;
  readonly membership: Membership;
  readonly status: () => CoreStatus;
  readonly lastIndex: () => LogIndex;
  /** Proposes; the index of the change's entry, or `null`. */
  readonly propose: (change: MembershipChange) => LogIndex | null;
  readonly transferLeader: (to: NodeId) => void;
  /** What is known first hand of a member, this node included; `undefined` before it was met. */
  readonly met: (id: NodeId) => MetPeer | undefined;
  readonly isAlive: (id: NodeId) => boolean;
  readonly after: (delayMs: number, task: () => void) => () => void;
  readonly monotonicMs: () => number;
}

/** From the question to the answer, elections included. */
const PATIENCE_MS = 10_000;
const ATTEMPT_MS = 4_000;
const PAUSE_MS = 50;
/** A learner this near to the end of the log has caught up. */
const CAUGHT_UP_ENTRIES = 64;
const METHODS = {
  add: "member-add",
  promote: "member-promote",
  remove: "member-remove",
  transfer: "transfer",
} as const;

interface Pending {
  readonly index: LogIndex;
  readonly change: MembershipChange;
  readonly settle: (isApplied: boolean) => void;
}

export class MemberChanges {
  readonly #options: MemberChangesOptions;
  /** The change that this leader proposed last, until it is applied or overwritten. */
  #pending: Pending | null = null;

  constructor(options: MemberChangesOptions) {
    this.#options = options;
    const { calls } = options;
    calls.handle(METHODS.add, async (_from, params) => this.#add(params));
    calls.handle(METHODS.promote, async (_from, params) => this.#promote(idOf(params)));
    calls.handle(METHODS.remove, async (_from, params) => this.#remove(idOf(params)));
    calls.handle(METHODS.transfer, async (_from, params) => this.#transfer(params));
  }

  /** Makes a node a learner. Resolves when that is committed; rejects with `member_exists`, `member_removed`, `no_leader`. */
  async add(id: NodeId, member: Member): Promise<void> {
    await this.#onLeader(METHODS.add, { id, ...member }, (params) => this.#add(params));
  }

  /** A learner is to get a vote when it has caught up. Rejects with `member_unknown`, `no_leader`. */
  async promote(id: NodeId): Promise<void> {
    await this.#onLeader(METHODS.promote, { id }, () => this.#promote(id));
  }

  /**
   * Takes a member out. Resolves when the others can do without it, whatever they go through. Rejects with `member_unknown`,
   * `quorum_at_risk`, `no_leader`.
   */
  async remove(id: NodeId): Promise<void> {
    await this.#onLeader(METHODS.remove, { id }, () => this.#remove(id));
  }

  /** Hands the leadership to `to`, or to the voter that is furthest (""). Gives the new leader. Rejects with `transfer_failed`, `member_unknown`. */
  async transfer(to: NodeId | ""): Promise<NodeId> {
    const { params } = await this.#onLeader(METHODS.transfer, { id: to }, (given) => this.#transfer(given));
    return idOf({ id: params["leaderId"] });
  }

  /** An entry was applied; `change` is what it said if it was one of membership. */
  applied(index: LogIndex, change: MembershipChange | null): void {
    if (this.#pending === null || index < this.#pending.index) return;
    const { settle, change: mine } = this.#pending;
    this.#pending = null;
    // At its index may stand what another leader wrote.
    settle(change !== null && JSON.stringify(change) === JSON.stringify(mine));
  }

  /** One thing that is due, if this node leads and nothing is under way. Called now and then. */
  chore(): void {
    const { status } = this.#options;
    if (this.#pending !== null || status().role !== "leader" || status().isTransferring) return;
    const change = this.#dueUpdate() ?? this.#duePromotion();
    if (change !== null) void this.#propose(change).catch(() => undefined);
  }

  /** On a leader: every member's tag is known and on every member's disk. */
  get isFounded(): boolean {
    const { status, membership } = this.#options;
    const { progress, role, applied } = status();
    if (role !== "leader" || this.#pending !== null) return false;
    const members = Object.entries(membership.roster.members);
    return members.every(([id, { tag }]) => tag !== "" && (progress.get(id)?.match ?? 0) >= applied);
  }

  /** Members whose tags are not written down yet. */
  get unmet(): readonly NodeId[] {
    return Object.entries(this.#options.membership.roster.members)
      .filter(([, { tag }]) => tag === "")
      .map(([id]) => id);
  }

  /** What the roster does not say yet of somebody who was met. */
  #dueUpdate(): MembershipChange | null {
    const { membership, met } = this.#options;
    for (const [id, member] of Object.entries(membership.roster.members)) {
      const first = met(id);
      if (first === undefined) continue;
      const isNews = member.tag === "" || (member.tag === first.tag && member.peer !== first.peer);
      if (isNews) return { kind: "update", id, member: { ...member, ...first } };
    }
    return null;
  }

  #duePromotion(): MembershipChange | null {
    const { membership, status, lastIndex, isAlive } = this.#options;
    for (const id of membership.current.learners) {
      const member = membership.roster.members[id];
      const progress = status().progress.get(id);
      if (member?.wantsVote !== true || progress === undefined || progress.awaitsSnapshot) continue;
      if (isAlive(id) && progress.match > 0 && progress.match + CAUGHT_UP_ENTRIES >= lastIndex()) {
        return { kind: "promote", id, member };
      }
    }
    return null;
  }

  /** Does it here if this node leads, else asks the leader; goes on asking while there is none. */
  async #onLeader(
    method: string,
    params: CallParams,
    here: (params: CallParams) => Promise<{ readonly params?: CallParams }>,
  ): Promise<{ readonly params: CallParams }> {
    const { status, calls, monotonicMs, after } = this.#options;
    const deadlineMs = monotonicMs() + PATIENCE_MS;
    for (;;) {
      const { role, leaderId } = status();
      try {
        if (role === "leader") return { params: {}, ...(await here(params)) };
        if (leaderId !== "") return await calls.call(leaderId, method, params, { timeoutMs: ATTEMPT_MS });
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      if (monotonicMs() >= deadlineMs) throw noLeader();
      await pause(after, PAUSE_MS);
    }
  }

  async #add(params: CallParams): Promise<{ readonly params?: CallParams }> {
    const id = idOf(params);
    const member = memberOf(params);
    const { membership } = this.#options;
    const { roster } = membership;
    this.#assertLeads();
    if (roster.removed.includes(id)) {
      throw new ClusterError(
        "member_removed",
        `node ${id} was removed; ids are never used again: choose a new one`,
      );
    }
    const known = roster.members[id];
    if (known !== undefined || membership.includes(id)) {
      if (known !== undefined && isSameNode(known, member)) return {};
      throw new ClusterError(
        "member_exists",
        `node ${id} is a member, with another address or another data directory: bring that back, or choose a new id (and remove the member whose disk is lost)`,
      );
    }
    await this.#propose({ kind: "add-learner", id, member });
    return {};
  }

  async #promote(id: NodeId): Promise<{ readonly params?: CallParams }> {
    const member = this.#memberHere(id);
    if (!member.wantsVote)
      await this.#propose({ kind: "update", id, member: { ...member, wantsVote: true } });
    return {};
  }

  async #remove(id: NodeId): Promise<{ readonly params?: CallParams }> {
    this.#assertLeads();
    const { membership, id: own } = this.#options;
    if (!membership.roster.removed.includes(id)) {
      this.#memberHere(id);
      this.#checkQuorumWithout(id);
      if (id === own) {
        // A leader that is taken out would lead on: another one does it.
        await this.#transfer({ id: "" });
        throw noLeader();
      }
      await this.#propose({ kind: "remove", id, member: null });
    }
    await this.#settle();
    return {};
  }

  /**
   * Whoever hears that a member is out may switch it off, and lose one more: a majority of those who are left has to have it on disk. It has
   * when an entry behind it is committed, as that came to each of them together with the commit of the one before.
   */
  async #settle(): Promise<void> {
    const { id } = this.#options;
    await this.#propose({ kind: "update", id, member: this.#memberHere(id) });
  }

  async #transfer(params: CallParams): Promise<{ readonly params: CallParams }> {
    this.#assertLeads();
    const { id, status, isAlive, monotonicMs, after, transferLeader } = this.#options;
    const to = params["id"] === "" ? this.#furthestVoter() : idOf(params);
    if (to === id) return { params: { leaderId: id } };
    if (!this.#options.membership.current.voters.includes(to)) {
      throw new ClusterError("member_unknown", `node ${to} is no voter; GET /cluster lists the members`);
    }
    // Writes stand still while somebody is waited for who cannot answer.
    if (!isAlive(to)) throw new ClusterError("transfer_failed", `node ${to} cannot be reached`);
    const deadlineMs = monotonicMs() + ATTEMPT_MS / 2;
    transferLeader(to);
    while (monotonicMs() < deadlineMs) {
      const { leaderId } = status();
      if (leaderId !== id && leaderId !== "") return { params: { leaderId } };
      await pause(after, PAUSE_MS);
    }
    throw new ClusterError("transfer_failed", `node ${to} did not take the leadership over in time`);
  }

  #furthestVoter(): NodeId {
    const { id, status, membership, isAlive } = this.#options;
    const { progress } = status();
    const others = membership.current.voters.filter((voter) => voter !== id && isAlive(voter));
    const match = (voter: NodeId): LogIndex => progress.get(voter)?.match ?? 0;
    const best = others.sort((a, b) => match(b) - match(a))[0];
    if (best === undefined) throw new ClusterError("transfer_failed", "no other voter is alive");
    return best;
  }

  #checkQuorumWithout(id: NodeId): void {
    const { membership, isAlive } = this.#options;
    const { voters } = membership.current;
    if (!voters.includes(id)) return;
    const left = voters.filter((voter) => voter !== id);
    const alive = left.filter((voter) => voter === this.#options.id || isAlive(voter));
    if (alive.length > left.length / 2) return;
    throw new ClusterError(
      "quorum_at_risk",
      `without node ${id} there would be ${left.length} voters, of which ${alive.length} are alive: start or add others first`,
    );
  }

  #memberHere(id: NodeId): Member {
    this.#assertLeads();
    const member = this.#options.membership.roster.members[id];
    if (member === undefined)
      throw new ClusterError("member_unknown", `there is no node ${id}; GET /cluster lists the members`);
    return member;
  }

  #assertLeads(): void {
    if (this.#options.status().role !== "leader") throw noLeader();
  }

  /** Resolves when the change is applied. Rejects with `change_pending`, or `no_leader` when it was lost with the leadership. */
  #propose(change: MembershipChange): Promise<void> {
    return new Promise((resolve, reject) => {
      const index = this.#pending === null ? this.#options.propose(change) : null;
      if (index === null) {
        reject(new ClusterError("change_pending", "another change of membership is under way; retry"));
        return;
      }
      const cancel = this.#options.after(ATTEMPT_MS, () => {
        if (this.#pending?.index === index) this.#pending = null;
        reject(noLeader());
      });
      const settle = (applied: boolean): void => {
        cancel();
        if (applied) resolve();
        else reject(noLeader());
      };
      this.#pending = { index, change, settle };
    });
  }
}

/** What is none would stand in the log, for every node to apply. Throws `call_failed`. */
function idOf({ id }: CallParams): NodeId {
  if (isNodeId(id)) return id;
  throw new ClusterError("call_failed", "a peer names a node by what is no id");
}

/** The same of what is no text. Throws `call_failed`. */
function memberOf({ peer, tag, wantsVote }: CallParams): Member {
  const [address, directory] = [peer ?? "", tag ?? ""];
  if (typeof address === "string" && typeof directory === "string")
    return { peer: address, tag: directory, wantsVote: wantsVote === true };
  throw new ClusterError("call_failed", "a peer describes a node by what is no text");
}

/** The tag tells a data directory, wherever it is now; where one is not known yet the address has to do. */
function isSameNode(known: Member, asking: Member): boolean {
  if (known.tag !== "" && asking.tag !== "") return known.tag === asking.tag;
  return known.peer === asking.peer;
}

/** Worth asking again: an election, a lost frame, another change that is nearly done. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof ClusterError && ["no_leader", "call_timeout", "change_pending"].includes(error.code)
  );
}

function noLeader(): ClusterError {
  return new ClusterError("no_leader", "the group has no leader that could do it now; retry");
}
