/**
 * Large answers that their readers have not taken yet, all connections together: whoever asks for pages and reads none must not fill
 * the memory. When there is no room, an answer that has stood for long gives its place up.
 */
import type { ServerResponse } from "node:http";
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { Clock } from "../../runtime/clock.js";

/** Smaller answers are not counted: connections are. */
export const SMALL_ANSWER_BYTES = 64 * 1024;
/** An answer may stand this long before another takes its place. */
const PATIENCE_MS = 10_000;

interface Standing {
  bytes: number;
  readonly sinceMs: number;
}

export class AnswerBudget {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  /** In the order in which they came. */
  readonly #standing = new Map<ServerResponse, Standing>();
  #bytes = 0;

  constructor(clock: Clock, bytesMax: number = limits.httpAnswerBytesMax) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  /** Bytes that are not taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Counts `bytes` for a response until it closes, in place of what was counted for it before. Throws `overloaded` when there is no
   * room; an answer by itself always has.
   */
  count(response: ServerResponse, bytes: number): void {
    const known = this.#standing.get(response);
    const before = known?.bytes ?? 0;
    this.#makeRoom(bytes, before, response);
    this.#bytes += bytes - before;
    if (known !== undefined) {
      known.bytes = bytes;
      return;
    }
    this.#standing.set(response, { bytes, sinceMs: this.#clock.monotonicMs() });
    response.once("close", () => this.#forget(response));
  }

  #makeRoom(bytes: number, before: number, asking: ServerResponse): void {
    while (this.#bytes > before && this.#bytes - before + bytes > this.#bytesMax) {
      const [oldest] = this.#standing;
      if (oldest === undefined) return;
      const [response, { sinceMs }] = oldest;
      const hasStoodLong = this.#clock.monotonicMs() - sinceMs > PATIENCE_MS;
      if (!hasStoodLong || response === asking) {
        throw new JangadaError("overloaded", "too many large answers wait to be read");
      }
      response.socket?.destroy();
      this.#forget(response);
    }
  }

  #forget(response: ServerResponse): void {
    this.#bytes -= this.#standing.get(response)?.bytes ?? 0;
    this.#standing.delete(response);
  }
}
