/**
 * Gathers what the clients of this node acknowledged into few commands: what a client waits for (PUBREL after PUBREC) at the end of the turn,
 * what only lets the state forget after a moment, the cursors of idle sessions now and then. A client has one report on its way at a time.
 */
import type { Broker } from "../../../broker.js";
import type { SessionProgress } from "../../../commands/command.js";
import { limits } from "../../../limits.js";
import type { Cancel, Clock } from "../../../runtime/clock.js";

/** One client's connection, as the gatherer asks it. */
export interface ProgressReporter {
  /** What is new since it was asked last; one of the two below tells what became of it. Empty for nothing new: no call follows. */
  takeProgress(): readonly SessionProgress[];
  /** It is committed, and applied here. */
  progressApplied(): void;
  /** Whether it will be applied is not known, or it will not: it is asked for again. */
  progressRefused(): void;
}

export interface ProgressGathererOptions {
  readonly broker: Pick<Broker, "submit">;
  readonly clock: Clock;
}

/** A refused command is not proposed again before this. */
const RETRY_MS = 200;

/** Commands on their way at a time, all clients together: more would only split up what the log takes in one piece. */
const UNDER_WAY_MAX = 4;

/** Entries and positions in one command, give or take one client's: it is applied in one go. */
const ENTRIES_MAX = 1_024;
const POSITIONS_MAX = 16_384;

export class ProgressGatherer {
  readonly #options: ProgressGathererOptions;
  /** Everybody whose cursor is told now and then. */
  readonly #members = new Set<ProgressReporter>();
  /** Whoever has news, and of them those whose client waits. */
  #waiting = new Set<ProgressReporter>();
  #urgent = new Set<ProgressReporter>();
  /** Their report is on its way. */
  readonly #reporting = new Set<ProgressReporter>();
  #commands = 0;
  #cancelSoon: Cancel | null = null;
  #cancelLater: Cancel | null = null;
  #cancelSweep: Cancel | null = null;
  #notBeforeMs = 0;

  constructor(options: ProgressGathererOptions) {
    this.#options = options;
  }

  /** From now on its cursor is told now and then, whether it asks or not. */
  join(reporter: ProgressReporter): void {
    this.#members.add(reporter);
    this.#cancelSweep ??= this.#options.clock.every(limits.cursorPeriodMs, () => this.#sweep());
  }

  /** Its connection is over: what it has to tell is told at once, in case nobody else does. No call to it follows. */
  leave(reporter: ProgressReporter): void {
    this.#members.delete(reporter);
    this.#waiting.delete(reporter);
    this.#urgent.delete(reporter);
    // Nobody will hear whether it was taken: it is told again.
    if (this.#reporting.delete(reporter)) reporter.progressRefused();
    const entries = reporter.takeProgress();
    // Whatever the answer: the next connection begins with what was committed.
    if (entries.length > 0) this.#options.broker.submit({ kind: "progress", entries }, () => undefined);
    if (this.#members.size > 0) return;
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  /** A client waits for its news to be committed. */
  soon(reporter: ProgressReporter): void {
    this.#waiting.add(reporter);
    this.#urgent.add(reporter);
    if (!this.#reporting.has(reporter)) this.#askSoon();
  }

  /** It has news that can wait a moment, for others to come along. */
  later(reporter: ProgressReporter): void {
    this.#waiting.add(reporter);
    this.#askLater(limits.progressPeriodMs);
  }

  #askSoon(): void {
    this.#cancelSoon ??= this.#options.clock.soon(() => this.#flush());
  }

  #askLater(delayMs: number): void {
    this.#cancelLater ??= this.#options.clock.after(delayMs, () => this.#flush());
  }

  #sweep(): void {
    for (const reporter of this.#members) this.#waiting.add(reporter);
    this.#askSoon();
  }

  #flush(): void {
    this.#cancelSoon?.();
    this.#cancelLater?.();
    this.#cancelSoon = null;
    this.#cancelLater = null;
    const waitMs = this.#notBeforeMs - this.#options.clock.monotonicMs();
    if (waitMs > 0) {
      this.#askLater(waitMs);
      return;
    }
    const command = new Gathered();
    for (const reporter of [...this.#waiting]) {
      // It waits until its report, or one of the others, has come back.
      if (this.#reporting.has(reporter) || this.#commands === UNDER_WAY_MAX) continue;
      this.#waiting.delete(reporter);
      this.#urgent.delete(reporter);
      command.add(reporter, reporter.takeProgress());
      if (command.isFull) this.#submit(command.take());
    }
    if (!command.isEmpty) this.#submit(command.take());
  }

  #submit({ reporters, entries }: Pick<Gathered, "reporters" | "entries">): void {
    this.#commands += 1;
    for (const reporter of reporters) this.#reporting.add(reporter);
    this.#options.broker.submit({ kind: "progress", entries }, (result) => {
      this.#commands -= 1;
      const isRefused = result.kind === "failed";
      if (isRefused) this.#notBeforeMs = this.#options.clock.monotonicMs() + RETRY_MS;
      for (const reporter of reporters) {
        if (!this.#reporting.delete(reporter)) continue;
        if (!isRefused) reporter.progressApplied();
        else {
          reporter.progressRefused();
          this.#waiting.add(reporter);
        }
      }
      if (this.#urgent.size > 0) this.#askSoon();
      else if (this.#waiting.size > 0) this.#askLater(limits.progressPeriodMs);
    });
  }
}

/** A command that is being put together. */
class Gathered {
  reporters: ProgressReporter[] = [];
  entries: SessionProgress[] = [];
  #positions = 0;

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  get isFull(): boolean {
    return this.entries.length >= ENTRIES_MAX || this.#positions >= POSITIONS_MAX;
  }

  add(reporter: ProgressReporter, entries: readonly SessionProgress[]): void {
    if (entries.length === 0) return;
    this.reporters.push(reporter);
    for (const entry of entries) {
      this.entries.push(entry);
      this.#positions += entry.received.length + entry.done.length;
    }
  }

  take(): Pick<Gathered, "reporters" | "entries"> {
    const { reporters, entries } = this;
    this.reporters = [];
    this.entries = [];
    this.#positions = 0;
    return { reporters, entries };
  }
}
