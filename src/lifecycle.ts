/** Whether a node serves, and what ends it: what its parts tell each other while they are built and while they run. */
import type { Readiness } from "./broker.js";
import type { ErrorCode } from "./errors.js";
import { limits } from "./limits.js";
import type { Clock } from "./runtime/clock.js";

/** The node was told to stop before it served. */
export class StoppedEarly extends Error {
  constructor() {
    super("told to stop before it served");
    this.name = "StoppedEarly";
  }
}

export class Lifecycle {
  /** Resolves when the node has to stop by itself. */
  readonly failed: Promise<Error>;
  readonly fail: (error: Error) => void;
  /**
   * "starting" until the stream has its identity and is caught up with, then "serving"; "leaving" while what its clients have begun is brought
   * to an end, "stopping" when nothing is taken any more, which a failure leads to at once.
   */
  phase: "starting" | "serving" | "leaving" | "stopping" = "starting";
  readonly #clock: Clock;
  /** Since when no leader is known; `null` while one is. */
  #leaderlessSinceMs: number | null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#leaderlessSinceMs = clock.monotonicMs();
    let resolveFailed: (error: Error) => void = () => undefined;
    this.failed = new Promise((resolve) => {
      resolveFailed = resolve;
    });
    this.fail = (error) => {
      this.phase = "stopping";
      resolveFailed(error);
    };
  }

  /** The node is told to stop: one that has not served yet ends its start, which may wait for others for ever. */
  stopAsked(): void {
    if (this.phase === "starting") this.fail(new StoppedEarly());
  }

  /** Another node leads, or none ("") does. */
  leaderIs(leaderId: string): void {
    this.#leaderlessSinceMs = leaderId === "" ? this.#clock.monotonicMs() : null;
  }

  readiness(): Readiness {
    const not = (reason: string, canRead = false): Readiness => ({ ready: false, reason, canRead });
    if (this.phase === "starting") return not("the node is starting");
    if (this.phase === "leaving" || this.phase === "stopping") return not("the node is stopping");
    return this.#isLeaderless() ? not("the group has no leader", true) : { ready: true };
  }

  /** Why a command is not even tried; `null` when it is. */
  refusal(): ErrorCode | null {
    if (this.phase === "stopping") return "shutting_down";
    return this.#isLeaderless() ? "no_leader" : null;
  }

  /** An election is waited for; a group without a majority is not. */
  #isLeaderless(): boolean {
    const since = this.#leaderlessSinceMs;
    return since !== null && this.#clock.monotonicMs() - since > limits.leaderlessMsMax;
  }
}
