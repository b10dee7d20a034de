/** Passes on what the log did to sessions that are connected to this very process, to the one edge that holds the connections. */
import type { SessionListener } from "../broker.js";
import type { Effect } from "../state-machine/effects.js";

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

  /** The whole state was replaced. */
  restored(): void {
    this.#listener?.restored();
  }

  happened(effect: SessionEffect): void {
    const { node, incarnation } = effect.owner;
    if (node !== this.#nodeId || incarnation !== this.#incarnation()) return;
    if (effect.kind === "session-displaced") this.#listener?.displaced(effect);
    else this.#listener?.assigned(effect);
  }
}
