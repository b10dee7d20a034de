/** Which call fails, in run after run, and what came of it. */
import { closedTwice, type Failure } from "./failing-calls.js";
import { type RunOutcome, scriptedRun } from "./scripted-run.js";

export const FAILURES: readonly Failure[] = ["EIO", "ENOSPC", "EMFILE", "short"];

export interface SweepOptions {
  readonly failure: Failure;
  /** The first call that fails, and how far it is to the next. */
  readonly first: number;
  readonly step: number;
  /** Runs at a time: most of a run is waiting. */
  readonly width: number;
  readonly onRun?: (at: number, outcome: RunOutcome) => void;
}

/** Figures of one kind of failure. */
export interface SweepReport {
  readonly runs: number;
  /** Runs in which the call was made and failed. */
  readonly hits: number;
  readonly wentOn: number;
  readonly stoppedItself: number;
  readonly didNotStart: number;
  readonly acknowledged: number;
  readonly violations: readonly string[];
}

/** The next runs end before the call that is to fail: so many in a row mean that the script is over. */
const BEYOND_THE_END = 8;

/** Goes on until the script makes no more calls than were tried. */
export async function sweep({ failure, first, step, width, onRun }: SweepOptions): Promise<SweepReport> {
  const outcomes: [number, RunOutcome][] = [];
  let at = first - step;
  let misses = 0;
  const work = async (): Promise<void> => {
    while (misses < BEYOND_THE_END) {
      at += step;
      const mine = at;
      const outcome = await scriptedRun(mine, failure);
      outcomes.push([mine, outcome]);
      misses = outcome.calls < mine ? misses + 1 : 0;
      onRun?.(mine, outcome);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  const hits = outcomes.filter(([, { failed }]) => failed !== "");
  const ending = (end: RunOutcome["end"]): number => hits.filter(([, outcome]) => outcome.end === end).length;
  return {
    runs: outcomes.length,
    hits: hits.length,
    wentOn: ending("went on"),
    stoppedItself: ending("stopped itself"),
    didNotStart: ending("did not start"),
    acknowledged: outcomes.reduce((sum, [, { acknowledged }]) => sum + acknowledged, 0),
    violations: [
      ...closedTwice.splice(0).map((where) => `a file is closed twice: ${where}`),
      ...outcomes.flatMap(([nth, { failed, violations }]) =>
        violations.map((violation) => `${failure} at call ${nth} (${failed}): ${violation}`),
      ),
    ],
  };
}
