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
  /** As in `OutgoingMessage`. */
  readonly properties: Uint8Array;
  /** Number of the session that published it; 0 for none. */
  readonly publisher: number;
}

/** What counts of a message wherever memory is bounded: it may have more properties than payload. */
export function bodyBytes({ payload, properties }: Pick<StoredMessage, "payload" | "properties">): number {
  return payload.byteLength + properties.byteLength;
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

/** A session was opened. */
export interface Opened {
  readonly kind: "opened";
  readonly session: number;
  /** Of this connection: every command that speaks for it carries it. */
  readonly epoch: number;
  /** Session Present (MQTT 5.0, 3.2.2.1.1). */
  readonly present: boolean;
}

/** What a command gave. `topic` results carry no state: ask the queries. */
export type CommandResult =
  | Published
  | { readonly kind: "done" }
  | Opened
  /** One a subscription: whether there was one of that filter before, and whether it was taken (`null`) or what forbids it. */
  | {
      readonly kind: "subscribed";
      readonly subscriptions: readonly { readonly existed: boolean; readonly refused: ErrorCode | null }[];
    }
  /** One a filter: whether there was such a subscription. */
  | { readonly kind: "unsubscribed"; readonly existed: readonly boolean[] }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly detail?: string };

export type Effect =
  /** New messages in position order; positions are contiguous within the effect. */
  | { readonly kind: "append"; readonly messages: readonly StoredMessage[] }
  | { readonly kind: "topic-created"; readonly topic: TopicRef }
  | { readonly kind: "topic-deleted"; readonly topic: TopicRef }
  /** A connection counts no longer; the node that has it ends it. `epoch` is the one that was displaced. */
  | {
      readonly kind: "session-displaced";
      readonly session: number;
      readonly epoch: number;
      readonly clientId: string;
      readonly owner: SessionOwner;
      readonly reason: DisplacedReason;
    }
  /** Messages of shares for a connected member, in the order in which they are to be sent. */
  | {
      readonly kind: "shared-assigned";
      readonly session: number;
      readonly epoch: number;
      readonly owner: SessionOwner;
      readonly items: readonly SharedItem[];
    };

/** The process that a client is connected to. */
export interface SessionOwner {
  readonly node: string;
  readonly incarnation: number;
}

/** Taken over by another connection of its client id; ended by an operator; its node was thought dead. */
export type DisplacedReason = "taken_over" | "administrative" | "node_down";

/** One message of a share, given to one member. */
export interface SharedItem {
  /** Number of the share: the `source` of the subscription and of its progress. */
  readonly source: number;
  readonly topicId: number;
  readonly position: number;
  /**
   * Head of the stream when this session was given it: where its place is among the session's other deliveries. Two that would have the same packet
   * identifier go in this order on every node, so that no client takes one for the other.
   */
  readonly asOf: number;
  /** It goes with this QoS, whatever becomes of the subscription. What goes with QoS 0 is told once, by the effect. */
  readonly qos: 0 | 1 | 2;
  /** PUBREC came and PUBCOMP did not: only PUBREL is sent. */
  readonly received: boolean;
  /** This session was given it before, at an earlier connection: it goes with DUP. */
  readonly again: boolean;
}

/** Those of `items` that are not among `known`. */
export function itemsBeyond(
  items: readonly SharedItem[],
  known: readonly SharedItem[],
): readonly SharedItem[] {
  const keyOf = ({ source, position }: SharedItem): string => `${source}/${position}`;
  const isKnown = new Set(known.map(keyOf));
  return items.filter((item) => !isKnown.has(keyOf(item)));
}

/** In the order in which they were given: each share has its own in order, and together they go by the head of that time. */
export function asGiven(items: readonly SharedItem[]): readonly SharedItem[] {
  return [...items].sort((a, b) => a.asOf - b.asOf);
}

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
