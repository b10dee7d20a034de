/** What all scenarios have in common: their conditions, their report, and the round in which a fault meets a loaded cluster. */
import type { Violation } from "../crash/checker.js";
import { Cluster } from "../lib/cluster.js";
import type { Terrain } from "../lib/terrain.js";
import { Crew } from "./crew.js";
import { Trial } from "./trial.js";

export interface Conditions {
  readonly terrain: Terrain;
  readonly rounds: number;
  /** Decides moments and victims. */
  readonly random: () => number;
  readonly log: (line: string) => void;
  /** How long a fault lasts before it heals. */
  readonly holdMs: number;
  /** How long the watch goes on after a fault has healed: coming back must not stall the others either. */
  readonly aftermathMs: number;
  /** Between an answer and the same publisher's next publish. */
  readonly pauseMs: number;
}

export interface ScenarioReport {
  /** Rounds that were carried through, and that were not. */
  readonly rounds: number;
  readonly roundsNotRun: number;
  readonly attempted: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly violations: readonly Violation[];
  /** Longest time without any acknowledgement, of each round. */
  readonly stallsMs: readonly number[];
  /** The same of the surviving node that had none for longest. */
  readonly oneNodeStallsMs: readonly number[];
  readonly notes: readonly string[];
  /** Figures of the scenario's own. */
  readonly figures: Readonly<Record<string, number>>;
}

/** What a scenario does to its cluster, and what it learns besides. */
export class Course {
  readonly trial: Trial;
  /** Null where no sessions take part. */
  readonly crew: Crew | null;
  readonly conditions: Conditions;
  readonly notes: string[] = [];
  readonly figures: Record<string, number> = {};
  readonly #stallsMs: number[] = [];
  readonly #oneNodeStallsMs: number[] = [];

  constructor(trial: Trial, crew: Crew | null, conditions: Conditions) {
    this.trial = trial;
    this.crew = crew;
    this.conditions = conditions;
  }

  get cluster(): Cluster {
    return this.trial.cluster;
  }

  /** Ends the watch that the trial began, as this round's stall. */
  endStall(): number {
    const { overallMs, oneNodeMs } = this.trial.endStall();
    this.#stallsMs.push(overallMs);
    this.#oneNodeStallsMs.push(oneNodeMs);
    return overallMs;
  }

  report(rounds: number): ScenarioReport {
    const { history, violations } = this.trial;
    return {
      ...{ rounds, roundsNotRun: this.conditions.rounds - rounds },
      attempted: history.attempted,
      acknowledged: history.acknowledgedCount,
      refused: history.refusedCount,
      violations,
      stallsMs: this.#stallsMs,
      oneNodeStallsMs: this.#oneNodeStallsMs,
      notes: this.notes,
      figures: { ...this.figures, ...this.crew?.figures, ownDelayMs: this.trial.ownDelayMs },
    };
  }
}

export interface CourseOptions {
  readonly size?: number;
  readonly flags?: readonly string[];
  /** Whether clients with kept sessions take part; they do. */
  readonly withSessions?: boolean;
}

const ROUND_WARM_UP_ACKNOWLEDGED = 200;

/**
 * Founds a cluster and runs rounds on it: load, what `round` does, no load, a complete check. Ends with the first round that
 * violates something, or that cannot be carried through, which is a violation too.
 */
export async function runCourse(
  conditions: Conditions,
  round: (course: Course, number: number) => Promise<string>,
  { size = 3, flags = [], withSessions = true }: CourseOptions = {},
): Promise<ScenarioReport> {
  const cluster = await Cluster.start({ size, terrain: conditions.terrain, flags });
  const trial = new Trial({ cluster, log: conditions.log, pauseMs: conditions.pauseMs });
  const report = (detail: string): void => trial.report("wrong_answer", detail);
  const crew = withSessions ? new Crew({ cluster, random: conditions.random, report }) : null;
  const course = new Course(trial, crew, conditions);
  let done = 0;
  try {
    await trial.attendAll();
    await crew?.begin();
    while (done < conditions.rounds && trial.violations.length === 0) {
      const number = done + 1;
      trial.startLoad();
      crew?.startLoad();
      await trial.waitForAcknowledged(ROUND_WARM_UP_ACKNOWLEDGED);
      const told = await round(course, number);
      await Promise.all([trial.stopLoad(), crew?.stopLoad()]);
      await trial.check(`round ${number}`);
      await crew?.check(`round ${number}`);
      done = number;
      conditions.log(`  round ${number}: ${told}; ${trial.history.acknowledgedCount} acknowledged`);
    }
    if (trial.violations.length === 0) {
      trial.forgetReadings();
      await trial.check("end");
    }
  } catch (error) {
    trial.report("stuck", error instanceof Error ? error.message : String(error));
  } finally {
    await conditions.terrain.heal();
    await crew?.close();
    await trial.close();
  }
  return course.report(done);
}
