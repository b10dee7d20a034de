/** A process of its own that runs one seed after the other, as it is told. */
import { cpuMsSince } from "./cpu.js";
import { PLANTS } from "./plants.js";
import { type RunOptions, type RunResult, run } from "./simulation.js";

/** What it is told to run. */
export interface Assignment extends Pick<RunOptions, "seed" | "nodes" | "length" | "mode" | "profile"> {
  /** A bug that is planted at a port, by its name. */
  readonly plant?: string;
}

/** What it answers. */
export interface Outcome {
  readonly result: RunResult;
  /** Of a processor: other things may go on beside it. */
  readonly cpuMs: number;
}

function optionsOf({ plant, ...options }: Assignment): RunOptions {
  if (plant === undefined) return options;
  const known = PLANTS.find(({ name }) => name === plant);
  if (known === undefined) throw new Error(`no bug is called "${plant}"`);
  return { ...options, seams: known.seams };
}

process.on("message", (assignment: Assignment) => {
  const begun = process.cpuUsage();
  run(optionsOf(assignment)).then(
    (result) => process.send?.({ result, cpuMs: cpuMsSince(begun) } satisfies Outcome),
    (error: unknown) => {
      process.stderr.write(`seed ${assignment.seed}, nodes ${assignment.nodes}: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
