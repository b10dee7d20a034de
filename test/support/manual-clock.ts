/** The twin of the system's clock: time stands still until a test moves it, and what is due runs in order, one by one. */
import type { Cancel, Clock } from "../../src/runtime/clock.js";

interface Task {
  readonly dueMs: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  #timers: Task[] = [];
  #soon: (() => void)[] = [];

  constructor(nowMs = 1_700_000_000_000) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    const task = { dueMs: this.#monotonicMs + delayMs, run };
    this.#timers.push(task);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== task);
    };
  }

  every(periodMs: number, run: () => void): Cancel {
    let cancel: Cancel = () => undefined;
    const again = (): void => {
      cancel = this.after(periodMs, () => {
        again();
        run();
      });
    };
    again();
    return () => cancel();
  }

  soon(run: () => void): Cancel {
    const task = (): void => run();
    this.#soon.push(task);
    return () => {
      this.#soon = this.#soon.filter((other) => other !== task);
    };
  }

  /** Whether something waits for the end of the present turn. */
  get hasSoon(): boolean {
    return this.#soon.length > 0;
  }

  /** Milliseconds until the next timer; `null` when there is none. */
  get nextTimerMs(): number | null {
    if (this.#timers.length === 0) return null;
    return Math.min(...this.#timers.map(({ dueMs }) => dueMs)) - this.#monotonicMs;
  }

  /** Runs what was put off to the end of this turn, and not what that puts off in its turn. */
  turn(): void {
    for (let left = this.#soon.length; left > 0; left -= 1) this.#soon.shift()?.();
  }

  /** Work that takes time: both clocks go on, no timer runs. */
  spend(ms: number): void {
    this.#nowMs += ms;
    this.#monotonicMs += ms;
  }

  /** Lets time pass: timers run when they are due, each followed by the end of its turn. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    this.turn();
    for (;;) {
      const next = this.#timers
        .filter(({ dueMs }) => dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs)
        .at(0);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.spend(Math.max(0, next.dueMs - this.#monotonicMs));
      next.run();
      this.turn();
    }
    this.spend(Math.max(0, endMs - this.#monotonicMs));
  }

  /** The wall clock is set to another time; timers do not care. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }
}
