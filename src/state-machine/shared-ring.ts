/**
 * Whose turn it is: the members that may be given a message, in the order of their sessions' numbers, one after the other. All that counts is
 * who is in it and who was last, so that a node that restarts goes on with the same one.
 */
import { firstIndex } from "./first-index.js";
import type { SharedMember } from "./shared-member.js";

export class SharedRing {
  /** Session that had its turn last; 0 for none. */
  last = 0;
  readonly #members: SharedMember[] = [];
  /** How many of them have a granted QoS above 0. */
  #acknowledging = 0;

  /** Puts the member in, or takes it out. */
  set(member: SharedMember, isIn: boolean): void {
    const at = this.#firstAfter(member.session.number - 1);
    const wasIn = this.#members[at] === member;
    if (wasIn === isIn) return;
    this.#members.splice(at, wasIn ? 1 : 0, ...(wasIn ? [] : [member]));
    if (member.qos > 0) this.#acknowledging += wasIn ? -1 : 1;
  }

  /** The next one; with `acknowledges` the next one that does. */
  next(acknowledges: boolean): SharedMember | undefined {
    const members = this.#members;
    if (acknowledges && this.#acknowledging === 0) return undefined;
    let at = this.#firstAfter(this.last);
    for (let tries = members.length; tries > 0; tries -= 1) {
      const member = members[at] ?? members[0];
      if (member === undefined) return undefined;
      if (!acknowledges || member.qos > 0) {
        this.last = member.session.number;
        return member;
      }
      at = at < members.length ? at + 1 : 1;
    }
    return undefined;
  }

  /** Index of the first member whose number is greater. */
  #firstAfter(number: number): number {
    return firstIndex(this.#members, (member) => member.session.number > number);
  }
}
