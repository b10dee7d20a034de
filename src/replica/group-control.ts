/** The group as operators see it (src/cluster-control.ts), over this node's member of it. */
import { ClusterError } from "../../cluster/errors.js";
import type { RaftNode } from "../../cluster/node.js";
import type { MembershipView, NodeStatus } from "../broker.js";
import type { ClusterControl, JoinTicket, NewMember } from "../cluster-control.js";
import { ERROR_CODES, type ErrorCode, JangadaError } from "../errors.js";

export class GroupControl implements ClusterControl {
  readonly #raft: RaftNode;
  readonly #nodeId: string;

  constructor(raft: RaftNode, nodeId: string) {
    this.#raft = raft;
    this.#nodeId = nodeId;
  }

  readBarrier(): Promise<void> {
    return translated(this.#raft.barrier());
  }

  async status(local: boolean): Promise<NodeStatus> {
    if (local) return this.localStatus();
    await this.readBarrier();
    const members = await translated(this.#raft.matches());
    const status = this.localStatus();
    return { ...status, members: status.members.map((member) => ({ ...member, ...members.get(member.id) })) };
  }

  /** What this node knows by itself. */
  localStatus(): NodeStatus {
    const { leaderId, term, commit, applied, voters, learners, roster, progress } = this.#raft.status();
    const alive = new Set(this.#raft.peers().flatMap((peer) => (peer.isAlive ? [peer.id] : [])));
    const view = (id: string, role: "voter" | "learner"): MembershipView => ({
      id,
      role: id === leaderId ? "leader" : role,
      peer: roster.members[id]?.peer || null,
      alive: id === this.#nodeId || alive.has(id),
      matchIndex: progress.get(id)?.match ?? 0,
    });
    const members = [
      ...voters.map((id) => view(id, "voter")),
      ...learners.map((id) => view(id, "learner")),
    ].sort((a, b) => Number(a.id) - Number(b.id));
    return { nodeId: this.#nodeId, leaderId, term, commitIndex: commit, appliedIndex: applied, members };
  }

  async addMember({ id, peer, tag, wantsVote }: NewMember): Promise<JoinTicket> {
    await translated(this.#raft.changes.add(id, { peer, tag, wantsVote }));
    // This node may be behind the one that answered.
    await this.readBarrier();
    const { members } = this.localStatus();
    return {
      clusterId: this.#raft.status().roster.clusterId,
      members: members.map(({ id: member, peer: address, role }) => ({
        id: member,
        peer: address ?? "",
        role,
      })),
    };
  }

  promoteMember(id: string): Promise<void> {
    return translated(this.#raft.changes.promote(id));
  }

  removeMember(id: string): Promise<void> {
    return translated(this.#raft.changes.remove(id));
  }

  transferLeadership(to: string | null): Promise<string> {
    return translated(this.#raft.changes.transfer(to ?? ""));
  }
}

/** Replication's errors in the words of the edges. */
async function translated<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    if (error.code === "shutdown") throw new JangadaError("shutting_down");
    if (isErrorCode(error.code)) throw new JangadaError(error.code, error.message);
    throw new JangadaError("no_leader", error.message, { cause: error });
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
