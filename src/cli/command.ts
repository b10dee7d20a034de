/** What every command of the program is, and how its own flags are read. */
import { checkValue } from "../config/check.js";
import { parseFlags } from "../config/flags.js";
import type { Kind } from "../config/kinds.js";

/** One command. */
export interface CliCommand {
  readonly name: string;
  /** The line after `jangada`, as help shows it. */
  readonly usage: string;
  /** One sentence, lower case, no full stop. */
  readonly summary: string;
  /** What follows usage and summary in the command's help. */
  details(): string;
  /** Does it; resolves with the exit code. Throws `ConfigError` (exit 2) and `ClientFailure` (exit 1). */
  run(argv: readonly string[]): Promise<number>;
}

/** A flag of a client command. */
export interface Option<Value> {
  readonly kind: Kind<Value>;
  readonly help: string;
}

/** The flags of a client command by name. */
export type Options = Readonly<Record<string, Option<unknown>>>;

/** What was given, checked; a flag that was not given is missing. */
export type Given<Table extends Options> = {
  readonly [Name in keyof Table]?: Table[Name] extends Option<infer Value> ? Value : never;
};

/** A command line of a client command. */
export interface Arguments<Table extends Options> {
  readonly options: Given<Table>;
  readonly positionals: readonly string[];
}

/** Reads a client command's flags by their table. Throws `ConfigError` with one line. */
export function readArguments<const Table extends Options>(
  argv: readonly string[],
  table: Table,
): Arguments<Table> {
  const shapes = Object.entries(table).map(
    ([name, { kind }]) => [name, { isSwitch: kind.placeholder === "" }] as const,
  );
  const { flags, positionals } = parseFlags(argv, new Map(shapes));
  const options: Record<string, unknown> = {};
  for (const { name, value } of flags) {
    const option = table[name];
    if (option !== undefined) options[name] = checkValue(option.kind, value, `flag --${name}`);
  }
  return { options: options as Given<Table>, positionals };
}

const FLAG_COLUMN = 26;

/** The flags as help shows them. */
export function optionsHelp(table: Options): string {
  return Object.entries(table)
    .map(([name, { kind, help }]) => `  --${name} ${kind.placeholder}`.padEnd(FLAG_COLUMN) + help)
    .join("\n");
}
