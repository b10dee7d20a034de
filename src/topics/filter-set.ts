/**
 * The filters of one subscriber as a value: two subscribers with the same filters and options have equal keys and share one topic
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

/** How a message goes to the subscriber: what all the filters that match it grant together. */
export interface Grant {
  /** The highest (MQTT-3.3.4-2). */
  readonly qos: 0 | 1 | 2;
  /** One of them asked for it. */
  readonly retainAsPublished: boolean;
  /** Of all that have one (MQTT-3.3.4-4). */
  readonly subscriptionIds: readonly number[];
}

/** Answers remembered by topic; forgotten all at once when there are too many. */
const GRANTS_KEPT_MAX = 1_024;

/** Of 28 bits (MQTT 5.0, 3.8.2.1.2) to the base of 36. */
const ID_DIGITS = 6;

export class FilterSet {
  /** Sorted by filter, no filter twice. */
  readonly filters: readonly Filter[];
  /** Whose messages do not match filters with No Local: a session's number; 0 when none has it. */
  readonly excluding: number;
  /** Equal for equal sets, and only for them (a filter has no NUL). */
  readonly key: string;
  /** The only topic this set can match, or `null` when it has several filters, none, or a wildcard. */
  readonly exactTopic: string | null;
  /** What every filter grants, when they all grant the same. */
  readonly #uniform: Grant | null;
  readonly #isUniformlyNoLocal: boolean;
  /** By topic; of messages of `excluding` with a NUL in front. Made when it is needed: most sets answer without. */
  #grants: Map<string, Grant | null> | null = null;

  /**
   * Takes valid filters; of a repeated filter the last counts (MQTT-3.8.4-3). An empty set matches nothing. `excluding` is the subscriber's
   * own session, which counts only if a filter is No Local.
   */
  constructor(filters: Iterable<Filter>, excluding = 0) {
    const byName = new Map<string, Filter>();
    for (const filter of filters) byName.set(filter.filter, filter);
    this.filters = [...byName.values()].sort((a, b) => (a.filter < b.filter ? -1 : 1));
    this.excluding = this.filters.some(({ noLocal }) => noLocal === true) ? excluding : 0;
    const names = this.filters.map((filter) => `${optionsKey(filter)}${filter.filter}`).join("\0");
    this.key = this.excluding === 0 ? names : `!${this.excluding}\0${names}`;
    const [only, second] = this.filters;
    const isExact = only !== undefined && second === undefined && !isWildcard(only.filter);
    this.exactTopic = isExact ? only.filter : null;
    this.#uniform = uniformGrant(this.filters);
    this.#isUniformlyNoLocal = only?.noLocal === true;
  }

  /** Whether messages of others to this topic match. */
  matches(topic: string): boolean {
    return this.filters.some(({ filter }) => filterMatches(filter, topic));
  }

  /** How a message to `topic` of the session `publisher` (0 for none) goes to the subscriber; `null` when nothing matches. */
  grantFor(topic: string, publisher = 0): Grant | null {
    const isOwn = publisher !== 0 && publisher === this.excluding;
    const key = isOwn ? `\0${topic}` : topic;
    this.#grants ??= new Map();
    let grant = this.#grants.get(key);
    if (grant === undefined) {
      grant = combined(
        this.filters.filter(
          ({ filter, noLocal }) => !(isOwn && noLocal === true) && filterMatches(filter, topic),
        ),
      );
      if (this.#grants.size === GRANTS_KEPT_MAX) this.#grants.clear();
      this.#grants.set(key, grant);
    }
    return grant;
  }

  /** The same where it is known that a filter matches the topic: no filter is looked at when that makes no difference. */
  grantOfMatch(topic: string, publisher: number): Grant | null {
    if (this.#uniform === null) return this.grantFor(topic, publisher);
    if (this.#isUniformlyNoLocal && publisher !== 0 && publisher === this.excluding) return null;
    return this.#uniform;
  }
}

/** QoS and options in a character, the identifier behind it where there is one. */
function optionsKey({ qos, noLocal, retainAsPublished, subscriptionId = 0 }: Filter): string {
  const bits =
    qos + (noLocal === true ? 4 : 0) + (retainAsPublished === true ? 8 : 0) + (subscriptionId === 0 ? 0 : 16);
  const id = subscriptionId === 0 ? "" : subscriptionId.toString(36).padStart(ID_DIGITS, "0");
  return `${bits.toString(36)}${id}`;
}

function uniformGrant(filters: readonly Filter[]): Grant | null {
  const [first, second] = filters;
  if (first === undefined) return null;
  const isUniform =
    second === undefined ||
    (!first.subscriptionId && filters.every((filter) => optionsKey(filter) === optionsKey(first)));
  return isUniform ? combined([first]) : null;
}

function combined(filters: readonly Filter[]): Grant | null {
  if (filters.length === 0) return null;
  let qos: 0 | 1 | 2 = 0;
  let retainAsPublished = false;
  const subscriptionIds: number[] = [];
  for (const filter of filters) {
    if (filter.qos > qos) qos = filter.qos;
    if (filter.retainAsPublished === true) retainAsPublished = true;
    const id = filter.subscriptionId ?? 0;
    if (id !== 0 && !subscriptionIds.includes(id)) subscriptionIds.push(id);
  }
  return { qos, retainAsPublished, subscriptionIds };
}
