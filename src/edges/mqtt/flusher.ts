/**
 * Gathers what a log entry settles: the connections that have something to write are flushed once each, after the code that is
 * running now has returned.
 */

export interface Flushable {
  flush(): void;
}

export class Flusher {
  #waiting: Flushable[] = [];

  /** Flushes `target` soon. Whoever asks twice is flushed twice: ask once until flushed. */
  add(target: Flushable): void {
    this.#waiting.push(target);
    if (this.#waiting.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const target of waiting) target.flush();
  }
}
