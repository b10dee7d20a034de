/**
 * Command lines, for every command: `node:util` splits them into tokens, and what is wrong with one is said in one line
 * with the word that was probably meant.
 */
import { parseArgs } from "node:util";
import { ConfigError } from "../errors.js";
import { suggestion } from "./nearest.js";

/** What a flag takes: a switch takes nothing (or `=true`, `=false`), another its value. */
export interface FlagShape {
  readonly isSwitch: boolean;
}

/** One flag as it was given. A switch without a value is "true". */
export interface GivenFlag {
  /** Without dashes. */
  readonly name: string;
  readonly value: string;
}

/** A command line, taken apart. Flags are in the order given. */
export interface CommandLine {
  readonly flags: readonly GivenFlag[];
  readonly positionals: readonly string[];
  /** `--help` or `-h` was there; nothing else was checked. */
  readonly help: boolean;
}

/**
 * Takes `argv` (without program and command) apart. Throws `ConfigError` for a flag that `shapes` does not have and for one
 * without its value. After `--` everything is a positional.
 */
export function parseFlags(argv: readonly string[], shapes: ReadonlyMap<string, FlagShape>): CommandLine {
  const options = Object.fromEntries(
    [...shapes].map(([name, { isSwitch }]) => [name, { type: isSwitch ? "boolean" : "string" } as const]),
  );
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const help = tokens.some((token) => token.kind === "option" && ["help", "h"].includes(token.name));
  if (help) return { flags: [], positionals: [], help };

  const flags: GivenFlag[] = [];
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind === "option") flags.push(givenFlag(token, shapes));
  }
  return { flags, positionals, help };
}

interface OptionToken {
  readonly name: string;
  /** With its dashes. */
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function givenFlag(token: OptionToken, shapes: ReadonlyMap<string, FlagShape>): GivenFlag {
  const { name, rawName, value, inlineValue } = token;
  const shape = shapes.get(name);
  if (shape === undefined || !rawName.startsWith("--")) {
    const known = [...shapes.keys()].map((word) => `--${word}`);
    throw new ConfigError(`unknown flag ${rawName}${suggestion(rawName, known)}`);
  }
  if (shape.isSwitch) return { name, value: value ?? "true" };
  const looksLikeFlag = inlineValue !== true && value !== undefined && /^--?[a-z]/i.test(value);
  if (value === undefined || looksLikeFlag) throw new ConfigError(`flag ${rawName}: needs a value`);
  return { name, value };
}
