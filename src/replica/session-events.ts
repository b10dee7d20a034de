/** Passes on what the log did to sessions that are connected to this very process, to the one edge that holds the connections. */
import type { SessionListener } from "../broker.js";
import {
  asGiven,
  type DisplacedReason,
  type Effect,
  itemsBeyond,
  type SessionOwner,
} from "../state-machine/effects.js";
import type { Machine } from "../state-machine/machine.js";
import type { Session } from "../state-machine/session-view.js";

/** The effects that are about one connection. */
export type SessionEffect = Extract<Effect, { kind: "session-displaced" | "shared-assigned" }>;

export class SessionEvents {
  readonly #nodeId: string;
  readonly #incarnation: () => number;
  #listener: SessionListener | null = null;

  constructor(nodeId: string, incarnation: () => number) {
    this.#nodeId = nodeId;
    this.#incarnation = incarnation;
  }

  listen(listener: SessionListener): void {
    this.#listener = listener;
  }

  /**
   * A snapshot took the place of the state `before`: what the entries that it stands for did to the connections of this process came by no
   * effect, and is told now.
   */
  restored(before: Machine, now: Machine): void {
    const owner = { node: this.#nodeId, incarnation: this.#incarnation() };
    for (const effect of skippedEffects(before, now, owner)) this.#tell(effect);
  }

  happened(effect: SessionEffect): void {
    const { node, incarnation } = effect.owner;
    if (node === this.#nodeId && incarnation === this.#incarnation()) this.#tell(effect);
  }

  #tell(effect: SessionEffect): void {
    if (effect.kind === "session-displaced") this.#listener?.displaced(effect);
    else this.#listener?.assigned(effect);
  }
}

/**
 * The effects on the connections of one process that lie between two states. What went to a member with QoS 0 meanwhile is in no
 * state: nobody is told of it.
 */
function skippedEffects(before: Machine, now: Machine, owner: SessionOwner): readonly SessionEffect[] {
  return before.sessionsAt(owner).flatMap((session): SessionEffect[] => {
    const { number, epoch, clientId } = session;
    const present = now.session(number);
    if (present?.epoch !== epoch || present.owner === null) {
      const reason = reasonOf(session, now);
      return [{ kind: "session-displaced", session: number, epoch, clientId, owner, reason }];
    }
    // No connection is given the same one twice.
    const items = asGiven(itemsBeyond(present.shared, session.shared));
    return items.length === 0 ? [] : [{ kind: "shared-assigned", session: number, epoch, owner, items }];
  });
}

/** No state says why a connection ended that nobody took over: to the others a node that fell so far behind was gone, mostly. */
function reasonOf({ number, clientId, epoch }: Session, now: Machine): DisplacedReason {
  const present = now.sessionOf(clientId);
  if (present === undefined) return "node_down";
  return present.number === number && present.epoch === epoch ? "node_down" : "taken_over";
}
