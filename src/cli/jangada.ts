#!/usr/bin/env node
/** The program: finds the command, runs it, and turns what it throws into one line and an exit code. */
import { ConfigError } from "../errors.js";
import { version } from "../runtime/version.js";
import { ClientFailure } from "./failure.js";
import { commandNamed, help } from "./help.js";
import { endQuietlyOnBrokenPipe, note } from "./output.js";

/** 0: done; 1: it failed; 2: it was asked wrongly. */
async function main(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined || word === "--help" || word === "-h") return help([]);
  if (word === "--version" || word === "-v" || word === "version") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (word === "help") return help(rest);
  const command = commandNamed(word);
  const asksForHelp = rest.slice(0, endOfFlags(rest)).some((flag) => flag === "--help" || flag === "-h");
  return asksForHelp ? help([word]) : await command.run(rest);
}

function endOfFlags(argv: readonly string[]): number {
  const end = argv.indexOf("--");
  return end === -1 ? argv.length : end;
}

function failed(error: unknown): number {
  if (error instanceof ConfigError) {
    note(error.message);
    return 2;
  }
  if (error instanceof ClientFailure) note(`${error.code}: ${error.message}`);
  else note(`internal: ${error instanceof Error ? error.message.replaceAll("\n", " ") : String(error)}`);
  return 1;
}

endQuietlyOnBrokenPipe();
process.exit(await main(process.argv.slice(2)).catch(failed));
