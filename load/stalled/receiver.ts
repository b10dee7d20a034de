/** One subscriber that is looked at closely: what it received, in which order, how late, and which gaps it was told of. */
import { readSequence, SEQUENCE_AT, sequenceIn } from "../lib/sequence.js";
import { LatencyHistogram } from "../lib/statistics.js";

export type Verdict =
  | { readonly ok: true; readonly how: "everything" | "an explicit gap" }
  | { readonly ok: false; readonly why: string };

export class Receiver {
  readonly name: string;
  readonly latencies = new LatencyHistogram();
  readonly #sentAtMs: readonly number[];
  readonly #base: number;
  #expected: number;
  #received = 0;
  #fault: string | null = null;
  #gapOpen = false;
  #gaps = 0;

  /** `sentAtMs[n]` is when number `base + n` was sent, on this process's clock. It begins with what comes next. */
  constructor(name: string, base: number, sentAtMs: readonly number[]) {
    this.name = name;
    this.#base = base;
    this.#expected = base + sentAtMs.length;
    this.#sentAtMs = sentAtMs;
  }

  get received(): number {
    return this.#received;
  }

  get fault(): string | null {
    return this.#fault;
  }

  takeText(data: string): void {
    this.#take(sequenceIn(data));
  }

  takeBytes(payload: Buffer): void {
    this.#take(readSequence(payload, SEQUENCE_AT));
  }

  /** The node said that something is missing: what comes next may skip. */
  takeGap(): void {
    this.#gapOpen = true;
    this.#gaps += 1;
  }

  /** The connection ended, which it should not. */
  takeClose(): void {
    this.#fault ??= `closed after ${this.#received} messages`;
  }

  /** Whether number `last` was reached. */
  hasReached(last: number): boolean {
    return this.#expected > last;
  }

  verdict(last: number): Verdict {
    if (this.#fault !== null) return { ok: false, why: this.#fault };
    if (!this.hasReached(last)) {
      return { ok: false, why: `stopped at ${this.#expected - this.#base} of ${last - this.#base + 1}` };
    }
    return { ok: true, how: this.#gaps > 0 ? "an explicit gap" : "everything" };
  }

  #take(sequence: number): void {
    const sentAtMs = this.#sentAtMs[sequence - this.#base];
    if (sentAtMs !== undefined) this.latencies.add(performance.now() - sentAtMs);
    this.#received += 1;
    const skips = sequence > this.#expected;
    if (sequence < this.#expected) {
      this.#fault ??= `number ${sequence - this.#base} came again or late`;
    } else if (skips && !this.#gapOpen) {
      this.#fault ??= `numbers ${this.#expected - this.#base} to ${sequence - this.#base - 1} are missing`;
    }
    this.#gapOpen = false;
    this.#expected = Math.max(this.#expected, sequence + 1);
  }
}
