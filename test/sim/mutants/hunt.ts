/**
 * One planted bug, seed after seed, until the simulator sees it. It has to say what is expected of it, and the sound program has to pass the
 * very seed: else nothing is shown.
 */
import { join } from "node:path";
import { repositoryRoot } from "../../../load/lib/paths.js";
import { Worker } from "../crew.js";
import type { Assignment } from "../worker.js";
import type { Mutant } from "./mutant.js";

/** A bug planted at a port, or a changed program. */
export interface Quarry extends Omit<Mutant, "edits"> {
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

/** The built program as it is, wherever this runs from. */
const SOUND_PROGRAM = join(repositoryRoot(), "dist", "test", "sim");
/** Deaths of the process show no rule broken. */
const DEATH = /^(its process ended|hangs)/;

/** A changed program may well go round for ever: it gets another process, so often, and sooner than the sound one. */
const DEATHS_MAX = 3;
const HANG_MS = 60_000;

/** Something else may show first in a seed, as nothing getting done: so often, and then it is not what it is said to be. */
const OTHERWISE_MAX = 20;

async function objectionOfSound(assignment: Assignment): Promise<string | null> {
  const sound = new Worker(SOUND_PROGRAM);
  const { result } = await sound.run(assignment);
  sound.end();
  return result.violation === null ? null : `the sound program breaks a rule there, too: ${result.violation}`;
}

/** Goes through seeds until it shows, or there are no more to be tried. */
export async function hunt(quarry: Quarry): Promise<Finding> {
  const { nodes, length, conditions, firstSeed, seedsMax, shows, directory, plant } = quarry;
  let worker = new Worker(directory, HANG_MS);
  let deaths = 0;
  let otherwise = 0;
  let last: string | null = null;
  try {
    for (let seeds = 1; seeds <= seedsMax; seeds += 1) {
      const assignment = { seed: firstSeed + seeds - 1, nodes, length, ...conditions };
      const { result } = await worker.run(plant === undefined ? assignment : { ...assignment, plant });
      const said = result.violation;
      if (said === null) continue;
      last = said;
      if (DEATH.test(said)) {
        deaths += 1;
        if (deaths === DEATHS_MAX) return { seeds, said, objection: "the program died of it" };
        worker.end();
        worker = new Worker(directory, HANG_MS);
        continue;
      }
      if (shows.test(said)) return { seeds, said, objection: await objectionOfSound(assignment) };
      otherwise += 1;
      if (otherwise < OTHERWISE_MAX) continue;
      return { seeds, said, objection: `it says something else than ${shows}` };
    }
    return { seeds: seedsMax, said: last, objection: "not found" };
  } finally {
    worker.end();
  }
}
