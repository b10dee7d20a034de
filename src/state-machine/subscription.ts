/**
 * Subscriptions as sessions hold them, small: there are ten times as many as sessions, and nearly all of them ask for the same few things.
 */
import type { SubscriptionOptions } from "../commands/command.js";
import type { SessionSubscription } from "./session-view.js";

/** What a subscription asks for, apart from its filter: the same object for many of them. */
export interface SubscriptionTerms extends Omit<SubscriptionOptions, "filter"> {
  /** Number of the share; 0 for a subscription of its own. */
  readonly source: number;
}

/** Terms seen lately, by their bits. What is not found here costs an object of its own and nothing else. */
const TERM_SLOTS = 1024;
const recentTerms: (SubscriptionTerms | undefined)[] = new Array(TERM_SLOTS).fill(undefined);

export function termsOf(options: Omit<SubscriptionOptions, "filter">, source: number): SubscriptionTerms {
  const { share, qos, noLocal, retainAsPublished, retainHandling, subscriptionId } = options;
  const flags = qos | (retainHandling << 2) | (noLocal ? 16 : 0) | (retainAsPublished ? 32 : 0);
  const slot = (flags ^ (subscriptionId << 4)) & (TERM_SLOTS - 1);
  const known = recentTerms[slot];
  if (
    known !== undefined &&
    known.source === source &&
    known.share === share &&
    areSameTerms(known, options) &&
    known.retainHandling === retainHandling
  ) {
    return known;
  }
  const terms = { share, qos, noLocal, retainAsPublished, retainHandling, subscriptionId, source };
  recentTerms[slot] = Object.freeze(terms);
  return terms;
}

/** Whether both give the same packets for the same messages; Retain Handling has no part in that. */
export function areSameTerms(
  a: Omit<SubscriptionOptions, "filter" | "share">,
  b: Omit<SubscriptionOptions, "filter" | "share">,
): boolean {
  return (
    a.qos === b.qos &&
    a.noLocal === b.noLocal &&
    a.retainAsPublished === b.retainAsPublished &&
    a.subscriptionId === b.subscriptionId
  );
}

export class StoredSubscription implements SessionSubscription {
  readonly filter: string;
  readonly since: number;
  terms: SubscriptionTerms;
  /** The last position that it matches; 0 while it stands. */
  end: number;

  constructor(filter: string, terms: SubscriptionTerms, since: number, end = 0) {
    this.filter = filter;
    this.terms = terms;
    this.since = since;
    this.end = end;
  }

  get stands(): boolean {
    return this.end === 0;
  }

  get until(): number {
    return this.end === 0 ? Number.POSITIVE_INFINITY : this.end;
  }

  get share(): string {
    return this.terms.share;
  }

  get qos(): 0 | 1 | 2 {
    return this.terms.qos;
  }

  get noLocal(): boolean {
    return this.terms.noLocal;
  }

  get retainAsPublished(): boolean {
    return this.terms.retainAsPublished;
  }

  get retainHandling(): 0 | 1 | 2 {
    return this.terms.retainHandling;
  }

  get subscriptionId(): number {
    return this.terms.subscriptionId;
  }

  get source(): number {
    return this.terms.source;
  }
}
