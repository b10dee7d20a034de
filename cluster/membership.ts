/**
 * Who belongs to the group, as of which entry. A snapshot at index n needs the membership as of n even when a later change
 * has been applied meanwhile, so the changes since the log's base are remembered.
 */
import { assertInvariant } from "./errors.js";
import { type ConfState, EMPTY_CONF_STATE, type LogIndex, type NodeId } from "./types.js";

export class Membership {
  /** By index, ascending; the first is the base. */
  #history: { readonly index: LogIndex; readonly confState: ConfState }[] = [];

  /** The membership in force. */
  get current(): ConfState {
    return this.#history.at(-1)?.confState ?? EMPTY_CONF_STATE;
  }

  /** Begins again from a base (start, or an installed snapshot). */
  reset(index: LogIndex, confState: ConfState): void {
    this.#history = [{ index, confState }];
  }

  /** Entry `index` changed the membership. */
  changed(index: LogIndex, confState: ConfState): void {
    assertInvariant(index > (this.#history.at(-1)?.index ?? 0), "membership changes go forward");
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

  /** Whether the group is this node alone, now and in no transition. */
  isOnlyVoter(id: NodeId): boolean {
    const { voters, votersOutgoing } = this.current;
    return voters.length === 1 && voters[0] === id && votersOutgoing.length === 0;
  }
}
