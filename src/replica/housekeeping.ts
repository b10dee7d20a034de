/** What a replica does by the clock: checkpoints, and retention by age and bytes. One round at a time of each. */
import { asError } from "../errors.js";
import type { Cancel, Clock } from "../runtime/clock.js";
import type { HoldAbove, MessageStore } from "../store/message-store.js";
import type { Replica } from "./replica.js";
import { SessionHolds } from "./session-holds.js";

/** What retention took from sessions that still needed it, in one round. */
export interface SessionLoss {
  /** So many messages at most. */
  readonly messages: number;
  readonly topics: number;
  /** Sessions of which one or more of those topics were; shares are not counted. */
  readonly sessions: number;
}

export interface HousekeepingOptions {
  readonly replica: Pick<Replica, "machine" | "checkpoint">;
  readonly store: Pick<MessageStore, "retain">;
  /** Its wall is the log's time: what is too old is so on every node alike. */
  readonly clock: Clock;
  readonly checkpointPeriodMs: number;
  readonly retentionPeriodMs: number;
  /** The node's defaults, and its limit over all topics; what sessions that are behind may hold back beyond that. */
  readonly retention: { readonly ageMs: number; readonly bytes: number; readonly heldBytes: number };
  readonly onSessionLoss: (loss: SessionLoss) => void;
  /** A disk error: the node must stop. */
  readonly onFailed: (error: Error) => void;
}

/** After a round of retention that took `t` the next waits this many times `t`: very many sessions may be looked through in one. */
const REST_FACTOR = 10;

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #retainNotBeforeMs = 0;
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
      this.#every(clock, retentionPeriodMs, () => this.#retainUnlessTooSoon()),
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

  async #retainUnlessTooSoon(): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    if (startMs < this.#retainNotBeforeMs) return;
    await this.#retain();
    const endMs = clock.monotonicMs();
    this.#retainNotBeforeMs = endMs + REST_FACTOR * (endMs - startMs);
  }

  async #retain(): Promise<void> {
    const { store, replica, clock, retention, onSessionLoss } = this.#options;
    const { machine } = replica;
    const yieldTurn = (): Promise<void> => new Promise((resolve) => clock.soon(resolve));
    const needed = new SessionHolds(() => replica.machine, yieldTurn);
    const holds = async (wouldGo: ReadonlyMap<number, number>): Promise<HoldAbove> => {
      await needed.gather(wouldGo);
      return (topicId) => needed.above(topicId);
    };
    const isAnyoneThere = machine.sessionCounts().sessions + machine.sharedCounts().shares > 0;
    const { lost, lostMessages } = await store.retain({
      nowMs: clock.nowMs(),
      bytesMax: retention.bytes,
      heldBytesMax: retention.heldBytes,
      topic: (id) => {
        const topic = replica.machine.topicById(id);
        if (topic === undefined) return null;
        return {
          ageMs: topic.retention.ageMs ?? retention.ageMs,
          bytes: topic.retention.bytes ?? retention.bytes,
        };
      },
      ...(isAnyoneThere && { holds }),
    });
    if (lostMessages === 0) return;
    onSessionLoss({ messages: lostMessages, topics: lost.size, sessions: needed.sessionsThatLose(lost) });
  }
}
