/**
 * Planted bugs in the built program: each changes text that is there exactly once, or it is none any more; and a few that show at once are
 * hunted here. All of them: `npm run sim:mutants`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryRoot } from "../../../load/lib/paths.js";
import { changedProgram } from "./changed-program.js";
import { hunt } from "./hunt.js";
import { MUTANTS } from "./mutants.js";

/** A machine that has other things to do takes longer. */
const TIMEOUT_MS = 120_000;
/** They show within the first seeds. */
const SEEDS_MAX = 12;
const QUICK: ReadonlySet<string> = new Set([
  "one vote too few elects",
  "nobody waits for the append",
  "what a start finds applied is applied again",
  "a session that was there is said to be new",
]);

describe("planted bugs in the built program", () => {
  test("each changes what is there exactly once", () => {
    const texts = new Map<string, string>();
    const textOf = (file: string): string => {
      const text = texts.get(file) ?? readFileSync(join(repositoryRoot(), file), "utf8");
      texts.set(file, text);
      return text;
    };
    const stale = MUTANTS.flatMap(({ name, edits }) =>
      edits.flatMap(({ file, find }) => {
        const times = textOf(file).split(find).length - 1;
        return times === 1 ? [] : [`${name}: ${times} times in ${file}`];
      }),
    );
    expect(stale).toEqual([]);
  });

  test("no two have one name", () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });

  test.each(MUTANTS.filter(({ name }) => QUICK.has(name)))(
    "$name ($nodes)",
    async (mutant) => {
      const program = changedProgram(mutant);
      try {
        const quarry = { ...mutant, seedsMax: SEEDS_MAX, directory: program.directory };
        const { said, objection } = await hunt(quarry);
        expect({ said, objection }).toEqual({ said: expect.stringMatching(mutant.shows), objection: null });
      } finally {
        program.remove();
      }
    },
    TIMEOUT_MS,
  );
});
