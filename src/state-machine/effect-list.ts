/**
 * The effects of one envelope, in order. Messages of all its publishes gather into one append; only a deletion between them,
 * which must not reach back, begins another.
 */
import type { Effect, SharedItem, StoredMessage, TopicRef } from "./effects.js";
import type { SessionState } from "./session-state.js";

type Displaced = Omit<Extract<Effect, { kind: "session-displaced" }>, "kind">;

export class EffectList {
  readonly #effects: Effect[] = [];
  #messages: StoredMessage[] = [];
  /** What each connection was given of shares. */
  readonly #assigned = new Map<SessionState, { readonly epoch: number; readonly items: SharedItem[] }>();

  append(message: StoredMessage): void {
    this.#messages.push(message);
  }

  topicCreated(topic: TopicRef): void {
    this.#effects.push({ kind: "topic-created", topic });
  }

  topicDeleted(topic: TopicRef): void {
    this.#endAppend();
    this.#effects.push({ kind: "topic-deleted", topic });
  }

  displaced(displaced: Displaced): void {
    this.#effects.push({ kind: "session-displaced", ...displaced });
  }

  /** The session, which is connected, was given a message of a share. */
  assigned(session: SessionState, item: SharedItem): void {
    const present = this.#assigned.get(session);
    if (present?.epoch === session.epoch) present.items.push(item);
    else this.#assigned.set(session, { epoch: session.epoch, items: [item] });
  }

  finish(): readonly Effect[] {
    this.#endAppend();
    for (const [session, { epoch, items }] of this.#assigned) {
      const { number, owner } = session;
      // The connection may have ended since, in the same envelope.
      if (owner === null || session.epoch !== epoch) continue;
      this.#effects.push({ kind: "shared-assigned", session: number, epoch, owner, items });
    }
    return this.#effects;
  }

  #endAppend(): void {
    if (this.#messages.length === 0) return;
    this.#effects.push({ kind: "append", messages: this.#messages });
    this.#messages = [];
  }
}
