/** The log's time as a life keeps it, wired as src/log-time.ts wires it; and the rule of what wrong wall clocks may do to it. */
import type { RaftNode } from "../../cluster/node.js";
import { reachedByMajority } from "../../cluster/wall-clocks.js";
import { LogClock } from "../../src/commands/log-clock.js";
import type { Submitter } from "../../src/commands/submit.js";
import type { Replica } from "../../src/replica/replica.js";
import { Timekeeper } from "../../src/replica/timekeeper.js";
import { silentLogger } from "../../src/runtime/logger.js";
import { EPOCH_MS, type SimClock } from "./sim-clock.js";
import type { World } from "./world.js";

export function createSimLogClock(clock: SimClock, replica: Replica): LogClock {
  return new LogClock({
    clock,
    uptimeMs: () => clock.monotonicMs(),
    appliedMs: () => replica.machine.timeMs,
    onJump: () => undefined,
  });
}

export function createSimTimekeeper(
  clock: LogClock,
  replica: Replica,
  raft: RaftNode,
  submitter: Submitter,
): Timekeeper {
  return new Timekeeper({
    clock,
    submit: (command, done) => submitter.submit(command, done),
    appliedMs: () => replica.machine.timeMs,
    isLeader: () => raft.status().role === "leader",
    agreedMs: () => raft.agreedMs(),
    logger: silentLogger,
  });
}

/** Clocks that differ by less agree. */
const SLACK_MS = 2_000;

/** No minority's clocks move the log's time: it is never ahead of the latest that a majority's clocks ever were. */
export class LogTimeRule {
  readonly #world: World;
  readonly #voters: () => ReadonlySet<string>;
  /** How wrong each node's wall clock is. */
  readonly #offsetsMs = new Map<string, number>();
  #aheadMs = 0;
  #hasBegun = false;

  constructor(world: World, voters: () => ReadonlySet<string>) {
    this.#world = world;
    this.#voters = voters;
  }

  /** A wall clock is set. */
  wallIs(id: string, offsetMs: number): void {
    this.#offsetsMs.set(id, offsetMs);
    this.votersChange();
  }

  votersChange(): void {
    const voters = [...this.#voters()];
    const offsets = voters.map((id) => this.#offsetsMs.get(id) ?? 0);
    // Who begins the log begins it by its own clock.
    const ahead = this.#hasBegun ? (reachedByMajority(offsets, voters.length) ?? 0) : Math.max(...offsets);
    this.#aheadMs = Math.max(this.#aheadMs, ahead);
  }

  /** An envelope was applied. */
  logIs(timeMs: number): void {
    this.#hasBegun = true;
    const aheadMs = timeMs - EPOCH_MS - this.#world.nowMs;
    this.#world.check(
      aheadMs <= this.#aheadMs + SLACK_MS,
      () => `the log's time is ${aheadMs} ms ahead, a majority's clocks were ${this.#aheadMs} ms at most`,
    );
  }
}
