/**
 * A client's topic filters and the one subscription at the broker that stands for all of them.
 */
import type { Broker } from "../../broker.js";
import { type Filter, FilterSet } from "../../topics/filter-set.js";
import type { SubscriberSink, Subscription } from "../../topics/subscriber.js";

export class ClientSubscriptions {
  readonly #broker: Broker;
  readonly #sink: SubscriberSink;
  readonly #granted = new Map<string, Filter>();
  /** As of the last `apply`. */
  #filters = new FilterSet([]);
  #isChanged = false;
  #running: Subscription | null = null;
  /** Where the next subscription starts; `null` for the head. */
  #resumeAfter: number | null = null;

  constructor(broker: Broker, sink: SubscriberSink) {
    this.#broker = broker;
    this.#sink = sink;
  }

  get size(): number {
    return this.#granted.size;
  }

  get filters(): FilterSet {
    return this.#filters;
  }

  has(filter: string): boolean {
    return this.#granted.has(filter);
  }

  /** Positions between the client's cursor and the head; 0 without a subscription. */
  get lag(): number {
    return this.#running === null ? 0 : Math.max(0, this.#broker.head - this.#running.cursor);
  }

  get isBehind(): boolean {
    return this.#running?.behind ?? false;
  }

  /** Adds filters, or replaces their QoS (MQTT-3.8.4-3). */
  add(filters: readonly Filter[]): void {
    for (const filter of filters) this.#granted.set(filter.filter, filter);
    this.#isChanged = true;
  }

  /** Takes filters out; those that are not there are passed over (MQTT-3.10.4-5). */
  remove(filters: readonly string[]): void {
    for (const filter of filters) if (this.#granted.delete(filter)) this.#isChanged = true;
  }

  /**
   * Makes what was added and removed count, from the present head on: once for all packets of a chunk, because a set of many
   * filters is not cheap to build. False when nothing has changed.
   */
  apply(): boolean {
    if (!this.#isChanged) return false;
    this.#changed();
    return true;
  }

  /** The sink can take something again. */
  resume(): void {
    this.#running?.resume();
  }

  /**
   * The broker ended the subscription because its only topic was deleted. The filter stays, a topic of that name may come: soon (not from
   * inside the broker's call) it goes on from where it stood.
   */
  ended(): void {
    this.#resumeAfter = this.#running?.cursor ?? null;
    this.#running = null;
    process.nextTick(() => {
      if (this.#running === null && this.#granted.size > 0) this.#changed();
    });
  }

  close(): void {
    this.#running?.close();
    this.#running = null;
    this.#granted.clear();
  }

  #changed(): void {
    this.#isChanged = false;
    this.#filters = new FilterSet(this.#granted.values());
    if (this.#granted.size === 0) {
      this.#running?.close();
      this.#running = null;
      this.#resumeAfter = null;
    } else if (this.#running === null) {
      const request = { filters: this.#filters, sink: this.#sink, after: this.#resumeAfter };
      this.#resumeAfter = null;
      this.#running = this.#broker.subscribe(request);
    } else {
      this.#running.change(this.#filters);
    }
  }
}
