/**
 * Changes of membership as entries of the log hold them (pure): the JSON of the engine's own change, with ours as text in its context. What
 * comes from a peer is judged here before the core sees it: the core trusts what it reads, and what it cannot read stops the node.
 */
import { fieldsOf, parseJson } from "./log/snapshot-meta.js";
import { type Entry, isNodeId, type MembershipChange } from "./types.js";

const DECODER = new TextDecoder();

/** The engine's own kinds: add a voter, remove, update, add a learner. */
const ENGINE_KINDS = 4;
const KINDS: ReadonlySet<unknown> = new Set<MembershipChange["kind"]>([
  "add-learner",
  "promote",
  "remove",
  "update",
]);

/** What an entry of kind `ConfChange` says, in its context; `null` for one of the engine's own. */
export function changeOf(entry: Entry): MembershipChange | null {
  const { context } = JSON.parse(DECODER.decode(entry.data));
  return typeof context === "string" ? JSON.parse(context) : null;
}

/** Whether the data of an entry of kind `ConfChange` is what the adapter writes. */
export function isChangeData(data: Uint8Array): boolean {
  const { changes, context } = fieldsOf(parseJson(DECODER.decode(data)));
  if (!Array.isArray(changes) || !changes.every(isEngineChange)) return false;
  return context === undefined || context === null || isOurs(context);
}

function isEngineChange(value: unknown): boolean {
  const { type, nodeId } = fieldsOf(value);
  return Number.isInteger(type) && Number(type) >= 0 && Number(type) < ENGINE_KINDS && isNodeId(nodeId);
}

function isOurs(context: unknown): boolean {
  if (typeof context !== "string") return false;
  const { kind, id, member } = fieldsOf(parseJson(context));
  if (!KINDS.has(kind) || !isNodeId(id)) return false;
  if (member === null) return true;
  const { peer, tag, wantsVote } = fieldsOf(member);
  return typeof peer === "string" && typeof tag === "string" && typeof wantsVote === "boolean";
}
