/**
 * The parts of one client's delivery, as they know of each other: one object that all of them share, because there are tens of thousands of
 * clients, and most need only some of the parts.
 */
import type { DeliveryContext } from "./context.js";
import type { DeliveryOptions } from "./delivery.js";
import { Ledger } from "./ledger.js";
import { Link } from "./link.js";
import { LiveFeed } from "./live-feed.js";
import { OwnSubscription } from "./own-subscription.js";
import { Reports, type Told } from "./reports.js";
import { RetainedFeed } from "./retained-feed.js";
import { SharedFeed } from "./shared-feed.js";

/** What the parts ask of the whole. */
export interface Whole {
  pump(): void;
  applied(told: readonly Told[]): void;
}

export class Parts {
  readonly context: DeliveryContext;
  /** Whose session the connection has. */
  readonly session: DeliveryOptions["session"];
  readonly clientId: string;
  readonly link: Link;
  readonly live: LiveFeed;
  readonly own: OwnSubscription;
  /** What is told to the replicated state: of kept sessions everything, of others what comes by shares. */
  readonly reports: Reports;
  /** Once there was something for them. */
  retained: RetainedFeed | null = null;
  shared: SharedFeed | null = null;
  readonly #whole: Whole;
  readonly #onFailed: (error: unknown) => void;

  constructor(options: DeliveryOptions, whole: Whole) {
    const { number, epoch, isKept } = options.session;
    this.context = options.context;
    // A copy: a view of the state would always have the present epoch.
    this.session = { number, epoch, isKept };
    this.clientId = options.clientId;
    this.#whole = whole;
    this.#onFailed = options.onFailed;
    this.link = new Link(this, options);
    this.reports = new Reports(this);
    this.live = new LiveFeed(this, this.link, isKept ? new Ledger() : null);
    this.own = new OwnSubscription(this);
  }

  /** Sends what there is room for. */
  pump(): void {
    this.#whole.pump();
  }

  /** A report was applied. */
  applied(told: readonly Told[]): void {
    this.#whole.applied(told);
  }

  /** Delivery cannot go on. */
  failed(error: unknown): void {
    this.#onFailed(error);
  }

  ensureRetained(): RetainedFeed {
    this.retained ??= new RetainedFeed(this);
    return this.retained;
  }

  ensureShared(): SharedFeed {
    this.shared ??= new SharedFeed(this);
    return this.shared;
  }
}
