/**
 * A bug made by changing a line of the built program: the rule that it breaks, where, and what the simulator is to say of it. A text that
 * is not found exactly once is an error, so that no mutant stops being one when the code changes.
 */
import type { Length, Profile, Size } from "../profile.js";
import type { RunOptions } from "../simulation.js";

export interface Edit {
  /** Below `dist/`, or below `node_modules/` for the engine. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Of the runs of a hunt. */
export type Conditions = Pick<RunOptions, "mode" | "profile">;

/**
 * Of histories that part it is enough that something is published: without other clients a seed takes a third of the time. `more` of the
 * profile is set besides.
 */
function publishersAlone(more: Partial<Profile>): Conditions {
  const profile = { publishers: 3, subscribers: 0, clients: 0, roamers: 0, members: 0, ...more };
  return { mode: "safety", profile };
}

/** Nobody but publishers. */
export const PUBLISHERS_ALONE = publishersAlone({});
/** And disks change by themselves, all the time. */
export const FORGETFUL_DISKS = publishersAlone({
  files: {
    logSegmentBytes: 8_192,
    logCacheBytesMax: 0,
    messageSegmentBytes: 16_000,
    recentBytesMax: 1_000,
    faultMs: 0,
    corruptionMs: 60,
  },
});
/** And each entry travels in a message of its own, among the same nodes: one may have an older entry of a leader's, and not the next. */
export const ENTRY_BY_ENTRY = publishersAlone({ messageBytesMax: 1, membershipChance: 0 });
/** And a group of one node grows: what its only voter has is committed, and others hear of it. */
export const SOLE_VOTER = publishersAlone({ membershipChance: 0.5 });
/** A group of one node that gets others, and may be one again. */
export const GROWING: Conditions = { profile: { membershipChance: 0.3, thinkMs: 30 } };

export interface Mutant {
  readonly name: string;
  /** Whose rule, and which. */
  readonly rule: string;
  readonly nodes: Size;
  readonly length: Length;
  readonly edits: readonly Edit[];
  /** How the seeds are run, where that is not as usual. */
  readonly conditions?: Conditions;
  /** What the outside sees of it. */
  readonly shows: RegExp;
  /** The hunt begins with this one: close to where it shows, where that takes many seeds. */
  readonly firstSeed: number;
  /** It shows within this many seeds. */
  readonly seedsMax: number;
}

/** What most mutants have in common. */
export function mutant(
  given: Pick<Mutant, "name" | "rule" | "nodes" | "edits" | "shows"> & Partial<Mutant>,
): Mutant {
  return { length: "short", firstSeed: 1, seedsMax: 400, ...given };
}

/** The usual case: one line of one file. */
export function edit(file: string, find: string, replace: string): readonly Edit[] {
  return [{ file, find, replace }];
}
