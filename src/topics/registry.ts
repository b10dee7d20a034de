/**
 * Fan-out on this node: what was applied comes in, batches go out to subscribers. One topic broker for each distinct filter
 * set, made with its first subscriber and gone with its last. Holds cursors and queues, and nothing that must survive.
 */
import { limits } from "../limits.js";
import type { Clock } from "../runtime/clock.js";
import type { Timing } from "../runtime/metrics.js";
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";
import type { MessageStore } from "../store/message-store.js";
import { BrokerIndex } from "./broker-index.js";
import { CatchUpQueue } from "./catch-up.js";
import type { FilterSet } from "./filter-set.js";
import { FlushScheduler } from "./flush-scheduler.js";
import { LiveSubscription } from "./live-subscription.js";
import { canRead, PageReader, type PageSource } from "./page-reader.js";
import { RecentBatches } from "./recent-batches.js";
import { Slices } from "./slices.js";
import type { SubscribeRequest, Subscription } from "./subscriber.js";
import { type Fanout, TopicBroker } from "./topic-broker.js";
import type { TopicDirectory } from "./topic-selection.js";

/** Ceilings of fan-out, as in limits.ts. */
export type FanoutLimits = Readonly<
  Record<
    | "flushBytesMax"
    | "flushMessagesMax"
    | "flushDelayMsMax"
    | "recentBatchBytesMax"
    | "catchUpPageBytesMax"
    | "catchUpPageMessagesMax",
    number
  >
>;

export interface TopicBrokersOptions {
  /** Has a message before it is published here. */
  readonly store: Pick<MessageStore, "read" | "readRecent">;
  readonly topics: TopicDirectory;
  readonly clock: Clock;
  /** Position of the newest message in the store. */
  readonly head: () => number;
  readonly metrics: { readonly deliverySeconds: Timing };
  /** A subscriber failed (it is closed and was told), or fan-out broke a rule of its own. */
  readonly onError: (error: unknown) => void;
  /** The node's own when left out. */
  readonly limits?: FanoutLimits;
}

/** What is going on, for metrics. */
export interface TopicBrokersStats {
  readonly brokers: number;
  readonly subscriptions: number;
  readonly behind: number;
  readonly queuedMessages: number;
  /** Payload bytes. */
  readonly queuedBytes: number;
}

/** The most of a turn that goes to subscribers behind: publishers wait that long at worst. */
const CATCH_UP_MS_PER_TURN = 10;

/** Pages of replays may take this part of the recent batches' ceiling beside them, so that they do not drive those out. */
const PAGES_SHARE = 1 / 4;

export class TopicBrokers {
  readonly #options: TopicBrokersOptions;
  readonly #scheduler: FlushScheduler;
  readonly #source: PageSource;
  readonly #fanout: Fanout;
  readonly #index = new BrokerIndex();
  readonly #catchUp = new CatchUpQueue();
  readonly #slices = new Slices();
  /** Brokers whose queue is not empty, and of them those whose queue is full. */
  #queued = new Set<TopicBroker>();
  #full = new Set<TopicBroker>();
  #head = 0;
  /** What is up to here went through the queues or was skipped: the head, but for moments. */
  #publishedThrough = 0;
  #isActive = false;
  #isStopped = false;

