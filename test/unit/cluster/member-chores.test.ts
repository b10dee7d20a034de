/** What a leader does unasked: it writes down what it learns of its members, and gives votes to those that caught up. */
import { beforeEach, describe, expect, test } from "vitest";
import { CallingPeers } from "../../support/calling-peers.js";
import { HandTicker, turnOfLoop } from "../../support/memory-group.js";
import { member, outcomeOf, PlayedMember, rosterOf } from "../../support/played-member.js";

let ticker: HandTicker;
let peers: CallingPeers;

beforeEach(() => {
  ticker = new HandTicker();
  peers = new CallingPeers(ticker);
});

const outcome = <Result>(promise: Promise<Result>): Promise<Result | string> => outcomeOf(ticker, promise);

const THREE = ["1", "2", "3"];

describe("what the leader does unasked", () => {
  async function chores(node: PlayedMember, times = 5): Promise<void> {
    for (let time = 0; time < times; time += 1) {
      node.changes.chore();
      await turnOfLoop();
    }
  }

  test("it writes down tags of those it met, one after the other, and addresses that changed", async () => {
    const roster = rosterOf();
    const members = Object.fromEntries(THREE.map((id) => [id, member(id, "")]));
    const leader = new PlayedMember(peers, "1", "1", THREE, { ...roster, members });
    for (const id of THREE) leader.met.set(id, { peer: `h${id}:1`, tag: `t${id}` });
    expect([leader.changes.unmet, leader.changes.isFounded]).toEqual([THREE, false]);
    leader.changes.chore();
    leader.changes.chore();
    expect(leader.proposed).toHaveLength(1);
    expect(leader.changes.isFounded).toBe(false);
    await chores(leader);
    expect(leader.proposed.map(({ kind, id }) => `${kind} ${id}`)).toEqual([
      "update 1",
      "update 2",
      "update 3",
    ]);
    expect(leader.membership.roster.members).toEqual(rosterOf(...THREE).members);
    expect(leader.changes.unmet).toEqual([]);
    leader.met.set("2", { peer: "moved:2", tag: "t2" });
    await chores(leader);
    expect(leader.membership.roster.members["2"]).toEqual({ ...member("2"), peer: "moved:2" });
    expect(leader.proposed).toHaveLength(4);
  });

  test("it never writes another tag over one that is known", async () => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    leader.met.set("2", { peer: "moved:2", tag: "of another disk" });
    await chores(leader);
    expect(leader.proposed).toEqual([]);
  });

  test.each<[string, (leader: PlayedMember) => void, boolean]>([
    ["that has caught up", () => undefined, true],
    [
      "that is nearly there",
      (leader) => leader.progress.set("4", { match: 40, awaitsSnapshot: false }),
      true,
    ],
    ["that is far behind", (leader) => leader.progress.set("4", { match: 30, awaitsSnapshot: false }), false],
    ["of which nothing is known", (leader) => leader.progress.delete("4"), false],
    [
      "that gets a snapshot",
      (leader) => leader.progress.set("4", { match: 100, awaitsSnapshot: true }),
      false,
    ],
    ["that is dead", (leader) => leader.dead.add("4"), false],
  ])("it promotes a learner %s: %#", async (_what, arrange, isPromoted) => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    await outcome(leader.changes.add("4", member("4")));
    leader.progress.set("4", { match: 100, awaitsSnapshot: false });
    arrange(leader);
    await chores(leader);
    expect(leader.membership.current.voters.includes("4")).toBe(isPromoted);
  });

  test("it leaves learners learners that want to be", async () => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    await outcome(leader.changes.add("4", member("4", "t4", false)));
    leader.progress.set("4", { match: 100, awaitsSnapshot: false });
    await chores(leader);
    expect(leader.membership.current.learners).toEqual(["4"]);
  });

  test.each<[string, (node: PlayedMember) => void]>([
    ["it does not lead", (node) => (node.isLeader = false)],
    ["it hands over", (node) => (node.isTransferring = true)],
  ])("nothing while %s", async (_what, arrange) => {
    const node = new PlayedMember(peers, "1", "1", THREE);
    node.met.set("2", { peer: "moved:2", tag: "t2" });
    arrange(node);
    await chores(node);
    expect(node.proposed).toEqual([]);
  });

  test("the group is founded when all have all that is applied", () => {
    const leader = new PlayedMember(peers, "1", "1", THREE);
    expect(leader.changes.isFounded).toBe(true);
    leader.progress.set("3", { match: 99, awaitsSnapshot: false });
    expect(leader.changes.isFounded).toBe(false);
    leader.progress.set("3", { match: 100, awaitsSnapshot: false });
    leader.isLeader = false;
    expect(leader.changes.isFounded).toBe(false);
  });
});
