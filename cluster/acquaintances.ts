/**
 * Who may be a peer, and what was learnt first hand of those who are. A member's tag is drawn with its data directory: the same id with
 * another tag has lost what it promised, so it is turned away for good.
 */
import { ClusterError } from "./errors.js";
import type { MetPeer } from "./member-changes.js";
import type { PeerIdentity } from "./transport/handshake.js";
import type { NodeId, Roster } from "./types.js";

/** Why a peer is turned away; those but `member_unknown` are for ever. */
export type Refusal = "wrong_cluster" | "member_removed" | "member_wiped" | "member_unknown";

export class Acquaintances {
  readonly #met = new Map<NodeId, MetPeer>();
  readonly #roster: () => Roster;
  /** Known before the membership is: members that a newcomer was told of. */
  #contacts: ReadonlyMap<NodeId, string> = new Map();

  constructor(roster: () => Roster) {
    this.#roster = roster;
  }

  /** Members that this node was told of. */
  expect(contacts: ReadonlyMap<NodeId, string>): void {
    this.#contacts = contacts;
  }

  /** Why this peer is not let in; `null` when it is. */
  refusalOf({ id, tag, clusterId }: PeerIdentity): Refusal | null {
    const roster = this.#roster();
    if (roster.clusterId !== "" && clusterId !== "" && clusterId !== roster.clusterId) return "wrong_cluster";
    if (roster.removed.includes(id)) return "member_removed";
    const known = roster.members[id];
    if (known === undefined) {
      // Of the same cluster: it was added by an entry that this node has not applied yet, and may be who leads and would send it.
      const isOurs = roster.clusterId === "" || clusterId === roster.clusterId;
      return isOurs || this.#contacts.has(id) ? null : "member_unknown";
    }
    const first = known.tag === "" ? (this.#met.get(id)?.tag ?? "") : known.tag;
    return first !== "" && first !== tag ? "member_wiped" : null;
  }

  /** A peer was met, in either direction; or this node itself. */
  meet({ id, tag, address }: PeerIdentity): void {
    this.#met.set(id, { peer: address, tag });
  }

  /** Whom to dial, where the membership says `members`: also those whom it does not know yet, or there is no way to answer them. */
  reachable(members: ReadonlyMap<NodeId, string>): ReadonlyMap<NodeId, string> {
    const { members: known, removed } = this.#roster();
    const told = members.size === 0 ? [...this.#contacts] : [];
    const met = [...this.#met].filter(([id]) => known[id] === undefined && !removed.includes(id));
    return new Map([...told, ...met.map(([id, { peer }]) => [id, peer] as const), ...members]);
  }

  /** `undefined` before it was met in this life. */
  get(id: NodeId): MetPeer | undefined {
    return this.#met.get(id);
  }
}

/** Why a node that was taken out stops. */
export function removedError(id: NodeId): ClusterError {
  return new ClusterError(
    "member_removed",
    `node ${id} was removed from its cluster and stops; to come back it needs a new --node-id, a new --data-dir and --join`,
  );
}
