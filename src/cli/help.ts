/** The list of commands, and help on them. */
import { suggestion } from "../config/nearest.js";
import { ConfigError } from "../errors.js";
import { cluster } from "./cluster.js";
import type { CliCommand } from "./command.js";
import { pub } from "./pub.js";
import { serve } from "./serve.js";
import { sessions } from "./sessions.js";
import { sub } from "./sub.js";
import { topics } from "./topics.js";

/** Every command, in the order of help. */
const COMMANDS: readonly CliCommand[] = [serve, pub, sub, topics, sessions, cluster];

/** Throws `ConfigError` with the nearest word. */
export function commandNamed(word: string): CliCommand {
  const command = COMMANDS.find(({ name }) => name === word);
  if (command !== undefined) return command;
  const names = [...COMMANDS.map(({ name }) => name), "help", "version"];
  const what = word.startsWith("-") ? "flag" : "command";
  throw new ConfigError(
    `unknown ${what} ${JSON.stringify(word)}${suggestion(word, names)} (jangada --help lists them)`,
  );
}

/** Prints help on the program or on one command; the exit code is 0. */
export function help(words: readonly string[]): number {
  const [word] = words;
  process.stdout.write(word === undefined ? programHelp() : commandHelp(commandNamed(word)));
  return 0;
}

function commandHelp({ usage, summary, details }: CliCommand): string {
  return `jangada ${usage}\n\n${summary}\n\n${details()}\n`;
}

function programHelp(): string {
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length)) + 2;
  const list = COMMANDS.map(({ usage, summary }) => `  jangada ${usage.padEnd(width)}${summary}`);
  return [
    "jangada: a Raft-replicated topic broker over MQTT and HTTP",
    "",
    ...list,
    `  jangada ${"help COMMAND".padEnd(width)}flags of a command`,
    `  jangada ${"--version".padEnd(width)}the version`,
    "",
    "Exit codes: 0 done, 1 failed, 2 asked wrongly.",
    "",
  ].join("\n");
}
