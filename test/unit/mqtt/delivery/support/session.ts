/** Sessions made by hand: what the state machine would show of them. */
import type { SubscriptionOptions } from "../../../../../src/commands/command.js";
import type { Session, SessionSubscription } from "../../../../../src/state-machine/session-view.js";

/** A subscription with the options that matter to a test. */
export function options(filter: string, qos: 0 | 1 | 2, more: Partial<SubscriptionOptions> = {}) {
  const plain = { noLocal: false, retainAsPublished: false, retainHandling: 0, subscriptionId: 0 } as const;
  return { filter, share: "", qos, ...plain, ...more };
}

/** One that stands since the beginning. */
export function standing(
  filter: string,
  qos: 0 | 1 | 2,
  more: Partial<SessionSubscription> = {},
): SessionSubscription {
  return { ...options(filter, qos, more), source: 0, since: 0, until: Number.POSITIVE_INFINITY, ...more };
}

/** A kept session that has just been opened on this node. */
export function keptSession(more: Partial<Session> = {}): Session {
  return {
    number: 7,
    clientId: "c",
    epoch: 1,
    owner: { node: "1", incarnation: 1 },
    expirySeconds: 3600,
    endsAtMs: 0,
    createdAtMs: 0,
    sinceMs: 0,
    will: null,
    isKept: true,
    subscriptions: [],
    live: { through: 0, done: [], received: [] },
    passes: [],
    shared: [],
    openedAt: 0,
    closedAt: 0,
    sentThrough: 0,
    incoming: new Set(),
    ...more,
  };
}
