/**
 * Text form of hard state and snapshot markers where they are written rarely (segment headers, markers, manifests): JSON under
 * somebody else's checksum. Reading gives `null` for anything that is not exactly the shape.
 */
import type { ConfState, HardState, Member, NodeId, Roster, SnapshotMeta } from "../types.js";

/** Exactly the fields of a marker, whatever else the caller's object carries. */
export function plainMeta(meta: SnapshotMeta): SnapshotMeta {
  const { voters, learners, votersOutgoing, learnersNext, autoLeave, roster } = meta.confState;
  return {
    index: meta.index,
    term: meta.term,
    confState: {
      voters: [...voters],
      learners: [...learners],
      votersOutgoing: [...votersOutgoing],
      learnersNext: [...learnersNext],
      autoLeave,
      ...(roster === undefined ? {} : { roster: plainRoster(roster) }),
    },
  };
}

function plainMember({ peer, tag, wantsVote }: Member): Member {
  return { peer, tag, wantsVote };
}

function plainRoster({ clusterId, members, removed }: Roster): Roster {
  const entries = Object.entries(members).map(([id, member]) => [id, plainMember(member)] as const);
  return { clusterId, members: Object.fromEntries(entries), removed: [...removed] };
}

/** An object's fields, or none: lets a reader ask for a field of anything. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** True for the integers that terms, indexes and lengths are made of. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isNodeIds(value: unknown): value is NodeId[] {
  return Array.isArray(value) && value.every((id) => typeof id === "string");
}

function isMember(value: unknown): value is Member {
  const { peer, tag, wantsVote } = fieldsOf(value);
  return typeof peer === "string" && typeof tag === "string" && typeof wantsVote === "boolean";
}

function parseRoster(value: unknown): Roster | null {
  const { clusterId, members, removed } = fieldsOf(value);
  if (typeof clusterId !== "string" || !isNodeIds(removed)) return null;
  const entries = Object.entries(fieldsOf(members));
  const known: Record<NodeId, Member> = {};
  for (const [id, member] of entries) {
    if (!isMember(member)) return null;
    known[id] = plainMember(member);
  }
  return { clusterId, members: known, removed };
}

/** A membership out of parsed JSON. */
export function parseConfState(value: unknown): ConfState | null {
  const { voters, learners, votersOutgoing, learnersNext, autoLeave, roster } = fieldsOf(value);
  if (!isNodeIds(voters) || !isNodeIds(learners) || !isNodeIds(votersOutgoing)) return null;
  if (!isNodeIds(learnersNext) || typeof autoLeave !== "boolean") return null;
  const votes = { voters, learners, votersOutgoing, learnersNext, autoLeave };
  if (roster === undefined) return votes;
  const parsed = parseRoster(roster);
  return parsed === null ? null : { ...votes, roster: parsed };
}

/** A marker out of parsed JSON. */
export function parseMeta(value: unknown): SnapshotMeta | null {
  const { index, term, confState } = fieldsOf(value);
  const conf = parseConfState(confState);
  if (!isCount(index) || !isCount(term) || conf === null) return null;
  return { index, term, confState: conf };
}

/** A hard state out of parsed JSON. */
export function parseHardState(value: unknown): HardState | null {
  const { term, vote, commit } = fieldsOf(value);
  if (!isCount(term) || typeof vote !== "string" || !isCount(commit)) return null;
  return { term, vote, commit };
}

/** JSON that may be damaged: `undefined` when it does not parse. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