  constructor(options: TopicBrokersOptions) {
    const { clock, store, topics, limits: ceilings = limits } = options;
    this.#options = options;
    this.#scheduler = new FlushScheduler({
      clock,
      delayMsMax: ceilings.flushDelayMsMax,
      turn: () => this.#run(() => this.#turn()),
      urgentTurn: () => this.#run(() => this.#flushFull()),
    });
    this.#source = {
      store,
      topics,
      topicsVersion: 0,
      pageMessagesMax: ceilings.catchUpPageMessagesMax,
      pageBytesMax: ceilings.catchUpPageBytesMax,
      budget: new RecentBatches(ceilings.recentBatchBytesMax * PAGES_SHARE),
      readsInFlight: 0,
      onReadEnded: () => {
        this.#catchUp.unblock();
        this.#request();
      },
    };
    this.#fanout = this.#createFanout(ceilings);
  }

  /**
   * New messages, in position order, once the store has them. Costs next to nothing for topics without subscribers; calls no
   * sink before the end of the turn
   * (unless positions are missing: a snapshot was installed and nobody called `restored`).
   */
  publish(messages: readonly StoredMessage[]): void {
    const first = messages[0];
    const last = messages[messages.length - 1];
    if (first === undefined || last === undefined) return;
    // Whoever is here has read them from the store.
    if (last.position <= this.#head) return;
    this.#head = last.position;
    if (first.position > this.#publishedThrough + 1) this.#skipTo(first.position - 1);
    this.#publishedThrough = last.position;
    if (this.#index.size === 0) return;
    this.#scheduler.published();
    let topicId = -1;
    let brokers: readonly TopicBroker[] = [];
    for (const message of messages) {
      if (message.topic.id !== topicId) {
        topicId = message.topic.id;
        brokers = this.#index.ofTopic(message.topic.name);
      }
      for (const broker of brokers) broker.enqueue(message);
    }
  }

  topicCreated(_topic: TopicRef): void {
    this.#source.topicsVersion += 1;
  }

  /** Subscribers of exactly this topic get its last messages and the end of their subscription, at once. */
  topicDeleted(topic: TopicRef): void {
    this.#source.topicsVersion += 1;
    const about = this.#index.ofTopic(topic.name).filter((broker) => broker.filters.exactTopic !== null);
    this.#index.forgetTopic(topic.name);
    if (about.length === 0) return;
    this.#now(() => {
      for (const broker of about) broker.topicDeleted(topic);
    });
  }

  /**
   * The store was replaced (a snapshot was installed): everybody goes on from his cursor, by reading what is there now. Of the topics that
   * were there `before` some may be gone, and others have come.
   */
  restored(before: Pick<TopicDirectory, "byName">): void {
    this.#forgetTopics();
    this.#now(() => {
      for (const broker of [...this.#index.all()]) this.#endIfGone(broker, before);
    });
  }

  /** Starts a subscription. No call to its sink comes before this returns. */
  subscribe(request: SubscribeRequest): Subscription {
    this.#noticeHead();
    const { filters, sink, after, changes = [] } = request;
    return new LiveSubscription(this.#fanout, sink, filters, after ?? this.#head, changes);
  }

  /** Hands over at once what waits. */
  flushNow(): void {
    if (this.#isActive) this.#request();
    else this.#now(() => this.#turn());
  }

  stats(): TopicBrokersStats {
    const stats = {
      brokers: this.#index.size,
      subscriptions: 0,
      behind: 0,
      queuedMessages: 0,
      queuedBytes: 0,
    };
    for (const broker of this.#index.all()) {
      stats.subscriptions += broker.members.size;
      stats.behind += broker.members.size - broker.live.size;
      stats.queuedMessages += broker.queuedMessages;
      stats.queuedBytes += broker.queuedBytes;
    }
    return stats;
  }

  /** Ends every subscription without a word to its sink. */
  stop(): void {
    this.#isStopped = true;
    this.#scheduler.stop();
    for (const broker of [...this.#index.all()]) {
      for (const subscription of [...broker.members]) subscription.close();
    }
  }

  /** Any of them may have come or gone. */
  #forgetTopics(): void {
    this.#source.topicsVersion += 1;
    this.#index.forgetTopic(null);
  }

  #endIfGone(broker: TopicBroker, before: Pick<TopicDirectory, "byName">): void {
    const { exactTopic } = broker.filters;
    const topic = exactTopic === null ? undefined : before.byName(exactTopic);
    if (topic !== undefined && this.#options.topics.byId(topic.id) === undefined) broker.topicDeleted(topic);
  }

  #turn(): void {
    const queued = this.#queued;
    this.#queued = new Set();
    for (const broker of queued) broker.flush();
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + CATCH_UP_MS_PER_TURN;
    this.#catchUp.run(
      () => canRead(this.#source),
      () => clock.monotonicMs() >= endMs,
    );
    this.#slices.clear();
    if (this.#queued.size > 0 || this.#catchUp.hasWork(canRead(this.#source))) this.#request();
  }

  #flushFull(): void {
    const full = this.#full;
    this.#full = new Set();
    for (const broker of full) {
      this.#queued.delete(broker);
      broker.flush();
    }
    this.#slices.clear();
  }

  /** The store may be ahead of what was published: at the start, and after a snapshot was installed. */
  #noticeHead(): void {
    const head = this.#options.head();
    if (head <= this.#head || this.#isActive) return;
    this.#head = head;
    this.#skipTo(head);
  }

  /** What is up to `position` and was not published has to be read; the queues go on after it. */
  #skipTo(position: number): void {
    this.#forgetTopics();
    if (this.#index.size > 0) {
      this.#now(() => {
        for (const broker of this.#index.all()) broker.skip(position);
      });
    }
    this.#publishedThrough = position;
  }

  #request(): void {
    if (!this.#isStopped) this.#scheduler.request();
  }

  /** Fan-out outside a turn; from within a sink it is part of what runs already. */
  #now(task: () => void): void {
    if (this.#isActive) task();
    else this.#scheduler.measured(() => this.#run(task));
  }

  #run(task: () => void): void {
    this.#noticeHead();
    this.#isActive = true;
    try {
      task();
    } catch (error) {
      this.#options.onError(error);
    } finally {
      this.#isActive = false;
    }
  }

  #createFanout(ceilings: FanoutLimits): Fanout {
    const registry = this;
    const { clock, metrics, onError } = this.#options;
    return {
      get head() {
        return registry.#head;
      },
      get publishedThrough() {
        return registry.#publishedThrough;
      },
      get isActive() {
        return registry.#isActive;
      },
      flushBytesMax: ceilings.flushBytesMax,
      flushMessagesMax: ceilings.flushMessagesMax,
      recent: new RecentBatches(ceilings.recentBatchBytesMax),
      slices: this.#slices,
      onError,
      monotonicMs: () => clock.monotonicMs(),
      delivered: (seconds) => metrics.deliverySeconds.observe(seconds),
      queued: (broker) => {
        this.#queued.add(broker);
        this.#request();
      },
      mustFlush: (broker) => {
        this.#full.add(broker);
        if (!this.#isStopped) this.#scheduler.requestUrgent();
      },
      presentHead: () => {
        this.#noticeHead();
        return this.#head;
      },
      now: (task) => this.#now(task),
      reader: (broker) => new PageReader(this.#source, broker.filters, broker.kept),
      brokerFor: (filters) => this.#brokerFor(filters),
      emptied: (broker) => {
        this.#index.remove(broker);
        broker.close();
      },
      wake: (subscription) => {
        this.#catchUp.wake(subscription);
        this.#request();
      },
      forget: (subscription) => this.#catchUp.remove(subscription),
    };
  }

  #brokerFor(filters: FilterSet): TopicBroker {
    const known = this.#index.get(filters.key);
    if (known !== undefined) return known;
    const broker = new TopicBroker(filters, this.#fanout);
    this.#index.add(broker);
    return broker;
  }
}
