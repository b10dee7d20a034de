/**
 * Costly work of many clients, one piece after the other: a bounded part of each turn of the event loop goes to it, so that a crowd
 * that subscribes to everything at once delays the others and does not shut them out.
 */
import type { Clock } from "../../runtime/clock.js";

/** After this much of a turn the rest waits for the next. One piece may take longer by itself. */
const TURN_MS = 5;

export class TurnBudget {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  #spentMs = 0;
  #isTurnAsked = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `task` at once if this turn has time left and nobody waits, else in its turn. */
  run(task: () => void): void {
    this.#waiting.push(task);
    if (this.#waiting.length === 1) this.#serve();
  }

  #serve(): void {
    while (this.#spentMs < TURN_MS) {
      const task = this.#waiting.shift();
      if (task === undefined) break;
      const startMs = this.#clock.monotonicMs();
      task();
      this.#spentMs += this.#clock.monotonicMs() - startMs;
    }
    if (this.#isTurnAsked || this.#spentMs === 0) return;
    this.#isTurnAsked = true;
    this.#clock.soon(() => {
      this.#isTurnAsked = false;
      this.#spentMs = 0;
      if (this.#waiting.length > 0) this.#serve();
    });
  }
}
