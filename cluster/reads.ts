/**
 * Linearizable reads (Raft thesis, section 6.4): the leader confirms that it still leads and gives its commit index; whoever asked
 * reads when it has applied that far. The core's own forwarding of such requests is not used: a repeated one could be answered
 * with an index from before. Every attempt has a context of its own; questions that come while one is under way share the next.
 */
import type { Calls } from "./calls.js";
import type { CoreStatus } from "./core-types.js";
import { ClusterError } from "./errors.js";
import { isCount } from "./log/snapshot-meta.js";
import { pause } from "./pause.js";
import type { LogIndex, NodeId } from "./types.js";

export interface ReadsOptions {
  readonly id: NodeId;
  readonly calls: Calls;
  readonly status: () => CoreStatus;
  /** Asks the core under a context; the answer comes through `confirmed`. */
  readonly readIndex: (context: string) => void;
  readonly after: (delayMs: number, task: () => void) => () => void;
  readonly monotonicMs: () => number;
}

/** One attempt, and all of them: an election fits in between. */
const ATTEMPT_MS = 500;
const PATIENCE_MS = 5_000;
const PAUSE_MS = 20;
const METHOD = "read-index";

interface Question {
  readonly resolve: (index: LogIndex) => void;
  readonly reject: (error: Error) => void;
}

export class Reads {
  readonly #options: ReadsOptions;
  readonly #attempts = new Map<string, (index: LogIndex) => void>();
  #questions: Question[] = [];
  #isAsking = false;
  #attempt = 0;
  #waiting: { readonly index: LogIndex; readonly resolve: () => void }[] = [];
  #applied: LogIndex = 0;

  constructor(options: ReadsOptions) {
    this.#options = options;
    options.calls.handle(METHOD, async () => {
      if (options.status().role !== "leader") throw noLeader();
      return { params: { index: await this.#confirm() } };
    });
  }

  /** Resolves when everything that was committed before the call is applied here. Rejects with `no_leader` after five seconds. */
  async barrier(): Promise<void> {
    const index = await new Promise<LogIndex>((resolve, reject) => {
      this.#questions.push({ resolve, reject });
      if (!this.#isAsking) void this.#askAll();
    });
    if (this.#applied >= index) return;
    await new Promise<void>((resolve, reject) => {
      const cancel = this.#options.after(PATIENCE_MS, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(noLeader());
      });
      const done = (): void => {
        cancel();
        resolve();
      };
      const waiting = { index, resolve: done };
      this.#waiting.push(waiting);
    });
  }

  /** Questions with an answer that is not applied here yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The core's answer to a context. */
  confirmed(context: string, index: LogIndex): void {
    this.#attempts.get(context)?.(index);
  }

  /** Everything up to `index` is applied. */
  applied(index: LogIndex): void {
    this.#applied = index;
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((waiting) => waiting.index <= index);
    this.#waiting = this.#waiting.filter((waiting) => waiting.index > index);
    for (const { resolve } of due) resolve();
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    while (this.#questions.length > 0) {
      const questions = this.#questions;
      this.#questions = [];
      try {
        const index = await this.#ask();
        for (const { resolve } of questions) resolve(index);
      } catch (error) {
        for (const { reject } of questions) reject(error instanceof Error ? error : noLeader());
      }
    }
    this.#isAsking = false;
  }

  async #ask(): Promise<LogIndex> {
    const { status, calls, monotonicMs, after } = this.#options;
    const deadlineMs = monotonicMs() + PATIENCE_MS;
    while (monotonicMs() < deadlineMs) {
      const { role, leaderId } = status();
      try {
        if (role === "leader") return await this.#confirm();
        if (leaderId !== "") {
          const { params } = await calls.call(leaderId, METHOD, {}, { timeoutMs: ATTEMPT_MS });
          const index = params["index"];
          if (isCount(index)) return index;
        }
      } catch (error) {
        if (error instanceof ClusterError && error.code === "shutdown") throw error;
      }
      await pause(after, PAUSE_MS);
    }
    throw noLeader();
  }

  #confirm(): Promise<LogIndex> {
    this.#attempt += 1;
    const context = `${this.#options.id}.${this.#attempt}`;
    return new Promise((resolve, reject) => {
      const cancel = this.#options.after(ATTEMPT_MS, () => {
        this.#attempts.delete(context);
        reject(noLeader());
      });
      this.#attempts.set(context, (index) => {
        cancel();
        this.#attempts.delete(context);
        resolve(index);
      });
      this.#options.readIndex(context);
    });
  }
}

function noLeader(): ClusterError {
  return new ClusterError(
    "no_leader",
    "no leader could confirm the read in time; retry, or ask for ?consistency=local",
  );
}
