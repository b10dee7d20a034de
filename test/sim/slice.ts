/** What the tests of the simulator share: short lives one after the other, and what they come to. */
import type { FaultKind } from "./fault-kind.js";
import type { Size } from "./profile.js";
import { type RunResult, run } from "./simulation.js";

/** A machine that has other things to do takes longer. */
export const SLICE_TIMEOUT_MS = 240_000;

/** Short lives, so many from a seed on. */
export async function runAll(nodes: Size, seeds: number, first = 1): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (let seed = first; seed < first + seeds; seed += 1)
    results.push(await run({ length: "short", seed, nodes }));
  return results;
}

/** What was broken, and by which seed. */
export function violations(results: readonly RunResult[]): string[] {
  return results.flatMap(({ seed, violation }) => (violation === null ? [] : [`seed ${seed}: ${violation}`]));
}

/** How often something went wrong on purpose in all of them. */
export function totalFaults(results: readonly RunResult[], kind: FaultKind): number {
  return results.reduce((sum, { faults }) => sum + (faults[kind] ?? 0), 0);
}

/** How often something was done in all of them. */
export function total(results: readonly RunResult[], what: keyof RunResult["counts"]): number {
  return results.reduce((sum, { counts }) => sum + counts[what], 0);
}
