/**
 * One planted bug, seed after seed, until the simulator sees it. It has to say what is expected of it, and the sound program has to pass the
 * very seed: else nothing is shown.
 */
import { Worker } from "../crew.js";
import type { Length, Size } from "../profile.js";
import type { Assignment } from "../worker.js";

/** A bug planted at a port, or a changed program. */
export interface Quarry {
  readonly name: string;
  readonly rule: string;
  readonly nodes: Size;
  readonly length: Length;
  readonly seedsMax: number;
  readonly shows: RegExp;
  /** Of the simulator to run; `undefined` for this one. */
  readonly directory?: string;
  readonly plant?: string;
}

export interface Finding {
  /** Until it was seen, or as many as were tried. */
  readonly seeds: number;
  /** What the simulator said; `null` when it saw nothing. */
  readonly said: string | null;
  /** Why it does not count; `null` when it does. */
  readonly objection: string | null;
}

/** Deaths of the process show no rule broken. */
const DEATH = /^(its process ended|hangs)/;

async function objectionTo(said: string, shows: RegExp, assignment: Assignment): Promise<string | null> {
  if (DEATH.test(said)) return "the program died of it";
  if (!shows.test(said)) return `it says something else than ${shows}`;
  const sound = new Worker();
  const { result } = await sound.run(assignment);
  sound.end();
  return result.violation === null ? null : `the sound program breaks a rule there, too: ${result.violation}`;
}

/** Goes through seeds until it shows, or there are no more to be tried. */
export async function hunt(quarry: Quarry): Promise<Finding> {
  const { nodes, length, seedsMax, shows, directory, plant } = quarry;
  const worker = new Worker(directory);
  try {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      const assignment = { seed, nodes, length };
      const { result } = await worker.run(plant === undefined ? assignment : { ...assignment, plant });
      if (result.violation === null) continue;
      return {
        seeds: seed,
        said: result.violation,
        objection: await objectionTo(result.violation, shows, assignment),
      };
    }
    return { seeds: seedsMax, said: null, objection: "not found" };
  } finally {
    worker.end();
  }
}
