/** The topic brokers there are: by filter set, and by the topics they are about. */
import type { TopicBroker } from "./topic-broker.js";
import { isWildcard } from "./topic-name.js";
import { TopicTrie } from "./topic-trie.js";

const NONE: readonly TopicBroker[] = [];

/** Answers remembered by topic; forgotten all at once when there are too many, since the trie itself is quick. */
const ANSWERS_KEPT_MAX = 65_536;

export class BrokerIndex {
  readonly #byKey = new Map<string, TopicBroker>();
  readonly #trie = new TopicTrie<TopicBroker>();
  /** Answers of the trie by topic name, until the filters change: publishing to a known topic is one look-up. */
  readonly #byTopic = new Map<string, readonly TopicBroker[]>();

  get size(): number {
    return this.#byKey.size;
  }

  all(): Iterable<TopicBroker> {
    return this.#byKey.values();
  }

  /** The broker of the filter set with this key. */
  get(key: string): TopicBroker | undefined {
    return this.#byKey.get(key);
  }

  /** The brokers whose filters match a topic. */
  ofTopic(name: string): readonly TopicBroker[] {
    let brokers = this.#byTopic.get(name);
    if (brokers === undefined) {
      brokers = [...this.#trie.match(name)];
      if (brokers.length === 0) brokers = NONE;
      if (this.#byTopic.size === ANSWERS_KEPT_MAX) this.#byTopic.clear();
      this.#byTopic.set(name, brokers);
    }
    return brokers;
  }

  add(broker: TopicBroker): void {
    this.#byKey.set(broker.filters.key, broker);
    for (const { filter } of broker.filters.filters) {
      this.#trie.add(filter, broker);
      this.#forgetAnswers(filter);
    }
  }

  remove(broker: TopicBroker): void {
    this.#byKey.delete(broker.filters.key);
    for (const { filter } of broker.filters.filters) {
      this.#trie.remove(filter, broker);
      this.#forgetAnswers(filter);
    }
    if (this.size === 0) this.#byTopic.clear();
  }

  /** The topic is gone, or `null`: any of them may be. Costs a look-up more when one comes back. */
  forgetTopic(name: string | null): void {
    if (name === null) this.#byTopic.clear();
    else this.#byTopic.delete(name);
  }

  #forgetAnswers(filter: string): void {
    if (isWildcard(filter)) this.#byTopic.clear();
    else this.#byTopic.delete(filter);
  }
}
