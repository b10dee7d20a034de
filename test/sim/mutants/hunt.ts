/**
 * One planted bug, seed after seed, until the simulator sees it. It has to say what is expected of it, and the sound program has to pass the
 * very seed: else nothing is shown.
 */
import { join } from "node:path";
import { repositoryRoot } from "../../../load/lib/paths.js";
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

/** The built program as it is, wherever this runs from. */
const SOUND_PROGRAM = join(repositoryRoot(), "dist", "test", "sim");
/** Deaths of the process show no rule broken. */
const DEATH = /^(its process ended|hangs)/;

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
  const { nodes, length, seedsMax, shows, directory, plant } = quarry;
  const worker = new Worker(directory);
  let otherwise = 0;
  let last: string | null = null;
  try {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      const assignment = { seed, nodes, length };
      const { result } = await worker.run(plant === undefined ? assignment : { ...assignment, plant });
      const said = result.violation;
      if (said === null) continue;
      if (DEATH.test(said)) return { seeds: seed, said, objection: "the program died of it" };
      if (shows.test(said)) return { seeds: seed, said, objection: await objectionOfSound(assignment) };
      last = said;
      otherwise += 1;
      if (otherwise < OTHERWISE_MAX) continue;
      return { seeds: seed, said, objection: `it says something else than ${shows}` };
    }
    return { seeds: seedsMax, said: last, objection: "not found" };
  } finally {
    worker.end();
  }
}
