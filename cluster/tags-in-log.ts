/**
 * Tags of members that stand in this node's log and are not known to be committed yet. Whoever wrote them had met those members, so they
 * are true whatever becomes of the entries: a member that lost its disk is told by them also right after a restart, when the commit index
 * on disk is still behind.
 */
import { changeOf } from "./change-data.js";
import type { LogStore } from "./log/log-store.js";

import { EntryKind, type LogIndex, type NodeId, type Roster } from "./types.js";

const PAGE_BYTES = 1024 * 1024;

/** By member, the last of each, from entries above `from`. Reads the log only while the roster lacks a tag: before a group is founded. */
export function tagsInLog(
  log: LogStore,
  from: LogIndex,
  roster: Roster,
): ReadonlyMap<NodeId, { readonly tag: string; readonly peer: string }> {
  const tags = new Map<NodeId, { readonly tag: string; readonly peer: string }>();
  if (Object.values(roster.members).every(({ tag }) => tag !== "")) return tags;
  const last = log.lastIndex();
  for (let lo = Math.max(from + 1, log.firstIndex()); lo <= last; ) {
    const entries = log.entries(lo, last + 1, PAGE_BYTES);
    for (const entry of entries) {
      const change = entry.kind === EntryKind.ConfChange ? changeOf(entry) : null;
      if (change?.member != null && change.member.tag !== "") tags.set(change.id, change.member);
    }
    lo += entries.length;
  }
  return tags;
}
