/** What time it is by the voters' wall clocks: each node says what its own shows, and the leader takes what a majority has reached. */
import type { Calls } from "./calls.js";
import { fieldsOf, isCount } from "./log/snapshot-meta.js";
import type { Ticker } from "./node-options.js";
import type { NodeId } from "./types.js";

const METHOD = "wall-clock";
const TIMEOUT_MS = 1_000;

export class WallClocks {
  readonly #id: NodeId;
  readonly #calls: Calls;
  readonly #own: Pick<Ticker, "nowMs" | "monotonicMs">;
  readonly #voters: () => readonly NodeId[];

  constructor(
    id: NodeId,
    calls: Calls,
    own: Pick<Ticker, "nowMs" | "monotonicMs">,
    voters: () => readonly NodeId[],
  ) {
    this.#id = id;
    this.#calls = calls;
    this.#own = own;
    this.#voters = voters;
    calls.handle(METHOD, async () => ({ params: { wallMs: own.nowMs() } }));
  }

  /** The latest time that the clocks of a majority of the voters have reached; `null` when no majority answers in time. */
  async agreedMs(): Promise<number | null> {
    const asked = this.#voters();
    const answers = await Promise.all(asked.map((voter) => this.#ask(voter)));
    const nowMs = this.#own.monotonicMs();
    // One that did not answer in time made the others wait.
    const clocksMs = answers.flatMap((answer) =>
      answer === null ? [] : [answer.wallMs + nowMs - answer.atMs],
    );
    return reachedByMajority(clocksMs, asked.length);
  }

  /** What its clock showed, and when that was by the monotonic clock here. */
  async #ask(voter: NodeId): Promise<{ readonly wallMs: number; readonly atMs: number } | null> {
    const own = this.#own;
    if (voter === this.#id) return { wallMs: own.nowMs(), atMs: own.monotonicMs() };
    try {
      const { params } = await this.#calls.call(voter, METHOD, {}, { timeoutMs: TIMEOUT_MS });
      const { wallMs: answer } = fieldsOf(params);
      return isCount(answer) ? { wallMs: answer, atMs: own.monotonicMs() } : null;
    } catch {
      return null;
    }
  }
}

/** The latest time that more than half of `voters` clocks have reached, as far as `clocksMs` show; `null` when they are too few. */
export function reachedByMajority(clocksMs: readonly number[], voters: number): number | null {
  const latestFirst = [...clocksMs].sort((a, b) => b - a);
  return latestFirst[Math.floor(voters / 2)] ?? null;
}
