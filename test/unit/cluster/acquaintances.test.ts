/** Who is let in, and why the others are not. */
import { describe, expect, test } from "vitest";
import { Acquaintances } from "../../../cluster/acquaintances.js";
import type { PeerIdentity } from "../../../cluster/transport/handshake.js";
import { EMPTY_ROSTER, type Roster } from "../../../cluster/types.js";

const member = (tag: string) => ({ peer: "h:1", tag, wantsVote: true });
const ROSTER: Roster = {
  clusterId: "c",
  members: { "1": member("t1"), "2": member("t2"), "3": member("") },
  removed: ["7"],
};

const hello = (id: string, tag = `t${id}`, clusterId = "c"): PeerIdentity => ({
  id,
  tag,
  clusterId,
  address: `h${id}:1`,
});

describe("a member of a group", () => {
  test.each<[string, PeerIdentity, string | null]>([
    ["a member", hello("2"), null],
    ["a member that knows no cluster yet", hello("2", "t2", ""), null],
    ["a member of another cluster", hello("2", "t2", "d"), "wrong_cluster"],
    ["a stranger of another cluster", hello("5", "t5", "d"), "wrong_cluster"],
    ["a member with another disk", hello("2", "other"), "member_wiped"],
    ["a member with another disk that knows no cluster", hello("2", "other", ""), "member_wiped"],
    ["one that was removed", hello("7"), "member_removed"],
    ["one that was removed, with a new disk", hello("7", "new", ""), "member_removed"],
    ["one that was added by an entry to come", hello("5"), null],
    ["one that nobody added, and that knows no cluster", hello("5", "t5", ""), "member_unknown"],
    ["a member whose tag is not known", hello("3", "whatever"), null],
  ])("takes %s", (_who, identity, refusal) => {
    expect(new Acquaintances(() => ROSTER).refusalOf(identity)).toBe(refusal);
  });

  test("takes the first tag that it meets for the member's, until one is written down", () => {
    let roster = ROSTER;
    const acquaintances = new Acquaintances(() => roster);
    acquaintances.meet(hello("3", "first"));
    expect(acquaintances.refusalOf(hello("3", "first"))).toBeNull();
    expect(acquaintances.refusalOf(hello("3", "second"))).toBe("member_wiped");
    roster = { ...ROSTER, members: { ...ROSTER.members, "3": member("second") } };
    expect(acquaintances.refusalOf(hello("3", "first"))).toBe("member_wiped");
    expect(acquaintances.refusalOf(hello("3", "second"))).toBeNull();
  });

  test("takes who it was told of before the membership says so", () => {
    const acquaintances = new Acquaintances(() => ROSTER);
    acquaintances.expect(new Map([["5", "h5:1"]]));
    expect(acquaintances.refusalOf(hello("5", "t5", ""))).toBeNull();
    expect(acquaintances.refusalOf(hello("6", "t6", ""))).toBe("member_unknown");
  });
});

test("who knows no group yet takes anybody", () => {
  const acquaintances = new Acquaintances(() => EMPTY_ROSTER);
  expect(acquaintances.refusalOf(hello("4", "t", "some"))).toBeNull();
});

test("remembers what was said last by those that were met", () => {
  const acquaintances = new Acquaintances(() => ROSTER);
  expect(acquaintances.get("2")).toBeUndefined();
  acquaintances.meet(hello("2"));
  acquaintances.meet({ ...hello("2"), address: "moved:2" });
  expect(acquaintances.get("2")).toEqual({ peer: "moved:2", tag: "t2" });
});

describe("who is dialled", () => {
  const members = new Map([
    ["1", "h:1"],
    ["2", "h:2"],
  ]);

  test("also those who are not in the membership yet, until they are in it or were removed", () => {
    let roster = ROSTER;
    const acquaintances = new Acquaintances(() => roster);
    acquaintances.expect(new Map([["6", "h6:1"]]));
    acquaintances.meet(hello("2"));
    acquaintances.meet(hello("5"));
    expect([...acquaintances.reachable(members)]).toEqual([["5", "h5:1"], ...members]);
    roster = { ...ROSTER, removed: ["7", "5"] };
    expect([...acquaintances.reachable(members)]).toEqual([...members]);
  });

  test("those whom a newcomer was told of, and whoever comes besides", () => {
    const acquaintances = new Acquaintances(() => EMPTY_ROSTER);
    acquaintances.expect(new Map([["6", "h6:1"]]));
    acquaintances.meet(hello("5"));
    expect([...acquaintances.reachable(new Map())]).toEqual([
      ["6", "h6:1"],
      ["5", "h5:1"],
    ]);
  });
});
