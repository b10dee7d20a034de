/**
 * Port: time. Nothing outside this file and the edges asks the system for the time or sets a timer, so that a test or the
 * simulator can be the clock.
 */

import { uptime } from "node:os";

/** Stops a timer; harmless when it has fired. */
export type Cancel = () => void;

export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  nowMs(): number;
  /** Never goes back; milliseconds with a fraction, from an arbitrary start. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, task: () => void): Cancel;
  /** Runs `task` every `periodMs` until cancelled. Does not keep the process alive. */
  every(periodMs: number, task: () => void): Cancel;
  /** Runs `task` once, after the input and output that are ready now have been handled. */
  soon(task: () => void): Cancel;
}

/** The last answer to `systemUptimeMs`, and when that was by the monotonic clock. */
let lastUptime = { uptimeMs: 0, atMs: 0 };

/**
 * Milliseconds since the machine was started; goes on while it is suspended, which the monotonic clock of Linux does not. While the
 * system cannot say (it reads a file, for which no descriptor may be left) the monotonic clock goes on from the last answer.
 */
export function systemUptimeMs(): number {
  const atMs = performance.now();
  try {
    lastUptime = { uptimeMs: uptime() * 1000, atMs };
    return lastUptime.uptimeMs;
  } catch {
    return lastUptime.uptimeMs + atMs - lastUptime.atMs;
  }
}

/** The real clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs).unref();
    return () => clearTimeout(timer);
  },
  every(periodMs, task) {
    const timer = setInterval(task, periodMs).unref();
    return () => clearInterval(timer);
  },
  soon(task) {
    const immediate = setImmediate(task);
    return () => clearImmediate(immediate);
  },
};
