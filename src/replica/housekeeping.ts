/** What a replica does by the clock: checkpoints, and retention by age and bytes. One round at a time of each. */
import { asError } from "../errors.js";
import type { Cancel, Clock } from "../runtime/clock.js";
import type { MessageStore } from "../store/message-store.js";
import type { Replica } from "./replica.js";

export interface HousekeepingOptions {
  readonly replica: Replica;
  readonly store: MessageStore;
  readonly clock: Clock;
  readonly checkpointPeriodMs: number;
  readonly retentionPeriodMs: number;
  /** The node's defaults, and its limit over all topics. */
  readonly retention: { readonly ageMs: number; readonly bytes: number };
  /** A disk error: the node must stop. */
  readonly onFailed: (error: Error) => void;
}

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #cancels: Cancel[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  /** Begins; retention runs once at once, so that a node that was down for long shows nothing that is too old. */
  async start(): Promise<void> {
    const { clock, checkpointPeriodMs, retentionPeriodMs } = this.#options;
    await this.#retain();
    this.#cancels = [
      this.#every(clock, checkpointPeriodMs, () => this.#options.replica.checkpoint()),
      this.#every(clock, retentionPeriodMs, () => this.#retain()),
    ];
  }

  /** No round begins after; waits for the one that is under way. */
  async stop(): Promise<void> {
    for (const cancel of this.#cancels) cancel();
    await this.#running;
  }

  #every(clock: Clock, periodMs: number, round: () => Promise<void>): Cancel {
    let busy = false;
    return clock.every(periodMs, () => {
      if (busy) return;
      busy = true;
      const done = round()
        .catch((error: unknown) => this.#options.onFailed(asError(error)))
        .finally(() => {
          busy = false;
        });
      this.#running = Promise.all([this.#running, done]).then(() => undefined);
    });
  }

  #retain(): Promise<void> {
    const { store, replica, clock, retention } = this.#options;
    return store.retain({
      nowMs: clock.nowMs(),
      bytesMax: retention.bytes,
      topic: (id) => {
        const topic = replica.machine.topicById(id);
        if (topic === undefined) return null;
        return {
          ageMs: topic.retention.ageMs ?? retention.ageMs,
          bytes: topic.retention.bytes ?? retention.bytes,
        };
      },
    });
  }
}
