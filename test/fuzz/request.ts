/** What is asked of the fuzzer on its command line, and how it is asked for the same again. */
import { parseArgs } from "node:util";
import { numberOf } from "../support/command-line.js";
import type { TargetPlace } from "./target.js";
import { TARGETS } from "./targets.js";

/** What is wanted of a decoder before a release. */
const INPUTS = 2_000_000;

export interface Request {
  readonly places: readonly TargetPlace[];
  readonly inputs: number;
  /** Of each target; `null` for as long as it takes. */
  readonly seconds: number | null;
  readonly seed: number;
  readonly save: boolean;
  readonly record: boolean;
  readonly modules: boolean;
}

/** `null` when help is wanted. Where no seed is given it is one out of many: the same inputs again would find nothing more. */
export function requestOf(args?: readonly string[]): Request | null {
  const { values } = parseArgs({
    args: args === undefined ? undefined : [...args],
    options: {
      target: { type: "string", multiple: true },
      inputs: { type: "string", default: String(INPUTS) },
      seconds: { type: "string" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
      save: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      modules: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const { target: names, save, record, modules } = values;
  for (const name of names ?? []) {
    if (!TARGETS.some((place) => place.name === name)) throw new Error(`there is no target ${name}`);
  }
  return {
    places: TARGETS.filter(({ name }) => names === undefined || names.includes(name)),
    inputs: numberOf(values.inputs, "inputs"),
    seconds: values.seconds === undefined ? null : numberOf(values.seconds, "seconds"),
    seed: numberOf(values.seed, "seed"),
    save,
    record,
    modules,
  };
}

/** For one target alone: each is a run of its own. */
export function commandOf(target: string, { inputs, seconds, seed }: Request): string {
  const time = seconds === null ? "" : ` --seconds ${seconds}`;
  return `npm run fuzz -- --target ${target} --inputs ${inputs}${time} --seed ${seed}`;
}
