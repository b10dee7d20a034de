/**
 * Pages of the store for the subscribers of one topic broker that are too far behind for the recent batches. Subscribers at the
 * same place wait for one read, and a page that was read is kept for those who come after.
 */
import { assertInvariant } from "../errors.js";
import type { MessageStore, ReadPage, ReadQuery, TopicSelection } from "../store/message-store.js";
import type { FilterSet } from "./filter-set.js";
import type { KeptBatches } from "./kept-batches.js";
import { matcherOf } from "./matcher.js";
import type { RecentBatches } from "./recent-batches.js";
import { DeliveryBatch } from "./subscriber.js";
import { selectTopics, type TopicDirectory } from "./topic-selection.js";

/** A batch to catch up with, and what was trimmed before its messages (0: nothing), as in `ReadPage`. */
export interface Page {
  readonly batch: DeliveryBatch;
  readonly trimmedThrough: number;
}

/** Who is told when a read ends. */
export interface PageWaiter {
  landed(reader: PageReader, page: Page): void;
  readFailed(reader: PageReader, error: unknown): void;
}

/** Reads in flight at a time, all brokers together: each holds a page in memory, and the disk gains nothing from more. */
const READS_IN_FLIGHT_MAX = 16;

/** What the readers of all brokers have in common. */
export interface PageSource {
  readonly store: Pick<MessageStore, "read" | "readRecent">;
  readonly topics: TopicDirectory;
  /** Another number whenever topics have come or gone. */
  topicsVersion: number;
  readonly pageMessagesMax: number;
  readonly pageBytesMax: number;
  /** Where pages are kept. */
  readonly budget: RecentBatches;
  /** Grows and shrinks with the reads. */
  readsInFlight: number;
  /** A read has ended: whoever waits can go on. */
  readonly onReadEnded: () => void;
}

export function canRead(source: PageSource): boolean {
  return source.readsInFlight < READS_IN_FLIGHT_MAX;
}

export class PageReader {
  readonly #source: PageSource;
  readonly #filters: FilterSet;
  readonly #kept: KeptBatches;
  readonly #matches: (name: string) => boolean;
  /** Reads in flight by the cursor they start from. */
  readonly #reads = new Map<number, Set<PageWaiter>>();
  #selection: TopicSelection = { ids: [] };
  #selectionVersion = -1;

  constructor(source: PageSource, filters: FilterSet, kept: KeptBatches) {
    this.#source = source;
    this.#filters = filters;
    this.#kept = kept;
    this.#matches = matcherOf(filters);
  }

  /**
   * What comes after the cursor, up to `through` at most: a page when memory has it; "reading" when the waiter will be told;
   * "full" when too many reads are in flight. Throws what the store throws.
   */
  read(cursor: number, through: number, waiter: PageWaiter): Page | "reading" | "full" {
    const waiters = this.#reads.get(cursor);
    if (waiters !== undefined) {
      waiters.add(waiter);
      return "reading";
    }
    const { store, pageMessagesMax, pageBytesMax } = this.#source;
    const query: ReadQuery = {
      topics: this.#select(),
      after: cursor,
      through: Math.min(through, this.#kept.nextStart(cursor)),
      messagesMax: pageMessagesMax,
      bytesMax: pageBytesMax,
    };
    if ("ids" in query.topics && query.topics.ids.length === 0) {
      return { batch: new DeliveryBatch(this.#filters, [], cursor, query.through), trimmedThrough: 0 };
    }
    const recent = store.readRecent(query);
    if (recent !== null) return this.#keep(query, recent);
    if (!canRead(this.#source)) return "full";
    void this.#readLate(query, waiter);
    return "reading";
  }

  #select(): TopicSelection {
    const { topics, topicsVersion } = this.#source;
    if (this.#selectionVersion !== topicsVersion) {
      this.#selection = selectTopics(this.#filters, topics, ({ name }) => this.#matches(name));
      this.#selectionVersion = topicsVersion;
    }
    return this.#selection;
  }

  async #readLate(query: ReadQuery, first: PageWaiter): Promise<void> {
    const waiters = new Set([first]);
    this.#reads.set(query.after, waiters);
    this.#source.readsInFlight += 1;
    let end: (waiter: PageWaiter) => void;
    try {
      const page = this.#keep(query, await this.#source.store.read(query));
      end = (waiter) => waiter.landed(this, page);
    } catch (error) {
      end = (waiter) => waiter.readFailed(this, error);
    }
    this.#reads.delete(query.after);
    this.#source.readsInFlight -= 1;
    for (const waiter of waiters) end(waiter);
    this.#source.onReadEnded();
  }

  #keep(query: ReadQuery, page: ReadPage): Page {
    const { after, through } = query;
    assertInvariant(page.next > after, "the store must give pages that go on");
    const batch = new DeliveryBatch(this.#filters, page.messages, after, Math.min(page.next, through));
    const trimmedThrough = Math.min(page.trimmedThrough, through);
    this.#kept.add(batch, trimmedThrough, this.#source.budget);
    return { batch, trimmedThrough };
  }
}
