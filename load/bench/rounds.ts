/**
 * Rounds: every contestant in turn, again and again, so that a noisy minute hits all of them; medians at the end. One that
 * is missing or fails says so in its cell, and the others go on.
 */

import { median, spread } from "../lib/statistics.js";
import { removeDirectory, temporaryDirectory } from "../lib/support.js";
import { formatNumber, formatPercent } from "../lib/table.js";
import { describeProfiles } from "../profile.js";
import { type Contestant, jangada, type Running } from "./contestants.js";

export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  /** Only the node under test, once, with a CPU profile. */
  readonly profile: boolean;
}

/** What one contestant reached in all rounds. */
export interface Outcome<Sample> {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** Why there are none or fewer. */
  readonly failure: string | null;
}

interface MutableOutcome<Sample> {
  readonly name: string;
  readonly samples: Sample[];
  failure: string | null;
}

async function measureOnce<Sample>(
  contestant: Contestant,
  outcome: MutableOutcome<Sample>,
  measure: (running: Running) => Promise<Sample>,
): Promise<void> {
  if (contestant.missing !== null) {
    outcome.failure = contestant.missing;
    return;
  }
  let running: Running | undefined;
  try {
    running = await contestant.start();
    outcome.samples.push(await measure(running));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    outcome.failure = text.split("\n")[0] ?? text;
    console.error(`  ${contestant.name}: ${text}`);
  }
  await running?.stop();
}

/**
 * Measures every contestant in every round. `describe` is the one line that is printed while it runs. The first outcome is
 * the node under test.
 */
export async function runRounds<Sample>(
  title: string,
  peers: readonly Contestant[],
  options: BenchOptions,
  measure: (running: Running) => Promise<Sample>,
  describe: (sample: Sample) => string,
): Promise<readonly Outcome<Sample>[]> {
  const profileDir = options.profile ? temporaryDirectory("profile") : undefined;
  const contestants = options.profile ? [jangada(profileDir)] : [jangada(), ...peers];
  const outcomes = contestants.map(
    ({ name }): MutableOutcome<Sample> => ({ name, samples: [], failure: null }),
  );
  for (let round = 1; round <= (options.profile ? 1 : options.rounds); round++) {
    for (const [at, contestant] of contestants.entries()) {
      const outcome = outcomes[at];
      if (outcome === undefined) continue;
      const before = outcome.samples.length;
      await measureOnce(contestant, outcome, measure);
      const sample = outcome.samples[before];
      const text = sample === undefined ? `not measured: ${outcome.failure}` : describe(sample);
      console.log(`  ${title}, round ${round}, ${contestant.name}: ${text}`);
    }
  }
  if (profileDir !== undefined) {
    console.log(describeProfiles(profileDir, title));
    removeDirectory(profileDir);
  }
  return outcomes;
}

/** Median of one figure over the rounds; NaN when there is none. */
export function medianOf<Sample>(
  outcome: Outcome<Sample> | undefined,
  figure: (sample: Sample) => number,
): number {
  return median((outcome?.samples ?? []).map(figure));
}

/** A median as a cell, or why there is none. */
export function cellOf<Sample>(
  outcome: Outcome<Sample> | undefined,
  figure: (sample: Sample) => number,
): string {
  if (outcome === undefined) return "-";
  if (outcome.samples.length === 0) return outcome.failure ?? "-";
  return formatNumber(medianOf(outcome, figure));
}

export function spreadOf<Sample>(
  outcome: Outcome<Sample> | undefined,
  figure: (sample: Sample) => number,
): string {
  return formatPercent(spread((outcome?.samples ?? []).map(figure)));
}

/** Our median over theirs: "3.2"; "-" when one is missing. */
export function ratioOf(ours: number, theirs: number): string {
  const ratio = ours / theirs;
  return Number.isFinite(ratio) ? `${ratio.toFixed(ratio < 10 ? 2 : 0)}x` : "-";
}
