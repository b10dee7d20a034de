/** A node's fan-out for tests: topics, messages, a store and a clock in hand, and the brokers under test on top. */

import type { StoredMessage, TopicRef } from "../../../src/state-machine/effects.js";
import { FilterSet } from "../../../src/topics/filter-set.js";
import { type FanoutLimits, TopicBrokers } from "../../../src/topics/registry.js";
import type {
  BatchEncoder,
  DeliveryBatch,
  SubscribeRequest,
  SubscriberSink,
  Subscription,
} from "../../../src/topics/subscriber.js";
import { ArrayMessageStore } from "../../support/array-message-store.js";
import { ManualClock } from "../../support/manual-clock.js";

export const ROOMY: FanoutLimits = {
  flushBytesMax: 1_000_000,
  flushMessagesMax: 10_000,
  flushDelayMsMax: 50,
  recentBatchBytesMax: 10_000_000,
  catchUpPageBytesMax: 100_000,
  catchUpPageMessagesMax: 100,
};

export function filterSet(...filters: string[]): FilterSet {
  return new FilterSet(filters.map((filter) => ({ filter, qos: 0 as const })));
}

export class Bench {
  readonly clock = new ManualClock();
  readonly store = new ArrayMessageStore();
  readonly topics = new Map<string, TopicRef>();
  readonly byId = new Map<number, TopicRef>();
  readonly errors: unknown[] = [];
  readonly deliverySeconds: number[] = [];
  readonly brokers: TopicBrokers;
  #offsets = new Map<number, number>();
  #nextTopicId = 1;
  #isInstalling = false;

  constructor(limits: Partial<FanoutLimits> = {}) {
    this.brokers = new TopicBrokers({
      store: this.store,
      topics: {
        byName: (name) => this.topics.get(name),
        byId: (id) => this.byId.get(id),
        all: () => this.topics.values(),
      },
      clock: this.clock,
      head: () => this.head,
      metrics: { deliverySeconds: { observe: (seconds) => this.deliverySeconds.push(seconds) } },
      onError: (error) => this.errors.push(error),
      limits: { ...ROOMY, ...limits },
    });
  }

  get head(): number {
    return this.store.lastPosition;
  }

  /** One log entry with a message of `payloadBytes` to each of the topics. */
  publish(names: readonly string[], payloadBytes = 1, propertyBytes = 0): readonly StoredMessage[] {
    const messages = this.append(names, payloadBytes, propertyBytes);
    this.brokers.publish(messages);
    return messages;
  }

  /** The same as far as the store goes: the brokers are not told. */
  append(names: readonly string[], payloadBytes = 1, propertyBytes = 0): readonly StoredMessage[] {
    const messages = names.map((name, index) => ({
      ...this.#message(name, this.head + 1 + index, payloadBytes),
      properties: new Uint8Array(propertyBytes),
    }));
    this.store.append(messages);
    return messages;
  }

  create(name: string): TopicRef {
    const known = this.topics.get(name);
    if (known !== undefined) return known;
    const topic = { id: this.#nextTopicId, name };
    this.#nextTopicId += 1;
    this.topics.set(name, topic);
    this.byId.set(topic.id, topic);
    if (!this.#isInstalling) this.brokers.topicCreated(topic);
    return topic;
  }

  delete(name: string): void {
    const topic = this.topics.get(name);
    if (topic === undefined) return;
    this.topics.delete(name);
    this.byId.delete(topic.id);
    this.store.forget(topic.id);
    if (!this.#isInstalling) this.brokers.topicDeleted(topic);
  }

  /** A snapshot brings what `change` does: the brokers hear only that there is one. */
  install(change: () => void): void {
    const before = new Map(this.topics);
    this.#isInstalling = true;
    change();
    this.#isInstalling = false;
    this.brokers.restored({ byName: (name) => before.get(name) });
  }

  /** Until nothing is left to do: turns, timers and late reads. */
  async settle(): Promise<void> {
    while (this.clock.hasSoon || this.clock.nextTimerMs !== null || this.store.lateReads > 0) {
      while (this.store.lateReads > 0) await this.store.land();
      this.clock.advance(this.clock.nextTimerMs ?? 0);
    }
  }

  #message(name: string, position: number, payloadBytes: number): StoredMessage {
    const topic = this.create(name);
    const offset = this.#offsets.get(topic.id) ?? 0;
    this.#offsets.set(topic.id, offset + 1);
    return {
      position,
      offset,
      topic,
      timestampMs: this.clock.nowMs(),
      payload: new Uint8Array(payloadBytes),
      contentType: "",
      qos: 0,
      retain: false,
      expiresAtMs: 0,
      properties: new Uint8Array(0),
      publisher: 0,
    };
  }
}

/** A sink that writes down what happens to it: positions, `gap a-b`, `deleted`, `failed`, one array a batch. */
export class RecordingSink implements SubscriberSink {
  readonly log: (readonly number[] | string)[] = [];
  readonly batches: DeliveryBatch[] = [];
  /** Messages it takes before it has to be resumed. */
  room = Number.POSITIVE_INFINITY;
  /** Runs within `deliver`, before it returns. */
  within: () => void = () => undefined;

  deliver(batch: DeliveryBatch): number {
    const taken = batch.messages.slice(0, this.room);
    this.room -= taken.length;
    this.batches.push(batch);
    this.log.push(taken.map(({ position }) => position));
    this.within();
    if (taken.length === batch.messages.length) return batch.through;
    return taken.at(-1)?.position ?? batch.after;
  }

  isWritable(): boolean {
    return this.room > 0;
  }

  gap(after: number, resumedAt: number): void {
    this.log.push(`gap ${after}-${resumedAt}`);
  }

  topicDeleted(): void {
    this.log.push("deleted");
  }

  failed(error: unknown): void {
    this.log.push(`failed ${error instanceof Error ? error.message : String(error)}`);
  }

  /** Positions that were taken. */
  get positions(): number[] {
    return this.log.flatMap((entry) => (typeof entry === "string" ? [] : entry));
  }
}

/** Counts its work. */
export class CountingEncoder implements BatchEncoder<readonly number[]> {
  calls = 0;
  messages = 0;

  encode(messages: readonly StoredMessage[]): readonly number[] {
    this.calls += 1;
    this.messages += messages.length;
    return messages.map(({ position }) => position);
  }
}

/** A subscription to one filter or several, live unless told otherwise. */
export function subscribe(
  bench: Bench,
  filters: string | readonly string[],
  after: SubscribeRequest["after"] = null,
  sink = new RecordingSink(),
): { sink: RecordingSink; subscription: Subscription } {
  const request = { filters: filterSet(...[filters].flat()), sink, after };
  return { sink, subscription: bench.brokers.subscribe(request) };
}
