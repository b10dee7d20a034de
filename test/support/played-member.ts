/** A member whose core a test plays: what it leads, what it knows of the others, what becomes of what it proposes. */
import type { CoreStatus, MemberProgress } from "../../cluster/core-types.js";
import type { ClusterError } from "../../cluster/errors.js";
import { MemberChanges, type MetPeer } from "../../cluster/member-changes.js";
import { Membership } from "../../cluster/membership.js";
import { EMPTY_CONF_STATE, type Member, type MembershipChange, type Roster } from "../../cluster/types.js";
import type { CallingPeers } from "./calling-peers.js";
import { type HandTicker, turnOfLoop } from "./memory-group.js";

export const member = (id: string, tag = `t${id}`, wantsVote = true): Member => ({
  peer: `h${id}:1`,
  tag,
  wantsVote,
});
export const rosterOf = (...ids: string[]): Roster => ({
  clusterId: "c",
  members: Object.fromEntries(ids.map((id) => [id, member(id)])),
  removed: ["9"],
});

export class PlayedMember {
  readonly membership = new Membership();
  readonly met = new Map<string, MetPeer>();
  readonly progress = new Map<string, MemberProgress>();
  readonly proposed: MembershipChange[] = [];
  readonly transfers: string[] = [];
  dead = new Set<string>();
  isLeader: boolean;
  leaderId: string;
  isTransferring = false;
  /** The core takes no change now. */
  isBusy = false;
  /** What is proposed is applied at once. */
  isQuick = true;
  lastIndex = 100;
  readonly changes: MemberChanges;

  constructor(
    peers: CallingPeers,
    id: string,
    leaderId: string,
    voters: readonly string[],
    roster = rosterOf(...voters),
  ) {
    this.isLeader = id === leaderId;
    this.leaderId = leaderId;
    this.membership.reset(1, { ...EMPTY_CONF_STATE, voters, roster });
    for (const voter of voters) this.progress.set(voter, { match: 100, awaitsSnapshot: false });
    this.changes = new MemberChanges({
      id,
      calls: peers.join(id),
      membership: this.membership,
      status: () => this.status(),
      lastIndex: () => this.lastIndex,
      propose: (change) => this.#propose(change),
      transferLeader: (to) => this.transfers.push(to),
      met: (other) => this.met.get(other),
      isAlive: (other) => !this.dead.has(other),
      after: (delayMs, task) => peers.ticker.after(delayMs, task),
      monotonicMs: peers.ticker.monotonicMs,
    });
  }

  status(): CoreStatus {
    return {
      role: this.isLeader ? "leader" : "follower",
      leaderId: this.leaderId,
      term: 1,
      commit: this.lastIndex,
      applied: this.lastIndex,
      progress: this.progress,
      isTransferring: this.isTransferring,
    };
  }

  /** An entry is applied that says `change`. */
  apply(change: MembershipChange | null, index = this.lastIndex): void {
    if (change !== null) this.membership.changed(index, this.#votesAfter(change), change);
    this.changes.applied(index, change);
  }

  #propose(change: MembershipChange): number | null {
    if (this.isBusy) return null;
    this.proposed.push(change);
    this.lastIndex += 1;
    const index = this.lastIndex;
    if (this.isQuick) queueMicrotask(() => this.apply(change, index));
    return index;
  }

  #votesAfter({ kind, id }: MembershipChange) {
    const { voters, learners } = this.membership.current;
    const without = { voters: voters.filter((v) => v !== id), learners: learners.filter((l) => l !== id) };
    if (kind === "update") return { ...EMPTY_CONF_STATE, voters, learners };
    if (kind === "add-learner")
      return { ...EMPTY_CONF_STATE, ...without, learners: [...without.learners, id] };
    if (kind === "promote") return { ...EMPTY_CONF_STATE, ...without, voters: [...without.voters, id] };
    return { ...EMPTY_CONF_STATE, ...without };
  }
}

/** What a promise gave: its value, or the error's code. Time passes meanwhile. */
export async function outcomeOf<Result>(
  ticker: HandTicker,
  promise: Promise<Result>,
): Promise<Result | string> {
  let result: { value: Result | string } | null = null;
  promise.then(
    (value) => {
      result = { value };
    },
    (error: ClusterError) => {
      result = { value: error.code };
    },
  );
  for (let turn = 0; turn < 200 && result === null; turn += 1) {
    await turnOfLoop();
    if (result === null) ticker.tick();
  }
  if (result === null) throw new Error("it never settles");
  return (result as { value: Result | string }).value;
}
