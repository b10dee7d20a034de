/** How far a session is with one source, as the machine keeps it: what comes out of order is put into its place. */
import type { SubscriptionOptions } from "../commands/command.js";
import { firstIndex } from "./first-index.js";
import type { DeliveryState, RetainedPass } from "./session-view.js";

const NONE: readonly number[] = Object.freeze([]);

/** What is told of one source; positions at or below `through` say nothing new. */
export interface ProgressNews {
  readonly through: number;
  readonly received: readonly number[];
  readonly done: readonly number[];
}

export class DeliveryProgress implements DeliveryState {
  through: number;
  done: readonly number[] = NONE;
  received: readonly number[] = NONE;

  constructor(through: number) {
    this.through = through;
  }

  take(news: ProgressNews): void {
    const through = Math.max(this.through, news.through);
    const isAbove = (position: number): boolean => position > through;
    if (through > this.through) {
      this.through = through;
      this.done = thinned(this.done, isAbove);
      this.received = thinned(this.received, isAbove);
    }
    const done = news.done.filter(isAbove);
    if (done.length > 0) {
      this.done = Object.freeze([...new Set([...this.done, ...done])].sort((a, b) => a - b));
    }
    const received = news.received.filter(isAbove);
    if (received.length === 0 && done.length === 0) return;
    const isDone = new Set(this.done);
    this.received = thinned([...new Set([...this.received, ...received])], (it) => !isDone.has(it));
  }
}

/** No memory of its own for the usual case, that nothing is left. */
function thinned(positions: readonly number[], isKept: (position: number) => boolean): readonly number[] {
  if (positions.length === 0) return NONE;
  const kept = positions.filter(isKept);
  return kept.length === 0 ? NONE : Object.freeze(kept);
}

export class PassProgress extends DeliveryProgress implements RetainedPass {
  readonly source: number;
  readonly asOf: number;
  readonly subscriptions: readonly SubscriptionOptions[];
  gone: readonly number[] = NONE;

  constructor(source: number, asOf: number, subscriptions: readonly SubscriptionOptions[]) {
    super(0);
    this.source = source;
    this.asOf = asOf;
    this.subscriptions = subscriptions;
  }

  override take(news: ProgressNews): void {
    super.take(news);
    if (this.gone.length === 0) return;
    const isKnown = new Set([...this.done, ...this.received]);
    this.gone = thinned(this.gone, (position) => position > this.through && !isKnown.has(position));
  }

  /** The message at this position, which it matches at QoS 2, is gone. Returns whether that is news. */
  lose(position: number): boolean {
    if (position <= this.through || this.received.includes(position)) return false;
    const { done, gone } = this;
    const isNotBelow = (other: number): boolean => other >= position;
    if (done[firstIndex(done, isNotBelow)] === position) return false;
    const index = firstIndex(gone, isNotBelow);
    this.gone = Object.freeze([...gone.slice(0, index), position, ...gone.slice(index)]);
    return true;
  }

  /** The highest position that is gone is forgotten. */
  forgetGone(): void {
    this.gone = this.gone.length <= 1 ? NONE : Object.freeze(this.gone.slice(0, -1));
  }
}
