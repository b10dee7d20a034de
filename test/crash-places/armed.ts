/** Starting the node that kills itself (node.ts), and reading what it wrote of its points. */
import { withVariables } from "../../load/faults/tool-terrain.js";
import { builtFile } from "../../load/lib/paths.js";

/** Where a node is to die: the point, and at which passing of it, counted from its start. */
export interface Aim {
  readonly point: string;
  readonly ordinal: number;
}

export const program = (): string => builtFile("test", "crash-places", "node.js");

/** A launcher that arms the program; none when there is no aim. */
export function launcherOf(aim: Aim | null): readonly string[] {
  return aim === null ? [] : withVariables({ CRASH_AT: `${aim.ordinal} ${aim.point}` });
}

const PASSED = "passed: ";
const CRASHED = "crashed: ";

/** The point that an unarmed node says it passed for the first time; null for any other line. */
export function passedIn(line: string): string | null {
  return line.startsWith(PASSED) ? line.slice(PASSED.length) : null;
}

export function isCrash(line: string): boolean {
  return line.startsWith(CRASHED);
}
