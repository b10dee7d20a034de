/**
 * Subscribing and unsubscribing. A subscription is about a part of the stream; one that was replaced or removed is still there
 * for what came before, until the session's cursor has passed it.
 */
import type { SubscribeCommand, SubscriptionOptions, UnsubscribeCommand } from "../commands/command.js";
import type { ErrorCode } from "../errors.js";
import { limits } from "../limits.js";
import { isShareName, isTopicFilter, isWildcard } from "../topics/topic-name.js";
import { PassProgress } from "./delivery-progress.js";
import type { CommandResult } from "./effects.js";
import { CHANGED_PROGRESS, CHANGED_SESSION, type SessionState } from "./session-state.js";
import { DISPLACED, speakerOf } from "./speaker.js";
import type { State } from "./state.js";
import { areSameTerms, StoredSubscription, termsOf } from "./subscription.js";

const { subscriptionsPerConnectionMax } = limits;
/** Subscriptions that stand and those of the past, together. */
const RECORDS_MAX = 2 * subscriptionsPerConnectionMax;

type Subscribed = Extract<CommandResult, { kind: "subscribed" }>["subscriptions"][number];

/** Adds or replaces each (MQTT-3.8.4-3); one that is refused takes nothing from the others (MQTT-3.8.4-6). */
export function applySubscribe(state: State, command: SubscribeCommand): CommandResult {
  const session = speakerOf(state, command);
  if (session === undefined) return DISPLACED;
  const change = new SubscriptionChange(state, session);
  const subscriptions = command.subscriptions.map((options) => change.subscribe(options));
  change.finish();
  return { kind: "subscribed", subscriptions };
}

/** Nothing that comes after this command matches the filters any more (MQTT-3.10.4-1 to 3.10.4-3). */
export function applyUnsubscribe(state: State, command: UnsubscribeCommand): CommandResult {
  const session = speakerOf(state, command);
  if (session === undefined) return DISPLACED;
  const change = new SubscriptionChange(state, session);
  const existed = command.filters.map(({ filter, share }) => change.unsubscribe(filter, share));
  change.finish();
  return { kind: "unsubscribed", existed };
}

/** Forgets subscriptions that the session's cursor has passed. */
export function forgetPassed(state: State, session: SessionState): void {
  const { through } = session.live;
  const isPassed = ({ end }: StoredSubscription): boolean => end !== 0 && end <= through;
  if (!session.subscriptions.some(isPassed)) return;
  session.subscriptions = session.subscriptions.filter((it) => !isPassed(it));
  state.sessions.touch(session, CHANGED_SESSION);
}

/** Changes to the subscriptions of one session by one command. */
class SubscriptionChange {
  readonly #state: State;
  readonly #session: SessionState;
  readonly #head: number;
  readonly #records: StoredSubscription[];
  readonly #standing = new Map<string, StoredSubscription>();
  readonly #stoodBefore: number;
  #isChanged = false;
  /** By filter: those that ask for retained messages. */
  readonly #asking = new Map<string, SubscriptionOptions>();
  /** How many subscriptions of earlier commands still wait for theirs. */
  readonly #waiting: number;

  constructor(state: State, session: SessionState) {
    this.#state = state;
    this.#session = session;
    this.#head = state.head;
    this.#records = [...session.subscriptions];
    for (const record of this.#records) {
      if (record.stands) this.#standing.set(keyOf(record.filter, record.share), record);
    }
    this.#stoodBefore = this.#standing.size;
    this.#waiting = session.passes.reduce((sum, { subscriptions }) => sum + subscriptions.length, 0);
  }

