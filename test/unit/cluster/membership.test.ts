/** The membership as of an entry, across changes and compaction. */
import { describe, expect, test } from "vitest";
import { Membership } from "../../../cluster/membership.js";
import { EMPTY_CONF_STATE } from "../../../cluster/types.js";

const of = (...voters: string[]) => ({ ...EMPTY_CONF_STATE, voters });

describe("Membership", () => {
  test("remembers what held as of each entry", () => {
    const membership = new Membership();
    membership.reset(1, of("1"));
    membership.changed(10, of("1", "2"));
    membership.changed(20, of("1", "2", "3"));
    expect(membership.asOf(1)).toEqual(of("1"));
    expect(membership.asOf(9)).toEqual(of("1"));
    expect(membership.asOf(10)).toEqual(of("1", "2"));
    expect(membership.asOf(25)).toEqual(of("1", "2", "3"));
    expect(membership.current).toEqual(of("1", "2", "3"));
  });

  test("takes the roster of a snapshot with its votes, and goes on from it", () => {
    const member = (tag: string) => ({ peer: "", tag, wantsVote: true });
    const founding = { clusterId: "c", members: { "1": member("") }, removed: [] };
    const later = { clusterId: "c", members: { "1": member("a"), "2": member("b") }, removed: ["3"] };
    const membership = new Membership();
    membership.reset(1, { ...of("1"), roster: founding });
    membership.changed(10, { ...of("1", "2"), roster: later });
    expect(membership.roster).toEqual(later);
    membership.changed(11, of("1", "2"));
    expect(membership.roster).toEqual(later);
    membership.changed(12, of("1"), { kind: "remove", id: "2", member: null });
    expect(membership.roster.removed).toEqual(["3", "2"]);
    expect(membership.asOf(1).roster).toEqual(founding);
  });

  test("keeps the base of what may still be asked for when it forgets", () => {
    const membership = new Membership();
    membership.reset(1, of("1"));
    membership.changed(10, of("1", "2"));
    membership.changed(20, of("1", "2", "3"));
    membership.forgetBefore(15);
    expect(membership.asOf(15)).toEqual(of("1", "2"));
    expect(membership.asOf(20)).toEqual(of("1", "2", "3"));
    expect(() => membership.asOf(14)).toThrow("not known any more");
  });

  test("refuses a change that goes backwards", () => {
    const membership = new Membership();
    membership.reset(5, of("1"));
    expect(() => membership.changed(5, of("1", "2"))).toThrow("go forward");
  });

  test.each([
    [of("1"), true],
    [of("2"), false],
    [of("1", "2"), false],
    [{ ...of("1"), votersOutgoing: ["1", "2"] }, false],
  ])("knows whether a node is alone in %o", (confState, alone) => {
    const membership = new Membership();
    membership.reset(1, confState);
    expect(membership.isOnlyVoter("1")).toBe(alone);
  });
});
