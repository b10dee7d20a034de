/** The clock of one life of a node: timers are events of the world, and end with the life. */
import type { Cancel, Clock } from "../../src/runtime/clock.js";
import type { Scope } from "./event-queue.js";
import type { World } from "./world.js";

/** The real time when the world begins. */
export const EPOCH_MS = 1_750_000_000_000;

export class SimClock implements Clock {
  readonly #world: World;
  readonly #scope: Scope;
  readonly #wallOffsetMs: () => number;

  /** `wallOffsetMs`: how wrong the wall clock is. */
  constructor(world: World, scope: Scope, wallOffsetMs: () => number) {
    this.#world = world;
    this.#scope = scope;
    this.#wallOffsetMs = wallOffsetMs;
  }

  nowMs(): number {
    return Math.floor(EPOCH_MS + this.#world.nowMs + this.#wallOffsetMs());
  }

  monotonicMs(): number {
    return this.#world.nowMs;
  }

  after(delayMs: number, task: () => void): Cancel {
    return this.#world.after(delayMs, task, this.#scope);
  }

  every(periodMs: number, task: () => void): Cancel {
    let cancel: Cancel = () => undefined;
    const again = (): void => {
      cancel = this.after(periodMs, () => {
        again();
        task();
      });
    };
    again();
    return () => cancel();
  }

  soon(task: () => void): Cancel {
    return this.after(0, task);
  }

  /** Never resolves when the life ends meanwhile. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }
}
