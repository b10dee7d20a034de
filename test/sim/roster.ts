/** Who a node says that it is, and what a group begins with: as src/peers.ts makes them. */
import type { LogStore } from "../../cluster/log/log-store.js";
import {
  type ConfState,
  EMPTY_CONF_STATE,
  EntryKind,
  type Member,
  type MembershipChange,
  type NodeId,
} from "../../cluster/types.js";

export const CLUSTER_ID = "the simulated one";

export function addressOf(id: NodeId): string {
  return `sim:${id}`;
}

/** Another disk, another tag. */
export function tagOf(id: NodeId, generation: number): string {
  return `disk ${generation} of ${id}`;
}

/** A group of several knows its tags when its members have met; a group of one knows its own. */
export function foundingOf(voters: readonly NodeId[]): ConfState {
  const members: Record<NodeId, Member> = {};
  for (const id of voters) {
    members[id] = { peer: addressOf(id), tag: voters.length === 1 ? tagOf(id, 0) : "", wantsVote: true };
  }
  return {
    ...EMPTY_CONF_STATE,
    voters: [...voters],
    roster: { clusterId: CLUSTER_ID, members, removed: [] },
  };
}

const DECODER = new TextDecoder();

/** What the entry at `index` of a log says about the membership; `null` for a command. */
export function changeAt(log: LogStore, index: number): MembershipChange | null {
  if (index < log.firstIndex() || index > log.lastIndex()) return null;
  const entry = log.entries(index, index + 1, 1)[0];
  if (entry === undefined || entry.kind !== EntryKind.ConfChange) return null;
  const { context } = JSON.parse(DECODER.decode(entry.data));
  return typeof context === "string" ? JSON.parse(context) : null;
}
