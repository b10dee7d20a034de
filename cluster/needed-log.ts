/** How much of a leader's log others still need: a member that is only a little behind should not have to get a snapshot. Pure. */
import type { CoreStatus } from "./core-types.js";
import type { LogIndex, NodeId } from "./types.js";

export interface LogNeeds {
  /** This node. */
  readonly id: NodeId;
  readonly status: CoreStatus;
  readonly isAlive: (id: NodeId) => boolean;
  /** The lowest entry needed after a snapshot that is on its way; `null` when none is. */
  readonly ofTransfers: LogIndex | null;
}

/** The lowest entry that members that are alive, or get a snapshot, will be sent; `null` for none, and where this node does not lead. */
export function neededFrom({ id, status, isAlive, ofTransfers }: LogNeeds): LogIndex | null {
  if (status.role !== "leader") return null;
  const needed: LogIndex[] = ofTransfers === null ? [] : [ofTransfers];
  for (const [member, { match, awaitsSnapshot }] of status.progress) {
    if (member !== id && !awaitsSnapshot && match > 0 && isAlive(member)) needed.push(match + 1);
  }
  return needed.length === 0 ? null : Math.min(...needed);
}
