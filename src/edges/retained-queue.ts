/**
 * Retained messages that a client has still to be sent: after SUBSCRIBE (MQTT-3.3.1-6), before an SSE stream that asks for them. It keeps topic names, not messages: each is looked
 * up when its turn comes, so that a slow client holds no payloads, and a deleted message does not come back.
 */
import type { Broker } from "../broker.js";
import { limits } from "../limits.js";
import { bodyBytes, type StoredMessage } from "../state-machine/effects.js";
import { type Filter, FilterSet } from "../topics/filter-set.js";
import { isWildcard } from "../topics/topic-name.js";

/** The topics that matched the filters of one chunk's SUBSCRIBEs. */
interface Matched {
  readonly topics: readonly string[];
  /** Newest position then: what was retained later comes live. */
  readonly asOf: number;
}

export class RetainedQueue {
  readonly #broker: Broker;
  #waiting: Matched[] = [];
  /** Place in the first of them. */
  #at = 0;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Adds the retained messages that match `filters` now; those above position `asOf` come live. */
  add(filters: readonly Filter[], asOf: number): void {
    const topics = this.#matching(filters);
    if (topics.length === 0) return;
    this.#waiting.push({ topics, asOf });
    const total = this.#waiting.reduce((sum, matched) => sum + matched.topics.length, 0);
    // Somebody who subscribes again and again and reads nothing: one entry a topic.
    if (total > limits.retainedMessagesMax) this.#merge(asOf);
  }

  /**
   * Looks up the next ones that `filters` still match: `messagesMax` topics at most, and no more once a page of bytes is gathered.
   * May give none and still not be empty.
   */
  next(messagesMax: number, filters: FilterSet): readonly StoredMessage[] {
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (let looked = 0; looked < messagesMax && bytes < limits.catchUpPageBytesMax; looked += 1) {
      const matched = this.#waiting[0];
      const topic = matched?.topics[this.#at];
      if (matched === undefined || topic === undefined) break;
      this.#step(matched);
      const message = filters.matches(topic) ? this.#lookUp(topic) : undefined;
      if (message === undefined || message.position > matched.asOf) continue;
      messages.push(message);
      bytes += bodyBytes(message);
    }
    return messages;
  }

  clear(): void {
    this.#waiting = [];
    this.#at = 0;
  }

  /** Exact filters are looked up, and only wildcards are worth looking through all there is. */
  #matching(filters: readonly Filter[]): readonly string[] {
    const set = new FilterSet(filters);
    if (!set.filters.some(({ filter }) => isWildcard(filter))) {
      return set.filters.flatMap(({ filter }) => (this.#lookUp(filter) === undefined ? [] : [filter]));
    }
    return this.#broker.retained(set).map((message) => message.topic.name);
  }

  #step(matched: Matched): void {
    this.#at += 1;
    if (this.#at < matched.topics.length) return;
    this.#waiting.shift();
    this.#at = 0;
  }

  #lookUp(topic: string): StoredMessage | undefined {
    return this.#broker.retained(new FilterSet([{ filter: topic, qos: 0 }]))[0];
  }

  #merge(asOf: number): void {
    const topics = new Set<string>();
    for (const [index, matched] of this.#waiting.entries()) {
      for (const topic of index === 0 ? matched.topics.slice(this.#at) : matched.topics) topics.add(topic);
    }
    this.#waiting = [{ topics: [...topics], asOf }];
    this.#at = 0;
  }
}
