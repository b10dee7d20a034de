/**
 * Numbered payloads, and the proof that they arrived: each has `"seq":` with nine digits in front, so that a reader finds
 * the number without parsing the rest and every payload of a run has the same length.
 */

export const SEQUENCE_DIGITS = 9;
/** Runs number their payloads from a base of their own, so that late ones of an earlier run are told apart. */
export const WARM_UP_BASE = 200_000_000;
export const MEASURED_BASE = 500_000_000;

const HEAD = '{"seq":';
const MARK = '"seq":';

/** Where the digits of the number begin in a payload. */
export const SEQUENCE_AT = HEAD.length;

/** A JSON payload of exactly `bytes` bytes (40 at least) with the number in front. */
export function numberedPayload(sequence: number, bytes: number): string {
  const head = `${HEAD}${sequence},"pad":"`;
  return `${head}${"x".repeat(bytes - head.length - 2)}"}`;
}

/** Overwrites the nine digits at `at`. */
export function writeSequence(target: Buffer, at: number, sequence: number): void {
  let rest = sequence;
  for (let digit = at + SEQUENCE_DIGITS - 1; digit >= at; digit--) {
    target[digit] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

/** The number in a payload's text, or in an envelope around it; -1 when there is none. */
export function sequenceIn(text: string): number {
  const at = text.indexOf(MARK);
  if (at < 0) return -1;
  return Number(text.slice(at + MARK.length, at + MARK.length + SEQUENCE_DIGITS));
}

/** The number whose nine digits begin at `at`. */
export function readSequence(bytes: Buffer, at: number): number {
  let value = 0;
  for (let digit = at; digit < at + SEQUENCE_DIGITS; digit++) value = value * 10 + (bytes[digit] ?? 48) - 48;
  return value;
}

export interface SequenceReport {
  /** Payloads of the run that arrived, and how many of them had arrived before. */
  readonly received: number;
  readonly doubled: number;
  /** The same for two readers exactly when they got the same numbers in the same order. */
  readonly fingerprint: number;
  readonly largest: number;
}

/** What one reader received of one run. */
export class SequenceTally {
  #base = 0;
  #seen = new Uint8Array(1 << 16);
  #received = 0;
  #doubled = 0;
  #largest = 0;
  #fingerprint = 0x811c9dc5;

  /** Starts counting anew: numbers below `base` are of an earlier run. */
  begin(base: number): void {
    this.#base = base;
    this.#seen.fill(0);
    this.#received = 0;
    this.#doubled = 0;
    this.#largest = 0;
    this.#fingerprint = 0x811c9dc5;
  }

  get received(): number {
    return this.#received;
  }

  get largest(): number {
    return this.#largest;
  }

  add(sequence: number): void {
    const at = sequence - this.#base;
    if (at < 0) return;
    if (at >= this.#seen.length) this.#grow(at);
    if (this.#seen[at] === 1) this.#doubled += 1;
    this.#seen[at] = 1;
    this.#received += 1;
    this.#largest = Math.max(this.#largest, sequence);
    this.#fingerprint = Math.imul(this.#fingerprint ^ at, 0x01000193) >>> 0;
  }

  report(): SequenceReport {
    return {
      received: this.#received,
      doubled: this.#doubled,
      fingerprint: this.#fingerprint,
      largest: this.#largest,
    };
  }

  #grow(at: number): void {
    const larger = new Uint8Array(2 ** Math.ceil(Math.log2(at + 1)));
    larger.set(this.#seen);
    this.#seen = larger;
  }
}
