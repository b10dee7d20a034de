/**
 * A clock whose wall is the log's time, as this node knows it: what was last applied, and since then the monotonic clock. It is what a node
 * stamps its envelopes with, so that no wall clock moves the time that sessions, wills and idempotency keys run by. Of wall clocks it
 * takes only what a majority of the group's says (replica/timekeeper.ts), and follows that slowly.
 */
import type { Cancel, Clock } from "../runtime/clock.js";

export interface LogClockOptions {
  /** The node's own. */
  readonly clock: Clock;
  /** Milliseconds since the machine was started, those of a suspension among them; may be coarse. */
  readonly uptimeMs: () => number;
  /** The log's time, as applied here; 0 before the first envelope. */
  readonly appliedMs: () => number;
  /** The wall clock was set by so much: forward is positive. */
  readonly onJump: (jumpMs: number) => void;
}

/** How much faster or slower than real time the log's time may run to come nearer to what clocks say. */
export const SLEW = 0.05;
/** Clocks that differ by less than this agree. */
const SLACK_MS = 1_000;
/** How often the clocks are compared. */
const LOOK_MS = 1_000;
/** 2025: a log whose time is before this release was written began under a clock that was never set. */
const PLAUSIBLE_MS = 1_735_689_600_000;

export class LogClock implements Clock {
  readonly #options: LogClockOptions;
  /** The log's time at `#monotonicMs`; 0 while nothing is applied. */
  #timeMs = 0;
  #monotonicMs: number;
  #rate = 1;
  /** What a majority's clocks say less the monotonic clock, while this node leads; else `null`. */
  #agreedOffsetMs: number | null = null;
  /** No majority was heard in this life: how long the whole group was down is not known yet. */
  #mayStep = true;
  #lookedWallMs: number;
  #lookedUptimeMs: number;
  #lookedMonotonicMs: number;

  constructor(options: LogClockOptions) {
    this.#options = options;
    const { clock, uptimeMs } = options;
    this.#monotonicMs = clock.monotonicMs();
    this.#lookedMonotonicMs = this.#monotonicMs;
    this.#lookedWallMs = clock.nowMs();
    this.#lookedUptimeMs = uptimeMs();
    this.#advance();
  }

  /** The log's time, never less than before. Before the first envelope it is the wall clock's. */
  nowMs(): number {
    this.#advance();
    return Math.floor(this.#timeMs === 0 ? this.#options.clock.nowMs() : this.#timeMs);
  }

  monotonicMs(): number {
    return this.#options.clock.monotonicMs();
  }

  after(delayMs: number, task: () => void): Cancel {
    return this.#options.clock.after(delayMs, task);
  }

  every(periodMs: number, task: () => void): Cancel {
    return this.#options.clock.every(periodMs, task);
  }

  soon(task: () => void): Cancel {
    return this.#options.clock.soon(task);
  }

  /** How far this node's wall clock is ahead of the log's time, milliseconds. */
  get wallOffsetMs(): number {
    return this.#options.clock.nowMs() - this.nowMs();
  }

  /**
   * This node leads, and a majority of the voters' clocks say that it is `agreedMs` or later. The first time in a life that may set the
   * log's time forward: the group may have been down, and nothing else knows for how long. Gives by how much it was set, in milliseconds.
   */
  agreed(agreedMs: number): number {
    this.#advance();
    this.#agreedOffsetMs = agreedMs - this.#monotonicMs;
    if (this.#timeMs === 0) return 0;
    const isFree = this.#mayStep || this.#timeMs < PLAUSIBLE_MS;
    const stepMs = agreedMs - this.#timeMs;
    // One wrong clock is enough to hold a bare majority back: that says nothing of how long the group was down.
    if (stepMs >= -SLACK_MS) this.#mayStep = false;
    if (!isFree || stepMs <= SLACK_MS) return 0;
    this.#timeMs = agreedMs;
    return stepMs;
  }

  /** This node leads no more, or hears no majority: nobody's clock moves the log's time forward. */
  forgetAgreed(): void {
    this.#agreedOffsetMs = null;
  }

  #advance(): void {
    const { clock, appliedMs } = this.#options;
    const monotonicMs = clock.monotonicMs();
    const passedMs = monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
    if (this.#timeMs > 0) this.#timeMs += passedMs + this.#slewOf(passedMs);
    if (monotonicMs - this.#lookedMonotonicMs >= LOOK_MS) this.#look(monotonicMs);
    this.#timeMs = Math.max(this.#timeMs, appliedMs());
  }

  /** What the log's time gains or loses meanwhile on the monotonic clock. It gains no more than brings it to what a majority says. */
  #slewOf(passedMs: number): number {
    const slewMs = passedMs * (this.#rate - 1);
    if (slewMs <= 0) return slewMs;
    const agreed = this.#agreedOffsetMs;
    const behindMs = agreed === null ? 0 : this.#monotonicMs + agreed - this.#timeMs - passedMs;
    return Math.max(0, Math.min(slewMs, behindMs));
  }

  /** A suspension is made up for; a wall clock that was set is told of; the rate is chosen anew. */
  #look(monotonicMs: number): void {
    const { clock, uptimeMs, onJump } = this.#options;
    const wallMs = clock.nowMs();
    const upMs = uptimeMs();
    const passedMs = monotonicMs - this.#lookedMonotonicMs;
    const sleptMs = upMs - this.#lookedUptimeMs - passedMs;
    const suspendedMs = sleptMs > SLACK_MS ? sleptMs : 0;
    const jumpMs = wallMs - this.#lookedWallMs - passedMs - suspendedMs;
    this.#lookedMonotonicMs = monotonicMs;
    this.#lookedWallMs = wallMs;
    this.#lookedUptimeMs = upMs;
    if (this.#timeMs > 0) this.#timeMs += suspendedMs;
    if (this.#agreedOffsetMs !== null) this.#agreedOffsetMs += suspendedMs;
    this.#rate = this.#rateAt(monotonicMs, wallMs);
    if (Math.abs(jumpMs) > SLACK_MS) onJump(Math.round(jumpMs));
  }

  /** Only what a majority says makes time run faster; for running slower the own clock is enough, since the others' time counts too. */
  #rateAt(monotonicMs: number, wallMs: number): number {
    const agreed = this.#agreedOffsetMs;
    const aheadMs = (agreed === null ? wallMs : monotonicMs + agreed) - this.#timeMs;
    if (aheadMs < -SLACK_MS) return 1 - SLEW;
    return agreed !== null && aheadMs > SLACK_MS ? 1 + SLEW : 1;
  }
}
