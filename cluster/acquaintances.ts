/**
 * Who may be a peer, and what was learnt first hand of those who are. A member's tag is drawn with its data directory: the same id with
 * another tag has lost what it promised, so it is turned away for good.
 */
import type { MetPeer } from "./member-changes.js";
import type { NodeId, Roster } from "./types.js";

/** What a peer proved and said when it came. */
export interface PeerHello {
  readonly id: NodeId;
  readonly tag: string;
  /** "" for one that does not know it yet. */
  readonly clusterId: string;
  /** Where it is dialled, `host:port`. */
  readonly address: string;
}

/** Why a peer is turned away; those but `member_unknown` are for ever. */
export type Refusal = "wrong_cluster" | "member_removed" | "member_wiped" | "member_unknown";

export class Acquaintances {
  readonly #met = new Map<NodeId, MetPeer>();
  readonly #roster: () => Roster;
  /** Known before the membership is: members that a newcomer was told of. */
  readonly #contacts: ReadonlyMap<NodeId, string>;

  constructor(
    roster: () => Roster,
    contacts: ReadonlyMap<NodeId, string>,
    self: MetPeer & { readonly id: NodeId },
  ) {
    this.#roster = roster;
    this.#contacts = contacts;
    this.#met.set(self.id, { peer: self.peer, tag: self.tag });
  }

  /** Why this peer is not let in; `null` when it is. */
  refusalOf({ id, tag, clusterId }: PeerHello): Refusal | null {
    const roster = this.#roster();
    if (roster.clusterId !== "" && clusterId !== "" && clusterId !== roster.clusterId) return "wrong_cluster";
    if (roster.removed.includes(id)) return "member_removed";
    const known = roster.members[id];
    if (known === undefined)
      return roster.clusterId === "" || this.#contacts.has(id) ? null : "member_unknown";
    const first = known.tag === "" ? (this.#met.get(id)?.tag ?? "") : known.tag;
    return first !== "" && first !== tag ? "member_wiped" : null;
  }

  /** A peer was met, in either direction. */
  meet({ id, tag, address }: PeerHello): void {
    this.#met.set(id, { peer: address, tag });
  }

  /** `undefined` before it was met in this life. */
  get(id: NodeId): MetPeer | undefined {
    return this.#met.get(id);
  }
}
