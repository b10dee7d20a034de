/**
 * Everything that is replicated, in one place. The files beside this one change it; only the machine holds it.
 */
import { limits } from "../limits.js";
import { IdempotencyTable } from "./idempotency.js";
import { Nodes } from "./nodes.js";
import { OpenPasses } from "./open-passes.js";
import { Origins } from "./origins.js";
import { RetainedMessages } from "./retained.js";
import { Sessions } from "./sessions.js";
import { SharedGroups } from "./shared-groups.js";
import { Topics } from "./topics.js";

/** Ceilings that decide results: they must be the same on every node of a group. A missing one comes from limits.ts. */
export interface MachineOptions {
  readonly topicsMax?: number | undefined;
  readonly retainedMessagesMax?: number | undefined;
  readonly retainedBytesMax?: number | undefined;
  readonly idempotencyKeysMax?: number | undefined;
  readonly idempotencyAgeMs?: number | undefined;
  readonly sessionsMax?: number | undefined;
  readonly subscriptionsMax?: number | undefined;
  readonly willBytesMax?: number | undefined;
  readonly sharedOutstandingMax?: number | undefined;
  readonly sharedHeldMax?: number | undefined;
  readonly sharedBacklogMax?: number | undefined;
  readonly sharedWaitingMax?: number | undefined;
}

export class State {
  readonly topicsMax: number;
  readonly sessionsMax: number;
  readonly subscriptionsMax: number;
  readonly willBytesMax: number;
  readonly topics = new Topics();
  readonly retained: RetainedMessages;
  readonly idempotency: IdempotencyTable;
  readonly origins = new Origins();
  readonly sessions = new Sessions();
  readonly passes = new OpenPasses(this.sessions);
  readonly nodes = new Nodes();
  readonly shares: SharedGroups;
  /** The log's time: never moves backwards. */
  timeMs = 0;
  /** Position that the next message gets. */
  nextPosition = 1;
  /** "" before genesis. */
  streamTag = "";
  /** Number that the next share or pass over retained messages gets. */
  nextSource = 1;
  /** Counted by this process, and no part of the state. */
  readonly counters = { willsPublished: 0, willsDropped: 0 };

  constructor(options: MachineOptions) {
    this.topicsMax = options.topicsMax ?? limits.topicsInStateMax;
    this.sessionsMax = options.sessionsMax ?? limits.sessionsInStateMax;
    this.subscriptionsMax = options.subscriptionsMax ?? limits.subscriptionsInStateMax;
    this.willBytesMax = options.willBytesMax ?? limits.willBytesInStateMax;
    this.retained = new RetainedMessages(
      options.retainedMessagesMax ?? limits.retainedMessagesMax,
      options.retainedBytesMax ?? limits.retainedBytesMax,
      (message) => this.passes.gone(message),
    );
    this.idempotency = new IdempotencyTable(
      options.idempotencyKeysMax ?? limits.idempotencyKeysMax,
      options.idempotencyAgeMs ?? limits.idempotencyAgeMs,
    );
    this.shares = new SharedGroups(
      {
        outstandingMax: options.sharedOutstandingMax ?? limits.sharedOutstandingMax,
        heldMax: options.sharedHeldMax ?? limits.sharedHeldInStateMax,
        backlogMax: options.sharedBacklogMax ?? limits.sharedBacklogMax,
        waitingMax: options.sharedWaitingMax ?? limits.sharedWaitingInStateMax,
      },
      () => this.takeSource(),
    );
  }

  /** Position of the newest message; 0 before the first. */
  get head(): number {
    return this.nextPosition - 1;
  }

  takeSource(): number {
    const source = this.nextSource;
    this.nextSource += 1;
    return source;
  }
}
