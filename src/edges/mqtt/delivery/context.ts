/** What the deliveries of all clients of one edge share: made once, handed to every `Delivery`. */
import type { Broker } from "../../../broker.js";
import type { Clock } from "../../../runtime/clock.js";
import type { Logger } from "../../../runtime/logger.js";
import type { EdgeMetrics } from "../../../runtime/metrics.js";
import type { TurnBudget } from "../turn-budget.js";
import { ProgressGatherer } from "./progress-gatherer.js";
import { PublishEncoder } from "./publish-encoder.js";

/** What it needs of the edge. */
export interface DeliveryContextOptions {
  readonly broker: Broker;
  readonly metrics: Pick<EdgeMetrics, "messagesOut" | "bytesOut" | "dropped">;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Looking through all retained messages is done here. */
  readonly turnBudget: TurnBudget;
}

export interface DeliveryContext extends DeliveryContextOptions {
  /** By protocol level. */
  readonly encoders: Readonly<Record<4 | 5, PublishEncoder>>;
  readonly progress: ProgressGatherer;
}

/** One per edge. */
export function createDeliveryContext(options: DeliveryContextOptions): DeliveryContext {
  const nowMs = (): number => options.broker.nowMs();
  return {
    ...options,
    encoders: { 4: new PublishEncoder(4, nowMs), 5: new PublishEncoder(5, nowMs) },
    progress: new ProgressGatherer(options),
  };
}

/** Where the bytes go. */
export interface Outlet {
  readonly isOpen: boolean;
  /** Bytes written and not yet taken by the operating system. */
  readonly backlogBytes: number;
  send(bytes: Buffer): void;
}