  subscribe(options: SubscriptionOptions): Subscribed {
    const present = this.#standing.get(keyOf(options.filter, options.share));
    const existed = present !== undefined;
    const refused = this.#whyNot(options, present);
    if (refused !== null) return { existed, refused };
    if (options.share !== "") this.#share(options, present);
    else if (present === undefined) this.#add(options, 0);
    else this.#replace(present, options);
    if (this.#asksForRetained(options, existed)) this.#asking.set(options.filter, options);
    return { existed, refused: null };
  }

  unsubscribe(filter: string, share: string): boolean {
    const present = this.#standing.get(keyOf(filter, share));
    if (present === undefined) return false;
    this.#standing.delete(keyOf(filter, share));
    if (share !== "") {
      this.#state.shares.leave(this.#session, filter, share);
      this.#records.splice(this.#records.indexOf(present), 1);
      this.#isChanged = true;
    } else this.#end(present);
    return true;
  }

  finish(): void {
    const { sessions } = this.#state;
    const session = this.#session;
    const { live } = session;
    if (this.#asking.size > 0) this.#addPass();
    if (!this.#isChanged) return;
    const isFirst = session.subscriptions.length === 0 && live.received.length === 0;
    if (isFirst && session.isKept) {
      // Nothing matched so far, so that nothing can be missed up to here.
      live.take({ through: this.#head, received: [], done: [] });
      sessions.touch(session, CHANGED_PROGRESS);
    }
    sessions.countSubscriptions(this.#standing.size - this.#stoodBefore);
    session.subscriptions = this.#records.filter(({ until }) => until > live.through);
    sessions.touch(session, CHANGED_SESSION);
  }

  #whyNot(options: SubscriptionOptions, present: StoredSubscription | undefined): ErrorCode | null {
    const { filter, share } = options;
    if (!isTopicFilter(filter) || (share !== "" && !isShareName(share))) return "invalid_filter";
    if (share === "" && !this.#session.isKept) return "invalid_request";
    if (this.#asksForRetained(options, present !== undefined)) {
      if (this.#waiting + this.#asking.size >= subscriptionsPerConnectionMax) return "too_many_subscriptions";
    }
    if (present === undefined) return this.#isFull() ? "too_many_subscriptions" : null;
    const grows = share === "" && !areSameTerms(present, options);
    return grows && this.#records.length >= RECORDS_MAX ? "too_many_subscriptions" : null;
  }

  #isFull(): boolean {
    const { sessions, subscriptionsMax } = this.#state;
    const all = sessions.subscriptions + this.#standing.size - this.#stoodBefore;
    return (
      this.#standing.size >= subscriptionsPerConnectionMax ||
      this.#records.length >= RECORDS_MAX ||
      all >= subscriptionsMax
    );
  }

  #add(options: SubscriptionOptions, source: number): void {
    const { filter, share } = options;
    const record = new StoredSubscription(filter, termsOf(options, source), this.#head);
    this.#records.push(record);
    this.#standing.set(keyOf(filter, share), record);
    this.#isChanged = true;
  }

  /** What came before goes on as it was asked for then. */
  #replace(present: StoredSubscription, options: SubscriptionOptions): void {
    this.#isChanged = true;
    if (areSameTerms(present, options)) {
      present.terms = termsOf(options, 0);
      return;
    }
    this.#end(present);
    this.#add(options, 0);
  }

  #end(present: StoredSubscription): void {
    this.#isChanged = true;
    if (present.since >= this.#head) this.#records.splice(this.#records.indexOf(present), 1);
    else present.end = this.#head;
  }

  #share(options: SubscriptionOptions, present: StoredSubscription | undefined): void {
    const source = this.#state.shares.join(this.#session, options);
    if (present === undefined) this.#add(options, source);
    else present.terms = termsOf(options, source);
    this.#isChanged = true;
  }

  #asksForRetained(options: SubscriptionOptions, existed: boolean): boolean {
    const { filter, share, retainHandling } = options;
    if (!this.#session.isKept || share !== "") return false;
    if (retainHandling === 2 || (retainHandling === 1 && existed)) return false;
    const { retained, topics, timeMs } = this.#state;
    if (isWildcard(filter)) return retained.count > 0;
    const topic = topics.byName(filter);
    return topic !== undefined && retained.get(topic.id, timeMs) !== undefined;
  }

  #addPass(): void {
    const pass = new PassProgress(this.#state.takeSource(), this.#head, [...this.#asking.values()]);
    this.#state.passes.begin(this.#session, pass);
  }
}

function keyOf(filter: string, share: string): string {
  return `${share}/${filter}`;
}
