/**
 * A failing schedule made smaller (delta debugging): strokes are left out, halves first and single ones last, then clients and time, as long as
 * the same rule is broken.
 */
import type { Profile } from "./profile.js";
import { type RunOptions, type RunResult, run } from "./simulation.js";

/** Runs that a shrinking may cost. */
const RUNS_MAX = 400;

export interface Shrunk {
  /** What still breaks the rule. */
  readonly options: RunOptions;
  readonly result: RunResult;
  readonly runs: number;
}

/** The rule without what differs from run to run. */
export function ruleOf(violation: string): string {
  return violation.replace(/[a-z]\d+(\.\d+)*|\d+/g, "N");
}

class Shrinking {
  #options: RunOptions;
  #result: RunResult;
  readonly #rule: string;
  runs = 0;

  constructor(options: RunOptions, result: RunResult) {
    this.#options = options;
    this.#result = result;
    this.#rule = ruleOf(result.violation ?? "");
  }

  get shrunk(): Shrunk {
    return { options: this.#options, result: this.#result, runs: this.runs };
  }

  /** Whether the rule is broken with these, too: then they are what is made smaller from here on. */
  async #try(options: RunOptions): Promise<boolean> {
    if (this.runs >= RUNS_MAX) return false;
    this.runs += 1;
    const result = await run(options);
    if (result.violation === null || ruleOf(result.violation) !== this.#rule) return false;
    this.#options = options;
    this.#result = result;
    return true;
  }

  async strokes(): Promise<void> {
    for (let size = Math.ceil(this.#result.strokes.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let from = 0; from < this.#result.strokes.length; ) {
        const { leftOut = [] } = this.#options;
        const without = this.#result.strokes.slice(from, from + size);
        if (!(await this.#try({ ...this.#options, leftOut: [...leftOut, ...without] }))) from += size;
      }
    }
  }

  /** Fewer of those who use the group, and no more hostile time than it takes. */
  async people(): Promise<void> {
    const attempts: readonly Partial<Profile>[] = [
      { clients: 0 },
      { roamers: 0 },
      { members: 0 },
      { subscribers: 0 },
      { publishers: 1 },
      { clients: 1 },
      { subscribers: 1 },
      { hostileMs: Math.ceil(this.#result.simulatedMs) },
    ];
    for (const attempt of attempts) {
      await this.#try({ ...this.#options, profile: { ...this.#options.profile, ...attempt } });
    }
  }
}

/** `result` is what `options` came to, and breaks a rule. */
export async function shrink(options: RunOptions, result: RunResult): Promise<Shrunk> {
  const shrinking = new Shrinking(options, result);
  await shrinking.people();
  await shrinking.strokes();
  await shrinking.people();
  return shrinking.shrunk;
}
