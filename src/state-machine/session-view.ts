/**
 * What others may look at of a session: the client's part of the replicated state, from which any node can go on serving it. Live objects:
 * valid until the next envelope is applied.
 */
import type { SubscriptionOptions, Will } from "../commands/command.js";
import type { SessionOwner, SharedItem } from "./effects.js";

/** A subscription and the part of the stream that it is about: positions above `since`, up to `until`. */
export interface SessionSubscription extends SubscriptionOptions {
  /** Number of the share; 0 for a subscription of its own. */
  readonly source: number;
  readonly since: number;
  /** Infinity while it stands. One that was removed or replaced still matches what came before (MQTT 5.0, 3.10.4). */
  readonly until: number;
}

/** How far a session is with a source: the live stream or a pass over retained messages. */
export interface DeliveryState {
  /** Everything up to here is dealt with. */
  readonly through: number;
  /** Above that, acknowledged out of order; ascending. */
  readonly done: readonly number[];
  /** Above that, PUBREC came and PUBCOMP did not; in the order of the PUBRECs. */
  readonly received: readonly number[];
}

/** Retained messages that a subscription asked for and that are not all dealt with: those up to `asOf`, in position order. */
export interface RetainedPass extends DeliveryState {
  readonly source: number;
  readonly asOf: number;
  readonly subscriptions: readonly SubscriptionOptions[];
  /**
   * Above `through`, neither done nor received: messages that it matches at QoS 2 and that are retained no longer. A client may have one of them
   * and wait for its PUBREL. Ascending.
   */
  readonly gone: readonly number[];
}

export interface Session {
  readonly number: number;
  readonly clientId: string;
  /** Grows with every connection. */
  readonly epoch: number;
  /** Where the client is connected; `null` when it is not. */
  readonly owner: SessionOwner | null;
  readonly expirySeconds: number;
  /** When it ends if nobody comes back; 0 while connected, or when it never does. */
  readonly endsAtMs: number;
  readonly createdAtMs: number;
  /** When the present connection began, or the last one ended. */
  readonly sinceMs: number;
  readonly will: Will | null;
  /**
   * Its subscriptions and progress are replicated: it outlives its connection, or did before this one. The others keep theirs at their
   * connection and have only their shared subscriptions here.
   */
  readonly isKept: boolean;
  /** Another array whenever something of them has changed. */
  readonly subscriptions: readonly SessionSubscription[];
  readonly live: DeliveryState;
  /** Oldest first. They come before anything of the live stream that is above their `asOf`. */
  readonly passes: readonly RetainedPass[];
  /** Those of QoS 1 and 2: received ones first, in the order of their PUBRECs, then the others in the order in which they were given. */
  readonly shared: readonly SharedItem[];
  /** Head of the stream when the present connection began: QoS 0 messages up to here are not sent any more. */
  readonly openedAt: number;
  /** Head of the stream when the last connection ended. */
  readonly closedAt: number;
  /**
   * Up to here messages may have been sent before: those of QoS 1 and 2 go with DUP. Above it nothing was. The head, where nobody can say (a node
   * died).
   */
  readonly sentThrough: number;
  /** QoS 2 packet identifiers of the client that are not released. */
  readonly incoming: ReadonlySet<number>;
}
