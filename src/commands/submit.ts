/**
 * The proposer: gathers the commands of this node into batches, gives each batch its sequence, hands it to Raft and answers the
 * callers when this node has applied it. While one batch is being written to disk the next one fills (group commit), so
 * that a batch is as large as the load makes it.
 */
import { assertInvariant, ERROR_CODES, type ErrorCode } from "../errors.js";
import type { Cancel, Clock } from "../runtime/clock.js";
import type { Timing } from "../runtime/metrics.js";
import type { Applied, CommandResult } from "../state-machine/effects.js";
import { EnvelopeEncoder } from "./codec.js";
import type { Command } from "./command.js";

/** Called once with what the command gave. */
export type Done = (result: CommandResult) => void;

export interface SubmitterOptions {
  /** This node's id. */
  readonly origin: string;
  /**
   * A number above that of every earlier start. Asked once, with the first command: by then everything that was committed before
   * this start has to be applied, or the number may be one that the log has seen (the wall clock can have gone back).
   */
  readonly incarnation: () => number;
  /** Hands a batch to Raft; false when it cannot be taken now. */
  readonly propose: (payload: Uint8Array) => boolean;
  /** A code when commands must be refused now (not ready, disk full, stopping), else `null`. */
  readonly refusal: () => ErrorCode | null;
  readonly clock: Clock;
  readonly publishSeconds: Timing;
  readonly limits: {
    /** A batch this large is closed and the next begun. */
    readonly proposalBytesTarget: number;
    readonly proposalsInFlightMax: number;
    readonly submitBytesMax: number;
    readonly submitCommandsMax: number;
  };
}

/** A closed batch: its bytes are made when it is proposed for the first time and never change after. */
interface Batch {
  readonly sequence: number;
  readonly payload: Uint8Array;
  readonly waiting: readonly Done[];
  readonly bytes: number;
  readonly begunMs: number;
}

/** How long a refused proposal waits before it is tried again. */
const RETRY_MS = 20;

export class Submitter {
  readonly #options: SubmitterOptions;
  readonly #encoder = new EnvelopeEncoder();
  #waiting: Done[] = [];
  #begunMs = 0;
  #openBytes = 0;
  /** Closed and not yet taken by Raft, oldest first. */
  #closed: Batch[] = [];
  /** Taken by Raft and not yet applied, oldest first. */
  #inFlight: Batch[] = [];
  /** 0 before the first command. */
  #incarnation = 0;
  #sequence = 0;
  #pendingBytes = 0;
  #pendingCommands = 0;
  #cancelFlush: Cancel | null = null;
  #drained: (() => void)[] = [];

  constructor(options: SubmitterOptions) {
    this.#options = options;
  }

  /** See `Broker.submit`. The command's bytes are copied before this returns. */
  submit(command: Command, done: Done): void {
    const { limits } = this.#options;
    const refusal = this.#options.refusal() ?? this.#overload();
    if (refusal !== null) {
      done({ kind: "failed", code: refusal });
      return;
    }
    if (this.#waiting.length === 0) this.#begin();
    const before = this.#encoder.bytes;
    const after = this.#encoder.add(command);
    this.#waiting.push(done);
    this.#openBytes += after - before;
    this.#pendingBytes += after - before;
    this.#pendingCommands += 1;
    if (after >= limits.proposalBytesTarget) this.#flush();
    else if (this.#inFlight.length === 0) this.#flushSoon();
  }

  /** Half of what may wait is waiting: edges stop reading from publishers. */
  get saturated(): boolean {
    const { submitBytesMax, submitCommandsMax } = this.#options.limits;
    return this.#pendingBytes > submitBytesMax / 2 || this.#pendingCommands > submitCommandsMax / 2;
  }

  /** See `Broker.onceDrained`. */
  onceDrained(listener: () => void): void {
    this.#drained.push(listener);
  }

  /** Commands taken and not yet answered. */
  get pendingCommands(): number {
    return this.#pendingCommands;
  }

  /** An envelope was applied. If it is one of this submitter's, its callers are answered, in order. */
  applied(applied: Applied): void {
    if (applied.origin !== this.#options.origin || applied.incarnation !== this.#incarnation) return;
    if (applied.outcome !== "applied") return;
    const batch = this.#inFlight.shift();
    assertInvariant(
      batch?.sequence === applied.sequence,
      `batch ${applied.sequence} was applied out of turn (${batch?.sequence ?? "none"} was next)`,
    );
    this.#pendingBytes -= batch.bytes;
    this.#pendingCommands -= batch.waiting.length;
    this.#options.publishSeconds.observe((this.#options.clock.monotonicMs() - batch.begunMs) / 1000);
    for (let i = 0; i < batch.waiting.length; i += 1) {
      const result = applied.results[i];
      if (result !== undefined) batch.waiting[i]?.(result);
    }
    this.#tellDrained();
    if (this.#waiting.length > 0 || this.#closed.length > 0) this.#flush();
  }

  /** The node is stopping or has failed: everybody who still waits is told; whether their command committed is unknown. */
  abandon(code: ErrorCode): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const batches = [...this.#inFlight, ...this.#closed];
    this.#inFlight = [];
    this.#closed = [];
    const waiting = [...batches.flatMap((batch) => batch.waiting), ...this.#waiting];
    this.#waiting = [];
    for (const done of waiting) done({ kind: "failed", code, detail: ERROR_CODES[code] });
    this.#pendingBytes = 0;
    this.#pendingCommands = 0;
    this.#tellDrained();
  }

  #overload(): ErrorCode | null {
    const { submitBytesMax, submitCommandsMax } = this.#options.limits;
    return this.#pendingBytes >= submitBytesMax || this.#pendingCommands >= submitCommandsMax
      ? "overloaded"
      : null;
  }

  #tellDrained(): void {
    if (this.#drained.length === 0 || this.saturated) return;
    const listeners = this.#drained;
    this.#drained = [];
    for (const listener of listeners) listener();
  }

  /** After what is readable now was read: commands that arrived together go together. */
  #flushSoon(): void {
    if (this.#cancelFlush !== null) return;
    this.#cancelFlush = this.#options.clock.soon(() => {
      this.#cancelFlush = null;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#waiting.length > 0) this.#close();
    while (this.#closed.length > 0 && this.#inFlight.length < this.#options.limits.proposalsInFlightMax) {
      const batch = this.#closed[0];
      if (batch === undefined || !this.#options.propose(batch.payload)) {
        this.#retryLater();
        return;
      }
      this.#closed.shift();
      this.#inFlight.push(batch);
    }
  }

  #begin(): void {
    const { clock, origin, incarnation } = this.#options;
    if (this.#incarnation === 0) this.#incarnation = incarnation();
    this.#begunMs = clock.monotonicMs();
    this.#encoder.begin(origin, this.#incarnation);
  }

  #close(): void {
    const { clock } = this.#options;
    this.#sequence += 1;
    const payload = this.#encoder.finish(this.#sequence, clock.nowMs());
    this.#closed.push({
      sequence: this.#sequence,
      payload,
      waiting: this.#waiting,
      bytes: this.#openBytes,
      begunMs: this.#begunMs,
    });
    this.#waiting = [];
    this.#openBytes = 0;
  }

  #retryLater(): void {
    if (this.#cancelFlush !== null) return;
    this.#cancelFlush = this.#options.clock.after(RETRY_MS, () => {
      this.#cancelFlush = null;
      this.#flush();
    });
  }
}
