/**
 * A running subscription: live (handed every batch of its broker at the flush) or behind (goes through recent batches and pages
 * of the store, as fast as its sink takes them, until its cursor meets the broker's). A slow sink costs a cursor, not memory.
 */
import { JangadaError } from "../errors.js";
import type { Straggler } from "./catch-up.js";
import type { FilterSet } from "./filter-set.js";
import type { Page, PageReader, PageWaiter } from "./page-reader.js";
import type { DeliveryBatch, FilterChange, SubscriberSink, Subscription } from "./subscriber.js";
import type { Fanout, TopicBroker } from "./topic-broker.js";

/** Batches or pages handed to one subscriber before the next has his turn. */
const STEPS_PER_TURN = 4;

/** Filter changes that a subscriber behind may add to those it began with: each is a place where the way forks. */
const CHANGES_MAX = 64;

export class LiveSubscription implements Subscription, Straggler, PageWaiter {
  readonly #fanout: Fanout;
  readonly #sink: SubscriberSink;
  #broker: TopicBroker;
  #cursor: number;
  /** The sink knows of what was trimmed up to here. */
  #gapToldThrough = 0;
  #state: "live" | "behind" | "closed" = "behind";
  /** Behind: nothing can be done before the sink calls `resume`. */
  #isStalled = false;
  /** How often it did, to notice a call from within `deliver`. */
  #resumes = 0;
  /** Behind: nothing can be done before this reader has a page. */
  #waitingFor: PageReader | null = null;
  /** The page that was waited for, until the next step. */
  #landed: Page | null = null;
  /** In order. Whoever has any is behind. */
  #changes: FilterChange[];
  readonly #changesMax: number;
  #changesAsked = 0;

  /** The changes are above the cursor, ascending, and not above the head. */
  constructor(
    fanout: Fanout,
    sink: SubscriberSink,
    filters: FilterSet,
    cursor: number,
    changes: readonly FilterChange[],
  ) {
    this.#fanout = fanout;
    this.#sink = sink;
    this.#cursor = cursor;
    this.#changes = [...changes];
    this.#changesMax = changes.length + CHANGES_MAX;
    this.#broker = fanout.brokerFor(filters);
    this.#enter();
  }

  get cursor(): number {
    return this.#state === "live" ? Math.max(this.#cursor, this.#broker.servedThrough) : this.#cursor;
  }

  get behind(): boolean {
    return this.#state === "behind";
  }

