/** What is asked of the simulator on its command line, and how it is asked for the same again. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { numberOf } from "../support/command-line.js";
import type { Length, Size } from "./profile.js";
import type { Mode, RunOptions } from "./simulation.js";

export const SIZES: readonly Size[] = [1, 3, 5];
const MODES: readonly Mode[] = ["both", "safety", "liveness"];

export interface Request {
  readonly first: number;
  readonly seeds: number;
  /** `null` for the mix. */
  readonly nodes: Size | null;
  readonly length: Length;
  readonly mode: Mode;
  readonly jobs: number;
  readonly isRecorded: boolean;
  /** One seed is run here, and its story told. */
  readonly isOne: boolean;
  readonly trace: boolean;
  readonly shrink: boolean;
  /** A schedule that was made smaller. */
  readonly replay: RunOptions | null;
}

/** `null` when help is wanted. Throws for what cannot be done. */
export function requestOf(args?: readonly string[]): Request | null {
  const { values } = parseArgs({
    args: args === undefined ? undefined : [...args],
    options: {
      seeds: { type: "string", default: "100" },
      first: { type: "string", default: "1" },
      seed: { type: "string" },
      nodes: { type: "string" },
      short: { type: "boolean", default: false },
      mode: { type: "string", default: "both" },
      jobs: { type: "string", default: String(availableParallelism()) },
      record: { type: "boolean", default: false },
      trace: { type: "boolean", default: false },
      shrink: { type: "boolean", default: false },
      replay: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const nodes = SIZES.find((known) => String(known) === values.nodes) ?? null;
  if (values.nodes !== undefined && nodes === null) throw new Error("--nodes takes 1, 3 or 5");
  const replay: RunOptions | null = values.replay === undefined ? null : JSON.parse(values.replay);
  const mode = MODES.find((known) => known === values.mode);
  if (mode === undefined) throw new Error(`--mode takes ${MODES.join(", ")}`);
  // Seeds are counted as seeds, and a short one is a small part of a long one.
  if (values.short && values.record) throw new Error("--record keeps long runs alone: leave --short away");
  const isOne = values.seed !== undefined || replay !== null;
  return {
    first: numberOf(values.seed ?? values.first, values.seed === undefined ? "first" : "seed"),
    seeds: isOne ? 1 : numberOf(values.seeds, "seeds"),
    nodes,
    length: values.short ? "short" : "long",
    mode,
    jobs: Math.max(1, numberOf(values.jobs, "jobs")),
    isRecorded: values.record,
    isOne,
    trace: values.trace,
    shrink: values.shrink,
    replay,
  };
}

/** As one would type it again. */
export function commandOf({ seeds, first, nodes, length, mode }: Request): string {
  const size = nodes === null ? "" : ` --nodes ${nodes}`;
  const short = length === "short" ? " --short" : "";
  const part = mode === "both" ? "" : ` --mode ${mode}`;
  return `npm run sim -- --seeds ${seeds} --first ${first}${size}${short}${part}`;
}
