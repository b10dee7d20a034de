/**
 * The filters of one subscriber as a value: two subscribers with the same filters and QoS have equal keys and share one topic
 * broker, and so every encoded byte.
 */
import { filterMatches, isWildcard } from "./topic-name.js";

/** One filter with what it was granted. Edges that know no QoS use 0 and leave the rest out. */
export interface Filter {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  /** Messages of the subscriber's own session do not match (MQTT 5.0, 3.8.3.1). */
  readonly noLocal?: boolean;
  /** RETAIN goes on as it was published (3.8.3.1). */
  readonly retainAsPublished?: boolean;
  /** 0 or missing for none (3.8.2.1.2). */
  readonly subscriptionId?: number;
}

export class FilterSet {
  /** Sorted by filter, no filter twice. */
  readonly filters: readonly Filter[];
  /** Equal for equal sets, and only for them (a filter has no NUL). */
  readonly key: string;
  /** The only topic this set can match, or `null` when it has several filters, none, or a wildcard. */
  readonly exactTopic: string | null;

  /** Takes valid filters; of a repeated filter the last counts (MQTT-3.8.4-3). An empty set matches nothing. */
  constructor(filters: Iterable<Filter>) {
    const byName = new Map<string, Filter>();
    for (const { filter, qos } of filters) byName.set(filter, { filter, qos });
    this.filters = [...byName.values()].sort((a, b) => (a.filter < b.filter ? -1 : 1));
    this.key = this.filters.map(({ filter, qos }) => `${qos}${filter}`).join("\0");
    const [only, second] = this.filters;
    const isExact = only !== undefined && second === undefined && !isWildcard(only.filter);
    this.exactTopic = isExact ? only.filter : null;
  }

  matches(topic: string): boolean {
    return this.filters.some(({ filter }) => filterMatches(filter, topic));
  }

  /** The highest QoS among the filters that match (MQTT-3.3.5-1); -1 when none does. */
  qosFor(topic: string): -1 | 0 | 1 | 2 {
    let highest: -1 | 0 | 1 | 2 = -1;
    for (const { filter, qos } of this.filters) {
      if (qos > highest && filterMatches(filter, topic)) highest = qos;
    }
    return highest;
  }
}
