/**
 * Keeps the log's time: while this node leads it asks what the voters' clocks say, lets its log clock follow a majority of them, and brings
 * the time into the log when nobody else has for long, so that a node that starts finds it there.
 */

import type { Command } from "../commands/command.js";
import type { LogClock } from "../commands/log-clock.js";
import type { Done } from "../commands/submit.js";
import type { Cancel } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";

export interface TimekeeperOptions {
  readonly clock: LogClock;
  readonly submit: (command: Command, done: Done) => void;
  /** The log's time, as applied here; 0 before the first envelope. */
  readonly appliedMs: () => number;
  readonly isLeader: () => boolean;
  /** What a majority of the voters' clocks say; `null` when it does not answer. */
  readonly agreedMs: () => Promise<number | null>;
  readonly logger: Logger;
}

const PERIOD_MS = 1_000;
/** How often a leader asks for the voters' clocks. */
const ASK_MS = 10_000;
/** In a group where nothing happens the log's time is at most so far behind. */
const BRING_AFTER_MS = 60_000;

export class Timekeeper {
  readonly #options: TimekeeperOptions;
  #askAtMs = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #isBringing = false;
  #cancel: Cancel = () => undefined;

  constructor(options: TimekeeperOptions) {
    this.#options = options;
  }

  /** Resolves when the clocks were asked for the first time, if this node leads. */
  async start(): Promise<void> {
    this.#cancel = this.#options.clock.every(PERIOD_MS, () => void this.#look());
    await this.#look();
  }

  stop(): void {
    this.#cancel();
  }

  async #look(): Promise<void> {
    const { clock, isLeader, appliedMs } = this.#options;
    const nowMs = clock.nowMs();
    if (!isLeader()) {
      clock.forgetAgreed();
      this.#askAtMs = Number.NEGATIVE_INFINITY;
      return;
    }
    if (appliedMs() > 0 && nowMs - appliedMs() >= BRING_AFTER_MS) this.#bring();
    if (!this.#isAsking && clock.monotonicMs() >= this.#askAtMs) await this.#ask();
  }

  async #ask(): Promise<void> {
    const { clock, agreedMs, isLeader, logger } = this.#options;
    this.#isAsking = true;
    const agreed = await agreedMs();
    this.#isAsking = false;
    if (!isLeader()) return;
    if (agreed === null) {
      clock.forgetAgreed();
      return;
    }
    this.#askAtMs = clock.monotonicMs() + ASK_MS;
    const stepMs = clock.agreed(agreed);
    if (stepMs === 0) return;
    logger.info({ stepMs: Math.round(stepMs) }, "the log's time goes on where a majority's clocks are");
    this.#bring();
  }

  #bring(): void {
    if (this.#isBringing) return;
    this.#isBringing = true;
    this.#options.submit({ kind: "tick" }, () => {
      this.#isBringing = false;
    });
  }
}
