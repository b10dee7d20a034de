/**
 * The subscribers of one filter set and the queue of what they have not been given yet. A flush makes one batch of the queue,
 * hands it to everybody who is live and keeps it for those who are not; ranges of successive batches touch.
 */
import { bodyBytes, type StoredMessage, type TopicRef } from "../state-machine/effects.js";
import type { FilterSet } from "./filter-set.js";
import { KeptBatches } from "./kept-batches.js";
import type { LiveSubscription } from "./live-subscription.js";
import type { PageReader } from "./page-reader.js";
import type { RecentBatches } from "./recent-batches.js";
import type { Slices } from "./slices.js";
import { SmallSet } from "./small-set.js";
import { DeliveryBatch } from "./subscriber.js";

/** What topic brokers and their subscribers ask of the whole. */
export interface Fanout {
  /** Position of the newest message. */
  readonly head: number;
  /** Every match up to here is in the brokers' queues or was in them. */
  readonly publishedThrough: number;
  /** The same, after a look at the store; may call sinks unless fan-out is under way. */
  presentHead(): number;
  /** Fan-out is under way, so that a call may come from within a sink. */
  readonly isActive: boolean;
  readonly flushBytesMax: number;
  readonly flushMessagesMax: number;
  readonly recent: RecentBatches;
  readonly slices: Slices;
  monotonicMs(): number;
  /** A queue is not empty any more. */
  queued(broker: TopicBroker): void;
  /** A queue is as long as it may be. */
  mustFlush(broker: TopicBroker): void;
  /** A flush handed over what had waited for this long. */
  delivered(seconds: number): void;
  /** Runs fan-out at once. */
  now(task: () => void): void;
  reader(broker: TopicBroker): PageReader;
  /** The broker of a filter set; made when there is none. */
  brokerFor(filters: FilterSet): TopicBroker;
  /** The last subscriber has left. */
  emptied(broker: TopicBroker): void;
  /** A subscriber behind can go on. */
  wake(subscription: LiveSubscription): void;
  /** A subscriber needs no turn any more. */
  forget(subscription: LiveSubscription): void;
  onError(error: unknown): void;
}

/** An empty queue, the same for all: most queues are empty, and grow by one message before they are flushed. */
const NOTHING: StoredMessage[] = [];

export class TopicBroker {
  readonly filters: FilterSet;
  readonly kept = new KeptBatches();
  /** Everybody, and of them those who are served live. */
  readonly members = new SmallSet<LiveSubscription>();
  readonly live = new SmallSet<LiveSubscription>();
  readonly #fanout: Fanout;
  /** Whatever matches up to here was flushed; the queue is above it. */
  #flushedThrough: number;
  #queue = NOTHING;
  #queueBytes = 0;
  #queuedSinceMs = 0;
  /** While flushing: the last position before what is being flushed. */
  #flushingAbove: number | null = null;
  #pages: PageReader | null = null;

  constructor(filters: FilterSet, fanout: Fanout) {
    this.filters = filters;
    this.#fanout = fanout;
    this.#flushedThrough = fanout.publishedThrough;
  }

  /** For those who are behind: made for the first of them. */
  get pages(): PageReader {
    this.#pages ??= this.#fanout.reader(this);
    return this.#pages;
  }

  get flushedThrough(): number {
    return this.#flushedThrough;
  }

  get queuedMessages(): number {
    return this.#queue.length;
  }

  get queuedBytes(): number {
    return this.#queueBytes;
  }

  /** Whoever is live was handed every match up to here: the head, unless something waits. */
  get servedThrough(): number {
    if (this.#flushingAbove !== null) return this.#flushingAbove;
    const first = this.#queue[0];
    return first === undefined ? this.#fanout.publishedThrough : first.position - 1;
  }

  enqueue(message: StoredMessage): void {
    const fanout = this.#fanout;
    if (this.#queue.length === 0) {
      this.#queuedSinceMs = fanout.monotonicMs();
      fanout.queued(this);
    }
    const wasFull = this.#isFull;
    if (this.#queue.length === 0) this.#queue = [message];
    else this.#queue.push(message);
    this.#queueBytes += bodyBytes(message);
    if (!wasFull && this.#isFull) fanout.mustFlush(this);
  }

  /** Hands over what waits. Does nothing from within itself. */
  flush(): void {
    const first = this.#queue[0];
    if (first === undefined || this.#flushingAbove !== null) return;
    const queue = this.#queue;
    const isLarge =
      this.#queueBytes > 2 * this.#fanout.flushBytesMax || queue.length > 2 * this.#fanout.flushMessagesMax;
    const wasLive = this.live.size > 0;
    this.#queue = NOTHING;
    this.#queueBytes = 0;
    this.#flushingAbove = first.position - 1;
    if (isLarge) this.#handOverInParts(queue);
    else this.#handOver(queue, this.#fanout.publishedThrough);
    this.#flushingAbove = null;
    if (wasLive) this.#fanout.delivered((this.#fanout.monotonicMs() - this.#queuedSinceMs) / 1000);
  }

  /** Messages up to `position` came by another way than the queue (a snapshot): everybody reads them from the store. */
  skip(position: number): void {
    this.flush();
    for (const subscription of [...this.live]) subscription.fallBehind();
    this.#flushedThrough = position;
  }

  /** The one topic of this broker was deleted: its last messages, then the end. */
  topicDeleted(topic: TopicRef): void {
    this.#queue = this.#queue.filter((message) => message.topic.id === topic.id);
    this.flush();
    for (const subscription of [...this.members]) subscription.topicDeleted();
  }

  close(): void {
    this.#queue = NOTHING;
    this.#queueBytes = 0;
    this.kept.close();
  }

  get #isFull(): boolean {
    return (
      this.#queueBytes > this.#fanout.flushBytesMax || this.#queue.length > this.#fanout.flushMessagesMax
    );
  }

  /** One log entry may hold more than a batch should. */
  #handOverInParts(queue: readonly StoredMessage[]): void {
    const { flushBytesMax, flushMessagesMax, publishedThrough } = this.#fanout;
    let from = 0;
    let bytes = 0;
    for (const [index, message] of queue.entries()) {
      bytes += bodyBytes(message);
      if (index === from || (bytes <= flushBytesMax && index - from < flushMessagesMax)) continue;
      this.#handOver(queue.slice(from, index), message.position - 1);
      from = index;
      bytes = bodyBytes(message);
    }
    this.#handOver(queue.slice(from), publishedThrough);
  }

  #handOver(messages: readonly StoredMessage[], through: number): void {
    const batch = new DeliveryBatch(this.filters, messages, this.#flushedThrough, through);
    this.#flushedThrough = through;
    for (const subscription of this.live) subscription.take(batch);
    this.kept.add(batch, 0, this.#fanout.recent);
  }
}
