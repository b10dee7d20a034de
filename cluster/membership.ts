/**
 * Who belongs to the group, as of which entry. A snapshot at index n needs the membership as of n even when a later change
 * has been applied meanwhile, so the changes since the log's base are remembered.
 */
import { assertInvariant } from "./errors.js";
import {
  type ConfState,
  EMPTY_CONF_STATE,
  EMPTY_ROSTER,
  type LogIndex,
  type MembershipChange,
  type NodeId,
  type Roster,
} from "./types.js";

/** The membership from one entry on. */
interface Moment {
  readonly index: LogIndex;
  readonly confState: ConfState;
}

/** The roster after a change. Pure. */
export function rosterAfter(roster: Roster, change: MembershipChange): Roster {
  const { [change.id]: _before, ...others } = roster.members;
  if (change.kind === "remove") {
    return { ...roster, members: others, removed: [...roster.removed, change.id] };
  }
  return change.member === null ? roster : { ...roster, members: { ...others, [change.id]: change.member } };
}

export class Membership {
  /** By index, ascending; the first is the base. */
  #history: Moment[] = [];
  readonly #addedAt = new Map<NodeId, LogIndex>();

  /** The membership in force. */
  get current(): ConfState {
    return this.#history.at(-1)?.confState ?? EMPTY_CONF_STATE;
  }

  get roster(): Roster {
    return this.current.roster ?? EMPTY_ROSTER;
  }

  /** Begins again from a base (start, or an installed snapshot). */
  reset(index: LogIndex, confState: ConfState): void {
    this.#history = [{ index, confState }];
    this.#addedAt.clear();
  }

  /**
   * Entry `index` changed the votes to `votes`, and said `change` (`null`: nothing of the roster). Votes that come with a roster (a
   * snapshot's) bring it along.
   */
  changed(index: LogIndex, votes: ConfState, change: MembershipChange | null = null): void {
    assertInvariant(index > (this.#history.at(-1)?.index ?? 0), "membership changes go forward");
    const known = votes.roster ?? this.roster;
    const roster = change === null ? known : rosterAfter(known, change);
    if (change?.kind === "add-learner") this.#addedAt.set(change.id, index);
    const confState = roster === EMPTY_ROSTER ? votes : { ...votes, roster };
    this.#history.push({ index, confState });
  }

  /** The membership after entry `index` was applied. `index` is not below the base. */
  asOf(index: LogIndex): ConfState {
    const known = this.#history.findLast((change) => change.index <= index);
    assertInvariant(known !== undefined, `the membership as of entry ${index} is not known any more`);
    return known.confState;
  }

  /** Nothing before `index` will be asked for again. */
  forgetBefore(index: LogIndex): void {
    const base = this.asOf(index);
    this.#history = [{ index, confState: base }, ...this.#history.filter((change) => change.index > index)];
  }

  /** Voter or learner, now or in the half of a change that is under way. */
  includes(id: NodeId): boolean {
    const { voters, learners, votersOutgoing, learnersNext } = this.current;
    return [voters, learners, votersOutgoing, learnersNext].some((ids) => ids.includes(id));
  }

  /** Index of the entry that added a member, 0 when it was there from the base on. */
  addedAt(id: NodeId): LogIndex {
    return this.#addedAt.get(id) ?? 0;
  }

  /** Every member with the address where peers dial it ("" for none). */
  addresses(): Map<NodeId, string> {
    const { voters, learners, votersOutgoing, learnersNext } = this.current;
    const ids = new Set([...voters, ...learners, ...votersOutgoing, ...learnersNext]);
    return new Map([...ids].map((id) => [id, this.roster.members[id]?.peer ?? ""]));
  }

  /** Whether the group is this node alone, now and in no transition. */
  isOnlyVoter(id: NodeId): boolean {
    const { voters, votersOutgoing } = this.current;
    return voters.length === 1 && voters[0] === id && votersOutgoing.length === 0;
  }
}
