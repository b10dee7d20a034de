/**
 * What applying gives back: a result per command for whoever waits, and effects for the node around the machine.
 * The machine performs none of them.
 */
import type { ErrorCode } from "../errors.js";

/** A topic as others see it. `id` is never used again after the topic is deleted. */
export interface TopicRef {
  readonly id: number;
  readonly name: string;
}

/** A committed message. The same object goes to the store, to every subscriber and into history. */
export interface StoredMessage {
  /** Place in the whole stream: 1, 2, 3, ... one order for all topics. */
  readonly position: number;
  /** Place in its topic: 0, 1, 2, ... contiguous. */
  readonly offset: number;
  readonly topic: TopicRef;
  readonly timestampMs: number;
  readonly payload: Uint8Array;
  readonly contentType: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** 0 for never. */
  readonly expiresAtMs: number;
}

/** What a publish gave: where its messages stand. */
export interface Published {
  readonly kind: "published";
  readonly topic: string;
  readonly count: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly timestampMs: number;
  /** An Idempotency-Key was seen before: these are the first answer's places, and nothing was appended. */
  readonly replayed: boolean;
}

/** What a command gave. `topic` results carry no state: ask the queries. */
export type CommandResult =
  | Published
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly detail?: string };

export type Effect =
  /** New messages in position order; positions are contiguous within the effect. */
  | { readonly kind: "append"; readonly messages: readonly StoredMessage[] }
  | { readonly kind: "topic-created"; readonly topic: TopicRef }
  | { readonly kind: "topic-deleted"; readonly topic: TopicRef };

/** What one envelope gave. */
export interface Applied {
  readonly origin: string;
  readonly incarnation: number;
  readonly sequence: number;
  /** "duplicate": applied before, "out-of-order": its predecessor is missing. Nothing was done in either case. */
  readonly outcome: "applied" | "duplicate" | "out-of-order";
  /** One per command, in order; empty unless applied. */
  readonly results: readonly CommandResult[];
  readonly effects: readonly Effect[];
}
