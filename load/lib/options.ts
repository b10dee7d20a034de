/** Command-line options of the load programs: numbers, number lists, words and switches with defaults. */
import { parseArgs } from "node:util";

export type OptionValue = string | boolean;

/** A bad option is one line and exit code 2, like the product's own. */
function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

/** The options given, by name; `switches` take no value. Anything else is refused. */
export class Options {
  readonly #values: Readonly<Record<string, OptionValue | undefined>>;

  /** `args`: of the command line, unless given. */
  constructor(names: readonly string[], switches: readonly string[] = [], args?: readonly string[]) {
    const options = Object.fromEntries([
      ...names.map((name) => [name, { type: "string" as const }] as const),
      ...switches.map((name) => [name, { type: "boolean" as const }] as const),
    ]);
    try {
      const given = args === undefined ? {} : { args: [...args] };
      this.#values = parseArgs({ options, strict: true, ...given }).values as Record<
        string,
        OptionValue | undefined
      >;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const known = Object.keys(options).map((name) => `--${name}`);
      refuse(`${reason}; the options are ${known.join(", ")}`);
    }
  }

  /** Those of `names` that were given, as one would type them behind `npm run NAME`; "" for none. */
  chosen(names: readonly string[]): string {
    const typed = this.chosenToo(names);
    return typed === "" ? "" : ` --${typed}`;
  }

  /** The same behind options that are always named. */
  chosenToo(names: readonly string[]): string {
    return names
      .filter((name) => this.has(name))
      .map((name) => ` --${name}${this.#values[name] === true ? "" : ` "${this.#values[name]}"`}`)
      .join("");
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  /** A number above 0 (or from 0, where `min` is 0). */
  number(name: string, fallback: number, min = 1): number {
    const given = this.#values[name];
    if (given === undefined) return fallback;
    const value = Number(given);
    if (!Number.isFinite(value) || value < min)
      refuse(`--${name} must be a number from ${min}, not "${given}"`);
    return value;
  }

  /** A text that is not empty. */
  text(name: string, fallback: string): string {
    const given = this.#values[name];
    if (given === undefined) return fallback;
    if (given === "") refuse(`--${name} must not be empty`);
    return String(given);
  }

  /** Numbers separated by commas. */
  numbers(name: string, fallback: readonly number[]): readonly number[] {
    const given = this.#values[name];
    if (given === undefined) return fallback;
    const values = String(given).split(",").map(Number);
    if (values.some((value) => !Number.isInteger(value) || value < 0)) {
      refuse(`--${name} must be whole numbers separated by commas, not "${given}"`);
    }
    return values;
  }

  /** Words of a known set, separated by commas. */
  words<Word extends string>(name: string, known: readonly Word[]): readonly Word[] {
    const given = this.#values[name];
    if (given === undefined) return known;
    return String(given)
      .split(",")
      .map((word) => known.find((one) => one === word) ?? refuse(`--${name}: ${known.join(", ")}`));
  }
}
