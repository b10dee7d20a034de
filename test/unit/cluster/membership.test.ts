/** The membership as of an entry, across changes and compaction. */
import { describe, expect, test } from "vitest";
import { Membership } from "../../../cluster/membership.js";
import { EMPTY_CONF_STATE, type Member, type Roster } from "../../../cluster/types.js";

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

  describe("with a roster", () => {
    const member = (peer: string, tag = ""): Member => ({ peer, tag, wantsVote: true });
    const roster: Roster = { clusterId: "c", members: { "1": member("a:1", "t1") }, removed: [] };
    const founded = (): Membership => {
      const membership = new Membership();
      membership.reset(1, { ...of("1"), roster });
      return membership;
    };

    test("who is added has an address, and is known to have come with that entry", () => {
      const membership = founded();
      const votes = { ...of("1"), learners: ["2"] };
      membership.changed(10, votes, { kind: "add-learner", id: "2", member: member("b:2", "t2") });
      expect(membership.current).toEqual({
        ...votes,
        roster: { ...roster, members: { ...roster.members, "2": member("b:2", "t2") } },
      });
      expect(membership.addresses()).toEqual(
        new Map([
          ["1", "a:1"],
          ["2", "b:2"],
        ]),
      );
      expect([membership.addedAt("1"), membership.addedAt("2")]).toEqual([0, 10]);
      expect([membership.includes("2"), membership.includes("3")]).toEqual([true, false]);
      expect(membership.asOf(9).roster).toEqual(roster);
      membership.reset(20, membership.current);
      expect(membership.addedAt("2")).toBe(0);
    });

    test("who is removed is remembered for ever, whoever else comes", () => {
      const membership = founded();
      membership.changed(10, of("1", "2"), { kind: "add-learner", id: "2", member: member("b:2") });
      membership.changed(11, of("1"), { kind: "remove", id: "2", member: null });
      membership.changed(12, of("1", "3"), { kind: "add-learner", id: "3", member: member("c:3") });
      expect(membership.roster.removed).toEqual(["2"]);
      expect(Object.keys(membership.roster.members)).toEqual(["1", "3"]);
      expect(membership.addresses().has("2")).toBe(false);
    });

    test("an update changes what is said of a member and no vote", () => {
      const membership = founded();
      membership.changed(10, of("1"), { kind: "update", id: "1", member: member("a:9", "t1") });
      expect(membership.current.voters).toEqual(["1"]);
      expect(membership.roster.members["1"]).toEqual(member("a:9", "t1"));
      expect(membership.addedAt("1")).toBe(0);
    });

    test("a change that says nothing of it, as other releases may write one, leaves it as it is", () => {
      const membership = founded();
      membership.changed(10, of("1", "2"));
      expect(membership.roster).toEqual(roster);
      membership.changed(11, of("1", "2"), { kind: "update", id: "1", member: null });
      expect(membership.roster).toEqual(roster);
    });

    test("a later snapshot brings its own: nothing between the base and it is forgotten", () => {
      const membership = founded();
      const later: Roster = {
        clusterId: "c",
        members: { "1": member("a:1", "t1"), "3": member("c:3", "t3") },
        removed: ["2"],
      };
      membership.changed(50, { ...of("1", "3"), roster: later });
      expect(membership.roster).toEqual(later);
      membership.changed(60, of("1"), { kind: "remove", id: "3", member: null });
      expect(membership.roster.removed).toEqual(["2", "3"]);
    });

    test("one without a peer port has no address, and neither has a voter that no roster names", () => {
      const membership = new Membership();
      membership.reset(1, of("1"));
      expect(membership.addresses()).toEqual(new Map([["1", ""]]));
      expect(membership.roster).toEqual({ clusterId: "", members: {}, removed: [] });
    });
  });
});
