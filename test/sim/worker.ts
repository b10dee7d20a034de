/** A process of its own that runs one seed after the other, as it is told. */
import { cpuMsSince } from "./cpu.js";
import type { Length, Size } from "./profile.js";
import { type RunResult, run } from "./simulation.js";

/** What it is told to run. */
export interface Assignment {
  readonly seed: number;
  readonly nodes: Size;
  readonly length: Length;
}

/** What it answers. */
export interface Outcome {
  readonly result: RunResult;
  /** Of a processor: other things may go on beside it. */
  readonly cpuMs: number;
}

process.on("message", (assignment: Assignment) => {
  const begun = process.cpuUsage();
  run(assignment).then(
    (result) => process.send?.({ result, cpuMs: cpuMsSince(begun) } satisfies Outcome),
    (error: unknown) => {
      process.stderr.write(`seed ${assignment.seed}, nodes ${assignment.nodes}: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
