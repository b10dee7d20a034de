/** Commands of several words (`cluster add`, `sessions rm`): finds the word, and holds its arguments and flags against it. */
import { suggestion } from "../config/nearest.js";
import { ConfigError } from "../errors.js";

/** One word: its arguments, and what it does with them. */
export interface Verb<Given> {
  /** Names of the arguments; a name in brackets may be left out. */
  readonly takes: readonly string[];
  run(base: URL, args: readonly string[], given: Given): Promise<void>;
}

/** The words of a command, and flags that belong to some of them only. */
export interface Verbs<Given> {
  readonly command: string;
  readonly words: ReadonlyMap<string, Verb<Given>>;
  readonly onlyWith: Readonly<Record<string, readonly string[]>>;
}

/** The word that was asked for, with its arguments. Throws `ConfigError`. */
export function askedVerb<Given extends object>(
  { command, words, onlyWith }: Verbs<Given>,
  positionals: readonly string[],
  given: Given,
): { readonly verb: Verb<Given>; readonly args: readonly string[] } {
  const [word, ...args] = positionals;
  const known = [...words.keys()];
  if (word === undefined) throw new ConfigError(`${command} needs one of ${known.join(", ")}`);
  const verb = words.get(word);
  if (verb === undefined)
    throw new ConfigError(`unknown command ${command} ${word}${suggestion(word, known)}`);
  for (const flag of Object.keys(given)) {
    const owners: readonly string[] = onlyWith[flag] ?? [word];
    if (!owners.includes(word))
      throw new ConfigError(`flag --${flag}: only with ${command} ${owners.join(" or ")}`);
  }
  checkCount(`${command} ${word}`, verb.takes, args);
  return { verb, args };
}

function checkCount(command: string, takes: readonly string[], args: readonly string[]): void {
  const surplus = args[takes.length];
  if (surplus !== undefined) throw new ConfigError(`${command}: too many arguments: ${surplus}`);
  const missing = takes[args.length];
  if (missing !== undefined && !missing.startsWith("[")) {
    throw new ConfigError(`${command} needs ${takes.join(" ")}`);
  }
}
