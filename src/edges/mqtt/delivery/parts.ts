/**
 * The parts of one client's delivery, as they know of each other: one object that all of them share, because there are tens of thousands of
 * clients, and most need only some of the parts.
 */
import type { DeliveryContext } from "./context.js";
import type { Link } from "./link.js";
import type { LiveFeed } from "./live-feed.js";
import type { OwnSubscription } from "./own-subscription.js";
import type { Reports, Told } from "./reports.js";
import type { RetainedFeed } from "./retained-feed.js";
import type { SharedFeed } from "./shared-feed.js";

/** Whose session the connection has. */
export interface SessionOfClient {
  readonly number: number;
  readonly epoch: number;
  readonly isKept: boolean;
}

export interface Parts {
  readonly context: DeliveryContext;
  readonly session: SessionOfClient;
  readonly clientId: string;
  readonly link: Link;
  readonly live: LiveFeed;
  readonly own: OwnSubscription;
  /** What is told to the replicated state: of kept sessions everything, of others what comes by shares. */
  readonly reports: Reports;
  /** Once there was something for them. */
  readonly retained: RetainedFeed | null;
  readonly shared: SharedFeed | null;
  /** Sends what there is room for. */
  pump(): void;
  /** A report was applied. */
  applied(told: readonly Told[]): void;
  /** Delivery cannot go on. */
  failed(error: unknown): void;
}
