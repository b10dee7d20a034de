/** Changes of membership as asked for on any node, made by the leader one at a time. */
import { beforeEach, describe, expect, test } from "vitest";
import type { MemberChanges } from "../../../cluster/member-changes.js";
import type { MembershipChange } from "../../../cluster/types.js";
import { CallingPeers } from "../../support/calling-peers.js";
import { HandTicker, turnOfLoop } from "../../support/memory-group.js";
import { member, outcomeOf, PlayedMember } from "../../support/played-member.js";

let ticker: HandTicker;
let peers: CallingPeers;

beforeEach(() => {
  ticker = new HandTicker();
  peers = new CallingPeers(ticker);
});

const outcome = <Result>(promise: Promise<Result>): Promise<Result | string> => outcomeOf(ticker, promise);

const THREE = ["1", "2", "3"];

describe.each([
  ["on the leader", "1"],
  ["through another node", "2"],
])("asked %s", (_where, asked) => {
  let leader: PlayedMember;
  let changes: MemberChanges;

  beforeEach(() => {
    leader = new PlayedMember(peers, "1", "1", THREE);
    changes = asked === "1" ? leader.changes : new PlayedMember(peers, "2", "1", THREE).changes;
  });

  test("adding makes a learner; again is no error and no second change", async () => {
    expect(await outcome(changes.add("4", member("4")))).toBeUndefined();
    expect(leader.membership.current.learners).toEqual(["4"]);
    expect(leader.membership.roster.members["4"]).toEqual(member("4"));
    expect(await outcome(changes.add("4", member("4")))).toBeUndefined();
    expect(await outcome(changes.add("4", member("4", "")))).toBeUndefined();
    expect(leader.proposed).toHaveLength(1);
  });

  test("who was announced without a tag may come with one; who has one keeps it", async () => {
    await outcome(changes.add("4", member("4", "")));
    expect(await outcome(changes.add("4", member("4", "t4")))).toBeUndefined();
    expect(await outcome(changes.add("3", member("3", "of another disk")))).toBe("member_exists");
    expect(await outcome(changes.add("9", member("9")))).toBe("member_removed");
  });

  test("the same disk at another address is the same node; another node at no tag is not", async () => {
    const moved = { ...member("3"), peer: "elsewhere:1" };
    expect(await outcome(changes.add("3", moved))).toBeUndefined();
    expect(await outcome(changes.add("3", { ...moved, tag: "" }))).toBe("member_exists");
    expect(leader.proposed).toEqual([]);
  });

  test("promoting says that a learner wants its vote", async () => {
    await outcome(changes.add("4", member("4", "t4", false)));
    expect(await outcome(changes.promote("4"))).toBeUndefined();
    expect(leader.membership.roster.members["4"]?.wantsVote).toBe(true);
    expect(leader.membership.current.learners).toEqual(["4"]);
    expect(await outcome(changes.promote("4"))).toBeUndefined();
    expect(leader.proposed.map(({ kind }) => kind)).toEqual(["add-learner", "update"]);
    expect(await outcome(changes.promote("8"))).toBe("member_unknown");
  });

  test("removing takes out, once", async () => {
    expect(await outcome(changes.remove("3"))).toBeUndefined();
    expect(leader.membership.current.voters).toEqual(["1", "2"]);
    expect(leader.membership.roster.removed).toEqual(["9", "3"]);
    expect(await outcome(changes.remove("3"))).toBeUndefined();
    // Each answer is that of an entry behind it.
    expect(leader.proposed.map(({ kind }) => kind)).toEqual(["remove", "update", "update"]);
    expect(await outcome(changes.remove("8"))).toBe("member_unknown");
  });

  test("transferring gives the new leader's name", async () => {
    const transferred = outcome(changes.transfer("3"));
    await turnOfLoop();
    expect(leader.transfers).toEqual(["3"]);
    leader.isLeader = false;
    leader.leaderId = "3";
    expect(await transferred).toBe("3");
  });

  test("to whom it is handed is a voter, alive and another", async () => {
    await outcome(changes.add("4", member("4")));
    expect(await outcome(changes.transfer("4"))).toBe("member_unknown");
    expect(await outcome(changes.transfer("8"))).toBe("member_unknown");
    expect(await outcome(changes.transfer("1"))).toBe("1");
    leader.dead.add("3");
    expect(await outcome(changes.transfer("3"))).toBe("transfer_failed");
    expect(leader.transfers).toEqual([]);
  });

  test("without a name the leadership goes to the one that is furthest of those alive", async () => {
    leader.progress.set("2", { match: 90, awaitsSnapshot: false });
    leader.progress.set("3", { match: 95, awaitsSnapshot: false });
    expect(await outcome(changes.transfer(""))).toBe("transfer_failed");
    leader.dead.add("3");
    expect(await outcome(changes.transfer(""))).toBe("transfer_failed");
    expect(leader.transfers).toEqual(["3", "2"]);
    leader.dead.add("2");
    expect(await outcome(changes.transfer(""))).toBe("transfer_failed");
    expect(leader.transfers).toHaveLength(2);
  });

  test("a change waits while another is under way, and is told so when that lasts", async () => {
    leader.isBusy = true;
    const added = outcome(changes.add("4", member("4")));
    for (let turn = 0; turn < 20; turn += 1) {
      ticker.tick();
      await turnOfLoop();
    }
    leader.isBusy = false;
    expect(await added).toBeUndefined();
    expect(leader.proposed).toHaveLength(1);
  });
});

