/**
 * Everything that is replicated, in one place. The files beside this one change it; only the machine holds it.
 */
import { limits } from "../limits.js";
import { IdempotencyTable } from "./idempotency.js";
import { Origins } from "./origins.js";
import { RetainedMessages } from "./retained.js";
import { Topics } from "./topics.js";

/** Ceilings that decide results: they must be the same on every node of a group. A missing one comes from limits.ts. */
export interface MachineOptions {
  readonly topicsMax?: number | undefined;
  readonly retainedMessagesMax?: number | undefined;
  readonly retainedBytesMax?: number | undefined;
  readonly idempotencyKeysMax?: number | undefined;
  readonly idempotencyAgeMs?: number | undefined;
}

export class State {
  readonly topicsMax: number;
  readonly topics = new Topics();
  readonly retained: RetainedMessages;
  readonly idempotency: IdempotencyTable;
  readonly origins = new Origins();
  /** The log's time: never moves backwards. */
  timeMs = 0;
  /** Position that the next message gets. */
  nextPosition = 1;
  /** "" before genesis. */
  streamTag = "";

  constructor(options: MachineOptions) {
    this.topicsMax = options.topicsMax ?? limits.topicsInStateMax;
    this.retained = new RetainedMessages(
      options.retainedMessagesMax ?? limits.retainedMessagesMax,
      options.retainedBytesMax ?? limits.retainedBytesMax,
    );
    this.idempotency = new IdempotencyTable(
      options.idempotencyKeysMax ?? limits.idempotencyKeysMax,
      options.idempotencyAgeMs ?? limits.idempotencyAgeMs,
    );
  }
}
