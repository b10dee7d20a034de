/** Bugs that only several nodes can show: in reads, elections, who is let in, and what travels in a snapshot. */
import type { RaftNode } from "../../cluster/node.js";
import type { PeerFrame } from "../../cluster/transport/transport.js";
import type { SnapshotMeta } from "../../cluster/types.js";
import { PartialView, type Plant, planted } from "./plant.js";
import { foundingOf } from "./roster.js";
import { SimSnapshotStore } from "./sim-stores.js";

/** etcd's numbers of what asks for a vote, for real and beforehand. */
const ASKS_FOR_VOTE: ReadonlySet<number> = new Set([5, 17]);

/** Whoever asks for a vote says that its log is the longest. */
function boasting(frame: PeerFrame): PeerFrame {
  if (frame.kind !== "raft" || !ASKS_FOR_VOTE.has(frame.message.kind)) return frame;
  const { message } = frame;
  return { ...frame, message: { ...message, logTerm: message.term, index: message.index + 1_000_000 } };
}

/** A leader takes its own word for it. */
async function leadersWord(raft: RaftNode): Promise<void> {
  if (raft.status().role !== "leader") await raft.barrier();
}

/** Snapshots know votes, and not who is who. */
class RosterlessSnapshots extends SimSnapshotStore {
  override create(
    meta: SnapshotMeta,
    fill: Parameters<SimSnapshotStore["create"]>[1],
  ): ReturnType<SimSnapshotStore["create"]> {
    const { roster: _roster, ...votes } = meta.confState;
    return super.create({ ...meta, confState: votes }, fill);
  }
}

export const PLANTS_OF_MANY: readonly Plant[] = [
  planted("a node reads what it has", 3, { barrier: async () => undefined }, /reads up to/),
  planted("a leader reads without asking", 5, { barrier: leadersWord }, /reads up to/),
  planted(
    "elections do not look at logs",
    3,
    { sends: boasting },
    /another entry|out of range|the log lost its end/,
  ),
  planted(
    "a node that lost its disk is let in",
    3,
    {
      admit: (raft, peer) => {
        const refusal = raft.refusalOf(peer);
        return refusal === "member_wiped" ? null : refusal;
      },
    },
    /lost its disk|two leaders|another entry|out of range|not within/,
  ),
  planted(
    "a node that was removed is let in",
    3,
    {
      admit: (raft, peer) => {
        const refusal = raft.refusalOf(peer);
        return refusal === "member_removed" ? null : refusal;
      },
    },
    /come or gone|nobody else|goes on/,
  ),
  planted(
    "a node that joins begins a group of its own",
    3,
    { foundingOfJoiner: (id) => foundingOf([id]) },
    /another entry|two leaders|invariant/,
  ),
  planted(
    "snapshots forget who is who",
    3,
    { snapshots: (disk) => new RosterlessSnapshots(disk) },
    /not within|stops by itself|lost its disk|added again/,
  ),
  planted(
    "snapshots leave origins out, three voters",
    3,
    { stateStore: (disk) => new PartialView(disk, "o/") },
    /another state|a second time|was seen before|reads up to/,
  ),
];
