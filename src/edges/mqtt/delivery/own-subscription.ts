/**
 * All that a client subscribed to by itself (not through shares), as one running subscription: of a kept session as the replicated state has it,
 * along the stream; of any other as its connection has it, from the present on.
 */
import type { Session } from "../../../state-machine/session-view.js";
import { type Filter, FilterSet } from "../../../topics/filter-set.js";
import type { Subscription } from "../../../topics/subscriber.js";
import type { Parts } from "./parts.js";
import { boundaries, filtersAbove, type Schedule, scheduleOf } from "./schedule.js";

const NO_FILTERS = new FilterSet([]);

export class OwnSubscription {
  readonly #parts: Parts;
  /** In force at the head. */
  #filters = NO_FILTERS;
  #running: Subscription | null = null;
  /** While nothing runs: how far it is. */
  #stoppedAt = 0;
  /** It was ended by the broker and will go on from there. */
  #isEnded = false;
  /** What the state says of changes up to here is made. */
  #changedThrough = 0;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get filters(): FilterSet {
    return this.#filters;
  }

  /** Everything that matches up to here was handed to the sink. Without a subscription that is all there is. */
  get cursor(): number {
    if (this.#running !== null) return this.#running.cursor;
    return this.#isEnded ? this.#stoppedAt : this.#parts.context.broker.head;
  }

  /** The same as progress that is worth telling. */
  get walked(): number {
    return this.#running?.cursor ?? this.#stoppedAt;
  }

  /** Positions between it and the head; 0 without a subscription. */
  get lag(): number {
    return this.#running === null ? 0 : Math.max(0, this.#parts.context.broker.head - this.#running.cursor);
  }

  get isBehind(): boolean {
    return this.#running?.behind ?? false;
  }

  /** The sink can take something again. */
  proceed(): void {
    this.#running?.resume();
  }

  /** Of a kept session: from its cursor, by the filters that were in force at each position. */
  resume({ subscriptions, live }: Session): void {
    this.#stoppedAt = live.through;
    this.#noteChanges(subscriptions);
    const { after, filters, changes } = scheduleOf(subscriptions, live.through, this.#parts.session.number);
    if (filters.filters.length > 0) this.#start({ after, filters, changes });
  }

  /** Of a kept session: the state has other subscriptions now. */
  changed(session: Session): void {
    const { subscriptions } = session;
    const places = this.#changesSince(subscriptions);
    const first = places[0];
    if (first === undefined) return;
    this.#noteChanges(subscriptions);
    if (this.#isEnded) return;
    const running = this.#running;
    if (running === null) this.#start(this.#scheduleFrom(session, first));
    else if (first === this.#parts.context.broker.head) running.change(this.#filters);
    else this.#rewind(running, session, Math.max(session.live.through, Math.min(running.cursor, first)));
  }

  /** Of a session that is not kept: from the present head on these and no others. */
  set(filters: readonly Filter[]): void {
    this.#filters = new FilterSet(filters, this.#parts.session.number);
    if (this.#isEnded && filters.length > 0) return;
    this.#isEnded = false;
    if (filters.length === 0) this.#stop();
    else if (this.#running !== null) this.#running.change(this.#filters);
    else this.#running = this.#subscribe({ after: null, filters: this.#filters, changes: [] });
  }

  /**
   * The broker ended the subscription because its only topic was deleted. The filter stays, a topic of that name may come: soon (not from
   * inside the broker's call) it goes on from where it stood.
   */
  ended(): void {
    this.#stop();
    this.#isEnded = true;
    this.#parts.context.clock.soon(() => {
      if (!this.#isEnded || this.#isClosed) return;
      this.#isEnded = false;
      this.#goOn();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
  }

  #goOn(): void {
    const { session, context } = this.#parts;
    const kept = session.isKept ? context.broker.session(session.number) : undefined;
    if (kept !== undefined) this.#start(this.#scheduleFrom(kept, this.#stoppedAt));
    else this.#running = this.#subscribe({ after: this.#stoppedAt, filters: this.#filters, changes: [] });
  }

  #rewind(running: Subscription, session: Session, after: number): void {
    this.#parts.live.rewound(session);
    running.close();
    this.#start(this.#scheduleFrom(session, after));
  }

  #start(schedule: Schedule): void {
    this.#running = this.#subscribe(schedule);
  }

  #subscribe(schedule: Omit<Schedule, "after"> & { readonly after: number | null }): Subscription {
    const { context, live } = this.#parts;
    return context.broker.subscribe({ ...schedule, sink: live });
  }

  #stop(): void {
    if (this.#running === null) return;
    this.#running.close();
    this.#stoppedAt = this.#running.cursor;
    this.#running = null;
  }

  #scheduleFrom({ subscriptions }: Session, after: number): Schedule {
    return scheduleOf(subscriptions, after, this.#parts.session.number);
  }

  /** Where other filters are in force than was known. */
  #changesSince(subscriptions: Session["subscriptions"]): number[] {
    const known = this.#changedThrough;
    const places = boundaries(subscriptions, known);
    // A second change at the same place.
    const isOther = filtersAbove(subscriptions, known, this.#parts.session.number).key !== this.#filters.key;
    return isOther ? [known, ...places] : places;
  }

  #noteChanges(subscriptions: Session["subscriptions"]): void {
    const { session } = this.#parts;
    this.#changedThrough = boundaries(subscriptions, this.#changedThrough).at(-1) ?? this.#changedThrough;
    this.#filters = filtersAbove(subscriptions, this.#changedThrough, session.number);
  }
}
