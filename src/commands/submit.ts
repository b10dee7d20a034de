/**
 * The proposer: gathers the commands of this node into batches, gives each batch its sequence, hands it to Raft and answers the
 * callers when this node has applied it. While one batch is being written to disk the next one fills (group commit), so
 * that a batch is as large as the load makes it. A batch that may be lost (another leader, nothing heard for long) is proposed again as
 * it is, until it is applied: the machine takes each sequence once and in order.
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
  /** A number above that of every earlier start of this node, kept durably by the caller. Asked once, with the first command. */
  readonly incarnation: () => number;
  /** Hands a batch to Raft; false when it cannot be taken now. What was taken may still be lost on the way to the leader. */
  readonly propose: (payload: Uint8Array) => boolean;
  /** A code when commands must be refused now (not ready, disk full, stopping), else `null`. */
  readonly refusal: () => ErrorCode | null;
  /** Its wall is the log's time: envelopes are stamped with it. */
  readonly clock: Clock;
  readonly publishSeconds: Timing;
  readonly limits: {
    /** A batch this large is closed and the next begun. */
    readonly proposalBytesTarget: number;
    readonly proposalsInFlightMax: number;
    readonly submitBytesMax: number;
    readonly submitCommandsMax: number;
    /** A caller is answered after this long, come what may. */
    readonly submitPatienceMs: number;
  };
}

/** A closed batch: its bytes are made when it is proposed for the first time and never change after. */
interface Batch {
  readonly sequence: number;
  readonly payload: Uint8Array;
  /** Emptied when the callers are told that the outcome is not known; the batch goes on without them. */
  waiting: readonly Done[];
  readonly commands: number;
  readonly bytes: number;
  readonly begunMs: number;
}

/** How long a refused proposal waits before it is tried again. */
const RETRY_MS = 20;
/** Nothing of what is in flight was applied for so long: it may be lost, and is proposed again. Longer each time, up to the maximum. */
const RESEND_MS = 500;
const RESEND_MS_MAX = 4_000;

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
  /** Runs while anything is closed or in flight. */
  #cancelWatch: Cancel | null = null;
  #resendMs = RESEND_MS;
  /** When something in flight was last applied or proposed again. */
  #movedMs = 0;
  #proposedAgainMs = Number.NEGATIVE_INFINITY;
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
    if (applied.outcome === "out-of-order") this.#proposeMissing();
    if (applied.outcome !== "applied") return;
    const batch = this.#next(applied.sequence);
    const { clock, publishSeconds } = this.#options;
    publishSeconds.observe((clock.monotonicMs() - batch.begunMs) / 1000);
    for (let i = 0; i < batch.waiting.length; i += 1) {
      const result = applied.results[i];
      if (result !== undefined) batch.waiting[i]?.(result);
    }
    this.#resendMs = RESEND_MS;
    this.#goOn();
  }

  /**
   * A snapshot took the place of the entries up to some point: `sequence` of `incarnation` is the last of this origin in it. What of
   * this submitter's is among them was applied, with results that are not known here.
   */
  restored(incarnation: number, sequence: number): void {
    if (incarnation !== this.#incarnation) return;
    while ((this.#inFlight[0]?.sequence ?? Number.POSITIVE_INFINITY) <= sequence) {
      const batch = this.#inFlight[0];
      if (batch === undefined) break;
      this.#answerUnknown(batch);
      this.#next(batch.sequence);
    }
    this.#goOn();
  }

  /** One that went ahead of a lost one came back: once is enough for all of them. */
  #proposeMissing(): void {
    if (this.#options.clock.monotonicMs() - this.#proposedAgainMs > RETRY_MS) this.proposeAgain();
  }

  /** Another node may lead: what is in flight may be lost, and is proposed again, in order. */
  proposeAgain(): void {
    this.#movedMs = this.#options.clock.monotonicMs();
    this.#proposedAgainMs = this.#movedMs;
    for (const { payload } of this.#inFlight) {
      if (this.#options.propose(payload)) continue;
      // There is nobody now: the watch comes back to it.
      return;
    }
    this.#flush();
  }

  /** The node is stopping or has failed: everybody who still waits is told; whether their command committed is unknown. */
  abandon(code: ErrorCode): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    this.#cancelWatch?.();
    this.#cancelWatch = null;
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
      commands: this.#waiting.length,
      bytes: this.#openBytes,
      begunMs: this.#begunMs,
    });
    this.#waiting = [];
    this.#openBytes = 0;
    this.#watch();
  }

  /** Takes the oldest batch off what is in flight. */
  #next(sequence: number): Batch {
    const batch = this.#inFlight.shift();
    assertInvariant(
      batch?.sequence === sequence,
      `batch ${sequence} was applied out of turn (${batch?.sequence ?? "none"} was next)`,
    );
    this.#pendingBytes -= batch.bytes;
    this.#pendingCommands -= batch.commands;
    this.#movedMs = this.#options.clock.monotonicMs();
    return batch;
  }

  #goOn(): void {
    this.#tellDrained();
    if (this.#waiting.length > 0 || this.#closed.length > 0) this.#flush();
    if (this.#inFlight.length > 0 || this.#closed.length > 0) return;
    this.#cancelWatch?.();
    this.#cancelWatch = null;
  }

  /** Looks after what is not applied: proposes it again, and answers callers who have waited too long. */
  #watch(): void {
    if (this.#cancelWatch !== null) return;
    const { clock, limits } = this.#options;
    this.#movedMs = clock.monotonicMs();
    this.#cancelWatch = clock.every(RESEND_MS / 2, () => {
      const nowMs = clock.monotonicMs();
      // What waits behind a full flight is closed for its callers' sake: a batch goes on without them.
      if (this.#waiting.length > 0 && nowMs - this.#begunMs > limits.submitPatienceMs) this.#close();
      for (const batch of [...this.#inFlight, ...this.#closed]) {
        if (nowMs - batch.begunMs > limits.submitPatienceMs) this.#answerUnknown(batch);
      }
      if (this.#inFlight.length === 0 || nowMs - this.#movedMs < this.#resendMs) return;
      this.#resendMs = Math.min(this.#resendMs * 2, RESEND_MS_MAX);
      this.proposeAgain();
    });
  }

  #answerUnknown(batch: Batch): void {
    const { waiting } = batch;
    batch.waiting = [];
    for (const done of waiting) done({ kind: "failed", code: "outcome_unknown" });
  }

  #retryLater(): void {
    if (this.#cancelFlush !== null) return;
    this.#cancelFlush = this.#options.clock.after(RETRY_MS, () => {
      this.#cancelFlush = null;
      this.#flush();
    });
  }
}
