/**
 * The simulated world: one virtual clock, one queue of events, one seed. Between two events every promise that can go on has gone
 * on: the production code under it awaits nothing real, so a few rounds of ticks and promises leave nothing behind.
 */
import { Chance } from "./chance.js";
import { EventQueue, type Scope, type SimEvent } from "./event-queue.js";
import type { FaultCounts, FaultKind } from "./fault-kind.js";
import { Trace } from "./trace.js";

/** Thrown through the code of a node whose process is gone. */
export class Crashed extends Error {
  constructor() {
    super("the process is gone");
  }
}

export interface Counts {
  crashes: number;
  restarts: number;
  snapshots: number;
  restores: number;
  publishes: number;
  deliveries: number;
  /** Reads that were answered after a barrier. */
  reads: number;
  /** CONNECTs that were accepted. */
  connects: number;
  wipes: number;
  refusals: number;
  "sessions expired": number;
  "clean starts": number;
  "delayed wills": number;
  "delayed wills called off": number;
  "messages of shares": number;
  "given on to another member": number;
  unsubscribes: number;
  "retained on subscribing": number;
  "connects of 3.1.1": number;
}

export const NO_COUNTS: Readonly<Counts> = {
  crashes: 0,
  restarts: 0,
  snapshots: 0,
  restores: 0,
  publishes: 0,
  deliveries: 0,
  reads: 0,
  connects: 0,
  wipes: 0,
  refusals: 0,
  "sessions expired": 0,
  "clean starts": 0,
  "delayed wills": 0,
  "delayed wills called off": 0,
  "messages of shares": 0,
  "given on to another member": 0,
  unsubscribes: 0,
  "retained on subscribing": 0,
  "connects of 3.1.1": 0,
};

/** Rounds of `process.nextTick` after an event: each begins when no promise can go on, so streams within streams come to rest. */
const ROUNDS = 3;
/** Now and then the process hears of signals and timers too. */
const EVENTS_A_TURN = 5_000;
/** How often, in virtual time, it is asked whether a run is over: the answer may have to look far. */
const ASK_PERIOD_MS = 2;

const nextTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function drained(): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) await nextTick();
}

export class World {
  readonly chance: Chance;
  readonly trace: Trace;
  readonly counts: Counts = { ...NO_COUNTS };
  readonly #faults: Partial<Record<FaultKind, number>> = {};
  /** Virtual milliseconds since the world began. */
  nowMs = 0;
  /** The hostile time is over. */
  isCalm = false;
  /** The first rule that was seen broken. */
  violation: string | null = null;
  readonly #queue = new EventQueue();
  #order = 0;
  #events = 0;

  constructor(seed: number, print: ((line: string) => void) | null = null) {
    this.chance = new Chance(seed);
    this.trace = new Trace(print);
  }

  /** Plans an event; the function given back calls it off. */
  after(delayMs: number, task: () => void, scope: Scope | null = null): () => void {
    const atMs = this.nowMs + Math.max(0, delayMs);
    this.#order += 1;
    const event: SimEvent = { atMs, order: this.#order, task, scope, cancelled: false, isParked: false };
    this.#queue.push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** A pause is over before its time. What waited for its end comes first, or what was sent later would overtake it. */
  wake(scope: Scope): void {
    scope.pausedUntilMs = 0;
    for (const event of this.#queue.take((one) => one.isParked && one.scope === scope)) {
      this.#queue.push(Object.assign(event, { atMs: this.nowMs }));
    }
  }

  /** What went wrong on purpose, so far. */
  get faults(): FaultCounts {
    return this.#faults;
  }

  /** Something goes wrong on purpose. */
  fault(kind: FaultKind): void {
    this.#faults[kind] = (this.#faults[kind] ?? 0) + 1;
  }

  tell(who: string, what: string): void {
    this.trace.add(this.nowMs, who, what);
  }

  /** A rule is broken: the run ends here. */
  fail(what: string): void {
    if (this.violation !== null) return;
    this.violation = what;
    this.tell("rule", `BROKEN: ${what}`);
  }

  check(condition: boolean, what: () => string): void {
    if (!condition) this.fail(what());
  }

  async runUntil(endMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    let askMs = this.nowMs;
    while (this.violation === null) {
      if (this.nowMs >= askMs) {
        if (isDone()) return true;
        askMs = this.nowMs + ASK_PERIOD_MS;
      }
      const event = this.#queue.peek();
      if (event === undefined || event.atMs > endMs) {
        this.nowMs = Math.max(this.nowMs, endMs);
        return isDone();
      }
      this.#queue.pop();
      if (!this.#happens(event)) continue;
      this.#events += 1;
      await (this.#events % EVENTS_A_TURN === 0 ? turn() : drained());
    }
    return false;
  }

  #happens(event: SimEvent): boolean {
    const { scope, cancelled, atMs } = event;
    if (cancelled || scope?.alive === false) return false;
    if (scope !== null && scope.pausedUntilMs > atMs) {
      // The same order: what comes by one link stays in order.
      event.atMs = scope.pausedUntilMs;
      event.isParked = true;
      this.#queue.push(event);
      return false;
    }
    this.nowMs = atMs;
    try {
      event.task();
    } catch (error) {
      if (!(error instanceof Crashed)) this.fail(`an event threw: ${String(error)}`);
    }
    return true;
  }
}
