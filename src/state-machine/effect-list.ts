/**
 * The effects of one envelope, in order. Messages of all its publishes gather into one append; only a deletion between them,
 * which must not reach back, begins another.
 */
import type { Effect, StoredMessage, TopicRef } from "./effects.js";

type Displaced = Omit<Extract<Effect, { kind: "session-displaced" }>, "kind">;

export class EffectList {
  readonly #effects: Effect[] = [];
  #messages: StoredMessage[] = [];

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

  finish(): readonly Effect[] {
    this.#endAppend();
    return this.#effects;
  }

  #endAppend(): void {
    if (this.#messages.length === 0) return;
    this.#effects.push({ kind: "append", messages: this.#messages });
    this.#messages = [];
  }
}
