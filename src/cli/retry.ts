/** Waiting before trying again: full jitter, so that many clients do not come back together. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../runtime/random.js";
import { ClientFailure } from "./failure.js";

const FIRST_CEILING_MS = 500;
const CEILING_MS_MAX = 30_000;

/** A wait before attempt `attempt` (1 is the first repeat): anything from 0 to a ceiling that doubles, milliseconds. */
export function fullJitterMs(random: Random, attempt: number): number {
  return random.unit() * Math.min(CEILING_MS_MAX, FIRST_CEILING_MS * 2 ** (attempt - 1));
}

/** The wait that a failure calls for: what the node asked for and some jitter over it, or jitter alone. */
export function waitMs(random: Random, attempt: number, failure: unknown): number {
  const asked = failure instanceof ClientFailure ? (failure.retryAfterMs ?? 0) : 0;
  return Math.min(asked, CEILING_MS_MAX) + fullJitterMs(random, attempt);
}

/** Tries that a request is worth. */
const ATTEMPTS_MAX = 5;

/** Runs an idempotent task again after retryable failures, a few times. Throws its last failure. */
export async function withRetries<Result>(random: Random, task: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await task();
    } catch (error) {
      const worthIt = error instanceof ClientFailure && error.retryable && attempt < ATTEMPTS_MAX;
      if (!worthIt) throw error;
      await sleep(waitMs(random, attempt, error));
    }
  }
}
