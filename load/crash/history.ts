/**
 * What the publishers did, as a history of invoke / ok / refused / unknown: an attempt without an answer may or may not have
 * been committed. Pure: no clock, no socket.
 */

export type Outcome = "unknown" | "ok" | "refused";

/** One message that somebody tried to publish. */
export interface Attempt {
  /** Unique in the whole campaign; it is in the payload. */
  readonly key: string;
  readonly publisher: string;
  /** Rises with each attempt of this publisher, over all topics. */
  readonly sequence: number;
  /** Rises with each connection of this publisher. What one connection left unanswered may come after what a later one sent. */
  readonly session: number;
  readonly topic: string;
  /** Messages of one NDJSON publish share it: they are committed together or not at all. */
  readonly batch: string | null;
  outcome: Outcome;
  /** What the acknowledgement said, where it says anything (HTTP does, a PUBACK does not). */
  ackId: string | null;
  ackOffset: number | null;
}

export function keyOf(publisher: string, sequence: number): string {
  return `${publisher}:${sequence}`;
}

/** The two parts of a key; null for text that is not one. */
export function parseKey(key: string): { readonly publisher: string; readonly sequence: number } | null {
  const colon = key.lastIndexOf(":");
  const sequence = Number(key.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(sequence)) return null;
  return { publisher: key.slice(0, colon), sequence };
}

/** What an attempt may say of itself besides its publisher, number and topic. */
export interface AttemptTraits {
  readonly batch?: string;
  readonly session?: number;
}

export class History {
  readonly #attempts = new Map<string, Attempt>();
  readonly #onOk: (attempt: Attempt) => void;
  #acknowledged = 0;
  #refused = 0;

  /** `onOk` hears each acknowledgement as it comes. */
  constructor(onOk: (attempt: Attempt) => void = () => undefined) {
    this.#onOk = onOk;
  }

  /** A publish is about to be sent. Throws when its key was used before. */
  invoke(publisher: string, sequence: number, topic: string, traits: AttemptTraits = {}): Attempt {
    const key = keyOf(publisher, sequence);
    if (this.#attempts.has(key)) throw new Error(`${key} was published before`);
    const attempt: Attempt = {
      key,
      publisher,
      sequence,
      session: traits.session ?? 0,
      topic,
      batch: traits.batch ?? null,
      outcome: "unknown",
      ackId: null,
      ackOffset: null,
    };
    this.#attempts.set(key, attempt);
    return attempt;
  }

  /** It was acknowledged. */
  ok(attempt: Attempt, ackId: string | null = null, ackOffset: number | null = null): void {
    attempt.outcome = "ok";
    attempt.ackId = ackId;
    attempt.ackOffset = ackOffset;
    this.#acknowledged += 1;
    this.#onOk(attempt);
  }

  /** It was answered with an error: it must not be there. */
  refused(attempt: Attempt): void {
    attempt.outcome = "refused";
    this.#refused += 1;
  }

  attempt(key: string): Attempt | undefined {
    return this.#attempts.get(key);
  }

  attempts(): Iterable<Attempt> {
    return this.#attempts.values();
  }

  get attempted(): number {
    return this.#attempts.size;
  }

  get acknowledgedCount(): number {
    return this.#acknowledged;
  }

  get refusedCount(): number {
    return this.#refused;
  }
}
