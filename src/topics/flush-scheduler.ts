/**
 * When topic brokers flush: at the end of the present turn while little is going on; under load later and fuller, so that
 * fan-out takes at most about an eighth of the processor and publishers the rest.
 */
import type { Cancel, Clock } from "../runtime/clock.js";

/** After `t` ms of fan-out the next waits this many times `t`: a duty cycle of one in eight. */
const REST_FACTOR = 7;

/** A wait shorter than this is not worth a timer, whose grain is a millisecond. */
const SOON_BELOW_MS = 0.25;

export interface FlushSchedulerOptions {
  readonly clock: Clock;
  /** The longest wait, in milliseconds. */
  readonly delayMsMax: number;
  /** Flushes everything. */
  readonly turn: () => void;
  /** Flushes only what must not wait. */
  readonly urgentTurn: () => void;
}

export class FlushScheduler {
  readonly #options: FlushSchedulerOptions;
  #cancelTurn: Cancel | null = null;
  #cancelUrgent: Cancel | null = null;
  /** Not earlier than this is the next turn. */
  #notBeforeMs = 0;
  /** Something was published since the last turn began: there are publishers to leave time for. */
  #publishersBusy = false;

  constructor(options: FlushSchedulerOptions) {
    this.#options = options;
  }

  published(): void {
    this.#publishersBusy = true;
  }

  /** Something waits for a flush, or a subscriber behind can go on. Asking again changes nothing. */
  request(): void {
    if (this.#cancelTurn !== null) return;
    const { clock } = this.#options;
    const waitMs = this.#notBeforeMs - clock.monotonicMs();
    const run = (): void => {
      this.#cancelTurn = null;
      const busy = this.#publishersBusy;
      this.#publishersBusy = false;
      this.#measure(this.#options.turn, busy);
    };
    this.#cancelTurn = waitMs < SOON_BELOW_MS ? clock.soon(run) : clock.after(Math.ceil(waitMs), run);
  }

  /** A queue is as long as it may be: the urgent turn runs at the end of the present one, whatever the load. */
  requestUrgent(): void {
    this.#cancelUrgent ??= this.#options.clock.soon(() => {
      this.#cancelUrgent = null;
      this.#measure(this.#options.urgentTurn, true);
    });
  }

  /** Runs fan-out outside the turns and counts its time. */
  measured(task: () => void): void {
    this.#measure(task, true);
  }

  stop(): void {
    this.#cancelTurn?.();
    this.#cancelUrgent?.();
    this.#cancelTurn = null;
    this.#cancelUrgent = null;
  }

  #measure(task: () => void, busy: boolean): void {
    const { clock, delayMsMax } = this.#options;
    const startMs = clock.monotonicMs();
    task();
    if (!busy) return;
    const endMs = clock.monotonicMs();
    const restFromMs = Math.max(this.#notBeforeMs, endMs);
    this.#notBeforeMs = Math.min(endMs + delayMsMax, restFromMs + REST_FACTOR * (endMs - startMs));
  }
}