  resume(): void {
    this.#resumes += 1;
    this.#isStalled = false;
    if (this.#state === "behind" && this.#waitingFor === null) this.#fanout.wake(this);
  }

  change(filters: FilterSet): void {
    if (this.#state === "closed") return;
    this.#changesAsked += 1;
    if (this.#lastFilters.key === filters.key) return;
    const asked = this.#changesAsked;
    const head = this.#fanout.presentHead();
    if (this.#state === "live" && !this.#fanout.isActive) this.#fanout.now(() => this.#broker.flush());
    // Both called sinks: this one may have closed, be behind, or want something else by now.
    if (asked !== this.#changesAsked) return;
    if (this.#state === "live" && !this.#fanout.isActive) this.#switchTo(filters, head);
    else if (this.#isOpen()) this.#switchLater({ at: head, filters });
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#cursor = this.cursor;
    this.#state = "closed";
    this.#leave();
    this.#changes = [];
  }

  /** A batch of the broker, for a live subscriber. */
  take(batch: DeliveryBatch): void {
    if (this.#cursor >= batch.through) return;
    // A part when it joined between a publish and its flush.
    const part = this.#fanout.slices.of(batch, this.#cursor, batch.through);
    if (part.messages.length > 0 && !this.#handOver(part)) this.fallBehind();
  }

  /** Leaves the live ones, to go on from its cursor as soon as the sink lets it. */
  fallBehind(): void {
    if (this.#state !== "live") return;
    this.#cursor = this.cursor;
    this.#state = "behind";
    this.#broker.live.delete(this);
    if (!this.#isStalled) this.#fanout.wake(this);
  }

  topicDeleted(): void {
    if (this.#state === "closed") return;
    const change = this.#changes.shift();
    if (change !== undefined) {
      this.#switchTo(change.filters, change.at);
      return;
    }
    this.close();
    this.#guard(() => this.#sink.topicDeleted());
  }

  /** Behind: a few steps towards the present. */
  pump(): "more" | "full" | "done" {
    for (let step = 0; step < STEPS_PER_TURN; step += 1) {
      if (!this.#canStep() || this.#join()) return "done";
      const page = this.#nextPage();
      if (page === "full") return "full";
      if (page === null) return "done";
      this.#takePage(page);
    }
    return this.#state === "behind" && !this.#isStalled ? "more" : "done";
  }

  landed(reader: PageReader, page: Page): void {
    if (this.#waitingFor !== reader) return;
    this.#waitingFor = null;
    this.#landed = page;
    this.#fanout.wake(this);
  }

  readFailed(reader: PageReader, error: unknown): void {
    if (this.#waitingFor === reader) this.#fail(error);
  }

  /** The filters in force once every change was made. */
  get #lastFilters(): FilterSet {
    return this.#changes.at(-1)?.filters ?? this.#broker.filters;
  }

  #isOpen(): boolean {
    return this.#state !== "closed";
  }

  #canStep(): boolean {
    if (this.#state !== "behind" || this.#isStalled || this.#waitingFor !== null) return false;
    const resumes = this.#resumes;
    const isWritable = this.#guard(() => this.#sink.isWritable()) === true;
    if (!isWritable && this.#isOpen()) {
      this.#isStalled = this.#resumes === resumes;
      this.#landed = null;
    }
    return isWritable && this.#state === "behind";
  }

  /** Live again where the cursor meets the broker's; a change of filters is made where it was asked for. */
  #join(): boolean {
    for (let change = this.#changes[0]; change !== undefined; change = this.#changes[0]) {
      if (!this.#isAt(change.at)) return !this.#isOpen();
      this.#changes.shift();
      this.#switchTo(change.filters, change.at);
      if (this.#state === "live") return true;
    }
    if (this.#cursor < this.#broker.flushedThrough) return false;
    this.#goLive();
    return true;
  }

  /** Whether everything up to a position not above the head was handed over, with what waits in the broker's queue. */
  #isAt(position: number): boolean {
    const broker = this.#broker;
    if (this.#cursor < position && this.#cursor >= broker.flushedThrough) {
      broker.flush();
      // Nothing waited: nothing that matches lies between.
      if (this.#isOpen() && this.#cursor >= broker.flushedThrough) this.#cursor = position;
    }
    return this.#isOpen() && this.#cursor >= position;
  }

  /** What comes next: from memory, or from the store; `null` when it has to be waited for or failed. */
  #nextPage(): Page | "full" | null {
    const broker = this.#broker;
    const limit = this.#changes[0]?.at ?? Number.POSITIVE_INFINITY;
    const fits = (page: Page | null): page is Page =>
      page !== null &&
      page.batch.after <= this.#cursor &&
      this.#cursor < page.batch.through &&
      page.trimmedThrough <= limit;
    const landed = this.#landed;
    this.#landed = null;
    if (fits(landed)) return landed;
    const kept = broker.kept.find(this.#cursor);
    if (fits(kept)) return kept;
    const page = this.#guard(() =>
      broker.pages.read(this.#cursor, Math.min(broker.flushedThrough, limit), this),
    );
    if (page === "reading") this.#waitingFor = broker.pages;
    return page === "reading" || page === undefined ? null : page;
  }

  #takePage({ batch, trimmedThrough }: Page): void {
    if (trimmedThrough > Math.max(this.#cursor, this.#gapToldThrough)) {
      const after = Math.max(this.#cursor, this.#gapToldThrough);
      this.#gapToldThrough = trimmedThrough;
      this.#guard(() => this.#sink.gap(after, trimmedThrough));
    }
    const through = Math.min(batch.through, this.#changes[0]?.at ?? batch.through);
    if (!this.#isOpen() || this.#cursor >= through) return;
    const part = this.#fanout.slices.of(batch, this.#cursor, through);
    if (part.messages.length === 0) {
      this.#cursor = through;
      return;
    }
    this.#handOver(part);
    this.#broker.kept.reweigh(batch);
  }

  /** True when the sink took all of it and would take more. */
  #handOver(part: DeliveryBatch): boolean {
    const resumes = this.#resumes;
    const taken = this.#guard(() => this.#sink.deliver(part));
    if (taken === undefined || !this.#isOpen()) return false;
    if (taken > this.#cursor) this.#cursor = Math.min(taken, part.through);
    const isThrough = taken >= part.through && this.#guard(() => this.#sink.isWritable()) === true;
    if (!isThrough) this.#isStalled = this.#resumes === resumes;
    return isThrough;
  }

  #switchLater(change: FilterChange): void {
    if (this.#changes.at(-1)?.at === change.at) this.#changes.pop();
    if (this.#lastFilters.key === change.filters.key) return;
    this.#changes.push(change);
    if (this.#changes.length > this.#changesMax) {
      const text = `a subscriber behind may change its filters ${CHANGES_MAX} times before it has caught up`;
      this.#fail(new JangadaError("overloaded", text));
      return;
    }
    this.fallBehind();
  }

  /** Everything up to `at` was handed over by the present filters; what follows comes by others. */
  #switchTo(filters: FilterSet, at: number): void {
    const broker = this.#fanout.brokerFor(filters);
    broker.members.add(this);
    if (broker !== this.#broker) this.#leave();
    this.#cursor = Math.max(this.#cursor, at);
    this.#broker = broker;
    this.#enter();
  }

  #enter(): void {
    this.#state = "behind";
    this.#broker.members.add(this);
    const isUpToDate = this.#cursor >= this.#broker.flushedThrough;
    if (isUpToDate && !this.#isStalled && this.#changes.length === 0) this.#goLive();
    else if (!this.#isStalled) this.#fanout.wake(this);
  }

  #goLive(): void {
    this.#state = "live";
    this.#broker.live.add(this);
    this.#fanout.forget(this);
  }

  #leave(): void {
    this.#waitingFor = null;
    this.#landed = null;
    this.#fanout.forget(this);
    this.#broker.live.delete(this);
    this.#broker.members.delete(this);
    if (this.#broker.members.size === 0) this.#fanout.emptied(this.#broker);
  }

  #fail(error: unknown): void {
    if (this.#state === "closed") return;
    this.close();
    this.#fanout.onError(error);
    this.#guard(() => this.#sink.failed(error));
  }

  /** A sink or a store that throws ends this subscription and harms no other. `undefined` after that. */
  #guard<Result>(call: () => Result): Result | undefined {
    try {
      return call();
    } catch (error) {
      if (this.#state === "closed") this.#fanout.onError(error);
      else this.#fail(error);
      return undefined;
    }
  }
}
