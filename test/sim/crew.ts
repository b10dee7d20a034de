/**
 * Many seeds over several processes. A process that dies over a seed, or does not come back from it, is a broken rule of that seed;
 * another one takes its place.
 */
import { type ChildProcess, fork, type StdioOptions } from "node:child_process";
import { join } from "node:path";
import type { RunResult } from "./simulation.js";
import type { Assignment, Outcome } from "./worker.js";
import { NO_COUNTS } from "./world.js";

/** Longer than any seed takes on a machine that has other things to do. */
const HANG_MS = 180_000;

export interface CrewOptions {
  readonly assignments: Iterator<Assignment>;
  readonly processes: number;
  readonly onOutcome: (assignment: Assignment, outcome: Outcome) => void;
}

function broken({ seed, nodes }: Assignment, violation: string): RunResult {
  return { seed, nodes, violation, digest: "", simulatedMs: 0, counts: NO_COUNTS, faults: {}, strokes: [] };
}

/** A process that runs seeds, one at a time. */
export class Worker {
  readonly #process: ChildProcess;
  readonly #hangMs: number;

  /** `directory`: of the built simulator; another than this one for a program that was changed. `hangMs`: what takes longer hangs. */
  constructor(directory = import.meta.dirname, hangMs = HANG_MS) {
    this.#hangMs = hangMs;
    const stdio: StdioOptions = ["ignore", "ignore", "inherit", "ipc"];
    this.#process = fork(join(directory, "worker.js"), { stdio, execArgv: [] });
  }

  /** Whether it can take another seed. */
  get isOfUse(): boolean {
    return this.#process.connected && !this.#process.killed;
  }

  run(assignment: Assignment): Promise<Outcome> {
    const worker = this.#process;
    return new Promise((resolve) => {
      const over = (outcome: Outcome): void => {
        clearTimeout(hang);
        worker.removeAllListeners();
        resolve(outcome);
      };
      const lost = (how: string): void => over({ result: broken(assignment, how), cpuMs: 0 });
      const hang = setTimeout(() => {
        worker.kill("SIGKILL");
        lost(`hangs: no answer within ${this.#hangMs / 1_000} s`);
      }, this.#hangMs);
      worker.once("message", (outcome: Outcome) => over(outcome));
      worker.once("exit", (code, signal) => lost(`its process ended with ${code ?? signal}`));
      worker.send(assignment);
    });
  }

  end(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}

/** Resolves when there is nothing left to assign and all is answered. */
export async function runCrew({ assignments, processes, onOutcome }: CrewOptions): Promise<void> {
  const work = async (): Promise<void> => {
    let worker: Worker | null = null;
    for (let next = assignments.next(); !next.done; next = assignments.next()) {
      worker ??= new Worker();
      const outcome = await worker.run(next.value);
      onOutcome(next.value, outcome);
      if (!worker.isOfUse) worker = null;
    }
    worker?.end();
  };
  await Promise.all(Array.from({ length: processes }, work));
}
