/** The group in the words of the edges: errors by their own codes, and members as their leader knows them. */
import { expect, test } from "vitest";
import { ClusterError, type ClusterErrorCode } from "../../../cluster/errors.js";
import type { MemberReport } from "../../../cluster/member-reports.js";
import type { RaftNode } from "../../../cluster/node.js";
import type { NodeView } from "../../../cluster/node-options.js";
import { GroupControl } from "../../../src/replica/group-control.js";

const VIEW: NodeView = {
  role: "leader",
  leaderId: "1",
  term: 3,
  commit: 20,
  applied: 19,
  progress: new Map([
    ["1", { match: 20, awaitsSnapshot: false }],
    ["2", { match: 18, awaitsSnapshot: false }],
  ]),
  isTransferring: false,
  voters: ["1", "2"],
  learners: ["10"],
  roster: {
    clusterId: "c",
    members: {
      "1": { peer: "h1:1", tag: "t1", wantsVote: true },
      "2": { peer: "", tag: "", wantsVote: true },
    },
    removed: [],
  },
};

interface Played {
  readonly barrier?: () => Promise<void>;
  readonly matches?: () => Promise<ReadonlyMap<string, MemberReport>>;
  readonly view?: Partial<NodeView>;
  readonly change?: () => Promise<void>;
}

/** A group control over a node that is played. */
function control({ barrier, matches, view, change }: Played = {}): GroupControl {
  const asked = change ?? (async () => undefined);
  const raft: Pick<RaftNode, "status" | "peers" | "barrier" | "matches"> & { readonly changes: unknown } = {
    status: () => ({ ...VIEW, ...view }),
    peers: () => [{ id: "2", address: "h2:1", isAlive: true }],
    barrier: barrier ?? (async () => undefined),
    matches: matches ?? (async () => new Map()),
    changes: { add: asked, promote: asked, remove: asked, transfer: () => asked().then(() => "2") },
  };
  return new GroupControl(raft as RaftNode, "1");
}

test("a member's view of the group is complete by itself, in the order of ids", async () => {
  expect(await control({ barrier: () => Promise.reject(new Error("not asked")) }).status(true)).toEqual({
    nodeId: "1",
    leaderId: "1",
    term: 3,
    commitIndex: 20,
    appliedIndex: 19,
    members: [
      { id: "1", role: "leader", peer: "h1:1", alive: true, matchIndex: 20 },
      { id: "2", role: "voter", peer: null, alive: true, matchIndex: 18 },
      { id: "10", role: "learner", peer: null, alive: false, matchIndex: 0 },
    ],
  });
});

test("the leader's knowledge counts more, after everything committed is applied here", async () => {
  const order: string[] = [];
  const status = await control({
    view: { leaderId: "2", progress: new Map() },
    barrier: async () => void order.push("barrier"),
    matches: async () => {
      order.push("matches");
      return new Map([["10", { matchIndex: 12, alive: true }]]);
    },
  }).status(false);
  expect(order).toEqual(["barrier", "matches"]);
  expect(status.members.map(({ id, role, alive, matchIndex }) => [id, role, alive, matchIndex])).toEqual([
    ["1", "voter", true, 0],
    ["2", "leader", true, 0],
    ["10", "learner", true, 12],
  ]);
});

test("a newcomer is told of everybody once this node knows of it", async () => {
  let isApplied = false;
  const group = control({
    barrier: async () => {
      isApplied = true;
    },
  });
  const ticket = await group.addMember({ id: "10", peer: "h10:1", tag: "t", wantsVote: false });
  expect(isApplied).toBe(true);
  expect(ticket).toEqual({
    clusterId: "c",
    members: [
      { id: "1", peer: "h1:1", role: "leader" },
      { id: "2", peer: "", role: "voter" },
      { id: "10", peer: "", role: "learner" },
    ],
  });
});

test.each<[ClusterErrorCode, string]>([
  ["no_leader", "no_leader"],
  ["member_exists", "member_exists"],
  ["member_unknown", "member_unknown"],
  ["member_removed", "member_removed"],
  ["change_pending", "change_pending"],
  ["quorum_at_risk", "quorum_at_risk"],
  ["transfer_failed", "transfer_failed"],
  ["shutdown", "shutting_down"],
  // What the client cannot know of is an answer that may be better the next time.
  ["call_timeout", "no_leader"],
  ["call_failed", "no_leader"],
  ["log_compacted", "no_leader"],
])("%s of replication is %s of the edges", async (code, told) => {
  const fails = () => Promise.reject(new ClusterError(code, "because"));
  const group = control({ barrier: fails, change: fails });
  for (const work of [
    group.readBarrier(),
    group.status(false),
    group.addMember({ id: "4", peer: "p", tag: "", wantsVote: true }),
    group.promoteMember("2"),
    group.removeMember("2"),
    group.transferLeadership(null),
  ]) {
    await expect(work).rejects.toMatchObject({ name: "JangadaError", code: told });
  }
});

test("what is no error of replication is passed on as it is", async () => {
  const broken = new RangeError("a mistake of ours");
  await expect(control({ barrier: () => Promise.reject(broken) }).readBarrier()).rejects.toBe(broken);
});

test("the leadership goes to the one that is named, or to whoever is furthest", async () => {
  expect(await control().transferLeadership("2")).toBe("2");
  expect(await control().transferLeadership(null)).toBe("2");
});