describe("the quorum", () => {
  test.each<[string, readonly string[], readonly string[], string, string | undefined]>([
    ["three, all alive", THREE, [], "3", undefined],
    ["three, the one that goes is dead", THREE, ["3"], "3", undefined],
    ["three, another one is dead", THREE, ["2"], "3", "quorum_at_risk"],
    ["two, the other one is dead", ["1", "2"], ["2"], "2", undefined],
    ["five, two others are dead", ["1", "2", "3", "4", "5"], ["2", "4"], "3", "quorum_at_risk"],
    ["five, one other is dead", ["1", "2", "3", "4", "5"], ["2"], "3", undefined],
    ["the last one", ["1"], [], "1", "quorum_at_risk"],
  ])("of %s", async (_what, voters, dead, id, code) => {
    const leader = new PlayedMember(peers, "1", "1", voters);
    leader.dead = new Set(dead);
    expect(await outcome(leader.changes.remove(id))).toBe(code);
  });

  test("is not touched by a learner that goes", async () => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    await outcome(leader.changes.add("4", member("4")));
    leader.dead = new Set(["2"]);
    expect(await outcome(leader.changes.remove("4"))).toBeUndefined();
  });
});

describe("a leader that is taken out", () => {
  test("hands over first, and the next leader takes it out", async () => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    const next = new PlayedMember(peers, "2", "1", THREE);
    const removed = outcome(leader.changes.remove("1"));
    await turnOfLoop();
    expect(leader.transfers).toEqual(["2"]);
    leader.isLeader = false;
    leader.leaderId = "2";
    next.isLeader = true;
    next.leaderId = "2";
    expect(await removed).toBeUndefined();
    expect(leader.proposed).toEqual([]);
    expect(next.proposed).toEqual([
      { kind: "remove", id: "1", member: null },
      { kind: "update", id: "2", member: next.membership.roster.members["2"] },
    ]);
  });

  test("says so when nobody takes over", async () => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    expect(await outcome(leader.changes.remove("1"))).toBe("transfer_failed");
    expect(leader.proposed).toEqual([]);
  });
});

describe("a change that is lost", () => {
  test("with the leadership is asked for again of the next leader", async () => {
    const former = new PlayedMember(peers, "1", "1", THREE);
    const next = new PlayedMember(peers, "2", "1", THREE);
    former.isQuick = false;
    const added = outcome(former.changes.add("4", member("4")));
    await turnOfLoop();
    expect(former.proposed).toHaveLength(1);
    former.isLeader = false;
    former.leaderId = "2";
    next.isLeader = true;
    next.leaderId = "2";
    // Another leader wrote something else there.
    former.apply(null, 101);
    expect(await added).toBeUndefined();
    expect(next.proposed).toHaveLength(1);
  });

  test.each<[string, MembershipChange]>([
    ["another change", { kind: "remove", id: "3", member: null }],
    ["the same for another node", { kind: "add-learner", id: "5", member: member("5") }],
  ])("to %s at its place is not taken for done", async (_what, other) => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    leader.isQuick = false;
    const added = outcome(leader.changes.add("4", member("4")));
    await turnOfLoop();
    leader.isQuick = true;
    leader.apply(other, 101);
    expect(await added).toBeUndefined();
    expect(leader.proposed).toHaveLength(2);
  });

  test("is done when an earlier entry is applied, not before its own", async () => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    leader.isQuick = false;
    let isDone = false;
    void leader.changes.add("4", member("4")).then(() => {
      isDone = true;
    });
    await turnOfLoop();
    leader.apply({ kind: "update", id: "3", member: member("3") }, 100);
    await turnOfLoop();
    expect(isDone).toBe(false);
    leader.apply(leader.proposed[0]!, 101);
    await turnOfLoop();
    expect(isDone).toBe(true);
    expect(ticker.pending).toBe(0);
  });

  test("for ever, as nobody leads, is told after ten seconds", async () => {
    const node = new PlayedMember(peers, "2", "", THREE);
    expect(await outcome(node.changes.add("4", member("4")))).toBe("no_leader");
    expect(ticker.monotonicMs()).toBeGreaterThanOrEqual(10_000);
    expect(ticker.pending).toBe(0);
  });
});

test("a voter that no roster names, of a group from before there were peers, is nobody's id to take", async () => {
  const leader = new PlayedMember(peers, "1", "1", ["1"], { clusterId: "", members: {}, removed: [] });
  expect(await outcome(leader.changes.add("1", member("1")))).toBe("member_exists");
  expect(leader.proposed).toEqual([]);
});

test.each<unknown>([undefined, null, 3, "", "0", "__proto__", ["3"], {}, { toString: 1 }])(
  "a leader that says %j took over names nobody: the call failed",
  async (leaderId) => {
    peers.join("1").handle("transfer", async () => ({ params: { leaderId } }));
    const { changes } = new PlayedMember(peers, "2", "1", THREE);
    expect(await outcome(changes.transfer("3"))).toBe("call_failed");
  },
);

test.each<object>([{ peer: {} }, { peer: { toString: 1 } }, { peer: 7 }, { tag: ["t5"] }, { tag: true }])(
  "a node that is described by %j is not added",
  async (what) => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    const params = { id: "5", ...member("5"), ...what };
    const asked = peers.join("2").call("1", "member-add", params, { timeoutMs: 100 });
    await expect(asked).rejects.toMatchObject({
      code: "call_failed",
      message: expect.stringContaining("no text"),
    });
    expect(leader.proposed).toEqual([]);
  },
);
