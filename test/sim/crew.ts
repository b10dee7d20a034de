/**
 * Many seeds over several processes. A process that dies over a seed, or does not come back from it, is a broken rule of that seed;
 * another one takes its place.
 */
import { type ChildProcess, fork } from "node:child_process";
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
  return { seed, nodes, violation, digest: "", simulatedMs: 0, counts: NO_COUNTS, faults: {} };
}

function hired(): ChildProcess {
  return fork(join(import.meta.dirname, "worker.js"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
}

/** One seed on one process; `null` stands for a process that is of no more use. */
function answer(worker: ChildProcess, assignment: Assignment): Promise<Outcome> {
  return new Promise((resolve) => {
    const over = (outcome: Outcome): void => {
      clearTimeout(hang);
      worker.removeAllListeners();
      resolve(outcome);
    };
    const lost = (how: string): void => over({ result: broken(assignment, how), cpuMs: 0 });
    const hang = setTimeout(() => {
      worker.kill("SIGKILL");
      lost(`hangs: no answer within ${HANG_MS / 1_000} s`);
    }, HANG_MS);
    worker.once("message", (outcome: Outcome) => over(outcome));
    worker.once("exit", (code, signal) => lost(`its process ended with ${code ?? signal}`));
    worker.send(assignment);
  });
}

/** Resolves when there is nothing left to assign and all is answered. */
export async function runCrew({ assignments, processes, onOutcome }: CrewOptions): Promise<void> {
  const work = async (): Promise<void> => {
    let worker: ChildProcess | null = null;
    for (let next = assignments.next(); !next.done; next = assignments.next()) {
      worker ??= hired();
      const outcome = await answer(worker, next.value);
      onOutcome(next.value, outcome);
      if (!worker.connected || worker.killed) worker = null;
    }
    worker?.disconnect();
  };
  await Promise.all(Array.from({ length: processes }, work));
}
