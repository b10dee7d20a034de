/** A node that wants to belong asks any member, until one answers: as src/join.ts does over HTTP. */
import { ClusterError } from "../../cluster/errors.js";
import type { RaftNode } from "../../cluster/node.js";
import type { Member, NodeId } from "../../cluster/types.js";
import type { Clock } from "../../src/runtime/clock.js";
import type { SimClock } from "./sim-clock.js";

/** What a new member has to know before its first frame. */
export interface Ticket {
  readonly clusterId: string;
  readonly members: ReadonlyMap<NodeId, string>;
}

export interface JoinOptions {
  readonly id: NodeId;
  readonly member: Member;
  /** A node that answers now. */
  readonly door: () => RaftNode | null;
  readonly clock: SimClock;
}

const PATIENCE_MS = 1_500;
const PAUSE_MS = 50;

/** Resolves with the ticket. Rejects with `member_exists`, `member_removed`. */
export async function join({ id, member, door, clock }: JoinOptions): Promise<Ticket> {
  for (;;) {
    const raft = door();
    const ticket = raft === null ? null : await within(clock, PATIENCE_MS, ask(raft, id, member));
    if (ticket !== null) return ticket;
    await clock.sleep(PAUSE_MS);
  }
}

/** What is not there in time counts as nothing: whoever was asked may be gone. Whoever asked and is gone hears nothing any more. */
export function within<Result>(clock: Clock, ms: number, work: Promise<Result>): Promise<Result | null> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => resolve(null));
    const heard = (task: () => void): void => {
      cancel();
      clock.soon(task);
    };
    work.then(
      (result) => heard(() => resolve(result)),
      (error: unknown) => heard(() => reject(error)),
    );
  });
}

async function ask(raft: RaftNode, id: NodeId, member: Member): Promise<Ticket | null> {
  try {
    await raft.changes.add(id, member);
    await raft.barrier();
  } catch (error) {
    const isFinal = error instanceof ClusterError && /^member_(exists|removed)$/.test(error.code);
    if (isFinal) throw error;
    return null;
  }
  const { roster } = raft.status();
  const members = Object.entries(roster.members).map(([known, { peer }]) => [known, peer] as const);
  return { clusterId: roster.clusterId, members: new Map(members) };
}
