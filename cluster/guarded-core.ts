/**
 * The core as the parts around the loop use it: there is none before the node has started, it is left alone once the node stops, and what
 * it finds broken stops the node and not whoever brought the frame or the tick.
 */
import type { CoreStatus } from "./core-types.js";
import type { RaftCore } from "./raft-core.js";
import type { HardState, LogIndex, MembershipChange } from "./types.js";

export interface GuardedCoreOptions {
  readonly onBroken: (error: unknown) => void;
  /** Something was done: the loop may have work. */
  readonly onUsed: () => void;
}

export class GuardedCore {
  readonly #options: GuardedCoreOptions;
  #core: RaftCore | null = null;
  #hardState: HardState = { term: 0, vote: "", commit: 0 };
  #isStopped = false;

  constructor(options: GuardedCoreOptions) {
    this.#options = options;
  }

  /** Whether frames and ticks may reach it. */
  get isOpen(): boolean {
    return this.#core !== null && !this.#isStopped;
  }

  /** What is known of the group before there is a core. */
  expect(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** From here on the core is used. */
  open(core: RaftCore): void {
    this.#core = core;
  }

  /** From here on it is not. */
  stop(): void {
    this.#isStopped = true;
  }

  status(): CoreStatus {
    const core = this.#core?.status();
    if (core !== undefined) return core;
    const { term, commit } = this.#hardState;
    const progress = new Map();
    return { role: "follower", leaderId: "", term, commit, applied: 0, progress, isTransferring: false };
  }

  /** Does nothing where the core may not be used. */
  use(task: (core: RaftCore) => void): void {
    if (this.#core === null || this.#isStopped) return;
    try {
      task(this.#core);
    } catch (error) {
      this.#options.onBroken(error);
    }
    this.#options.onUsed();
  }

  /** See `RaftCore.propose`. */
  append(payloads: readonly Uint8Array[]): boolean {
    let isTaken = false;
    this.use((core) => {
      isTaken = core.propose(payloads);
    });
    return isTaken;
  }

  /** See `RaftCore.proposeChange`. */
  proposeChange(change: MembershipChange): LogIndex | null {
    let index: LogIndex | null = null;
    this.use((core) => {
      index = core.proposeChange(change);
    });
    return index;
  }
}
