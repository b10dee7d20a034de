/**
 * `npm run sim:mutants [-- --only TEXT] [--jobs J] [--seeds-max N] [--record]`: every planted bug is hunted until the simulator sees it. Ends
 * with 1 when one was not found, or not as what it is.
 */
import { availableParallelism } from "node:os";
import { Options } from "../../../load/lib/options.js";
import { runMain } from "../../../load/lib/support.js";
import { currentCommit, recordRun } from "../../../load/reliability/record.js";
import { PLANTS } from "../plants.js";
import { type ChangedProgram, changedProgram } from "./changed-program.js";
import { type Finding, hunt, type Quarry } from "./hunt.js";
import type { Mutant } from "./mutant.js";
import { MUTANTS } from "./mutants.js";

const PLANT_SEEDS_MAX = 100;

interface Found extends Finding {
  readonly quarry: Omit<Quarry, "directory">;
  readonly seconds: number;
}

/** What is hunted, and how it is begun: a program is changed when its turn comes. */
type Task = readonly [Omit<Quarry, "directory">, () => ChangedProgram | null];

function tasks(only: string, seedsMax: number | null): Task[] {
  const ofPorts = PLANTS.map(
    ({ name, nodes, shows }): Task => [
      {
        name,
        rule: "at a port of the simulator",
        nodes,
        length: "short",
        firstSeed: 1,
        seedsMax: seedsMax ?? PLANT_SEEDS_MAX,
        shows,
        plant: name,
      },
      () => null,
    ],
  );
  const ofPrograms = MUTANTS.map(
    (mutant: Mutant): Task => [
      { ...mutant, seedsMax: seedsMax ?? mutant.seedsMax },
      () => changedProgram(mutant),
    ],
  );
  const all = [...ofPrograms, ...ofPorts].filter(([{ name }]) => name.includes(only));
  // Those that may take long come last: by then it is known whether the others are found.
  return all.sort(([one], [other]) => one.seedsMax - other.seedsMax);
}

async function found([quarry, prepare]: Task): Promise<Found> {
  const begunMs = performance.now();
  const program = prepare();
  try {
    const finding = await hunt(program === null ? quarry : { ...quarry, directory: program.directory });
    return { ...finding, quarry, seconds: (performance.now() - begunMs) / 1_000 };
  } finally {
    program?.remove();
  }
}

function lineOf({ quarry, seeds, said, objection, seconds }: Found): string {
  const verdict = objection === null ? "found" : `NOT FOUND (${objection})`;
  return `${verdict} after ${seeds} of ${quarry.seedsMax} seeds, ${seconds.toFixed(0)} s, ${quarry.nodes} nodes: ${quarry.name}\n    ${said ?? "-"}`;
}

async function main(): Promise<number> {
  const given = new Options(["only", "jobs", "seeds-max"], ["record"]);
  const [begunMs, commit] = [performance.now(), given.has("record") ? currentCommit() : ""];
  const only = given.has("only") ? given.text("only", "") : "";
  const seedsMax = given.has("seeds-max") ? given.number("seeds-max", 1) : null;
  const waiting = tasks(only, seedsMax);
  const all: Found[] = [];
  const work = async (): Promise<void> => {
    for (let task = waiting.shift(); task !== undefined; task = waiting.shift()) {
      const one = await found(task);
      all.push(one);
      process.stdout.write(`${lineOf(one)}\n`);
    }
  };
  await Promise.all(Array.from({ length: given.number("jobs", availableParallelism()) }, work));
  const missed = all.filter(({ objection }) => objection !== null);
  process.stdout.write(`${all.length} planted bugs, ${missed.length} not found\n`);
  if (given.has("record")) {
    const rows = all.map(({ quarry, seeds, said, objection }) => ({
      name: quarry.name,
      rounds: seeds,
      violations: objection === null ? 0 : 1,
      figures: {
        rule: quarry.rule,
        nodes: quarry.nodes,
        "first seed": quarry.firstSeed,
        "seeds at most": quarry.seedsMax,
        said: said ?? "-",
      },
    }));
    const chosen = given.chosen(["only", "seeds-max"]);
    recordRun("mutants", {
      command: `npm run sim:mutants${chosen}`,
      commit,
      seconds: (performance.now() - begunMs) / 1_000,
      rows,
    });
  }
  return all.length > 0 && missed.length === 0 ? 0 : 1;
}

runMain(main);
