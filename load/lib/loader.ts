/**
 * Load comes from processes of their own, so that it can be pinned away from the server: they take commands as JSON lines
 * on standard input and answer each with one JSON line. They end when their input does, so none outlives its parent.
 */
import { createInterface } from "node:readline";
import { Child } from "./children.js";
import { builtFile } from "./paths.js";

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

function parseAnswer(line: string): Answer | undefined {
  if (!line.startsWith('{"id":')) return undefined;
  return JSON.parse(line) as Answer;
}

/** The parent's end. */
export class Loader {
  readonly child: Child;
  #lastId = 0;

  private constructor(child: Child) {
    this.child = child;
  }

  /** Starts `dist/load/loaders/<name>.js`, pinned to `cpu` where that is possible. */
  static async start(name: string, cpu?: number): Promise<Loader> {
    const file = builtFile("load", "loaders", `${name}.js`);
    return new Loader(await Child.start(process.execPath, [file], { cpu }));
  }

  /** Runs a command there; `Result` is what that loader documents for it. Rejects with the loader's own error. */
  async ask<Result>(command: string, args: object = {}, timeoutMs = 30_000): Promise<Result> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answered = this.child.waitForLine(
      (line) => {
        const answer = parseAnswer(line);
        return answer?.id === id ? answer : undefined;
      },
      timeoutMs,
      `answering "${command}"`,
    );
    this.child.write(JSON.stringify({ id, command, args }));
    const answer = await answered;
    if (answer.error !== undefined) throw new Error(`${command}: ${answer.error}`);
    return answer.result as Result;
  }

  stop(): Promise<number | null> {
    return this.child.stop("SIGKILL");
  }
}

/** The child's end: answers commands until standard input ends. */
export function serveCommands(handlers: Readonly<Record<string, (args: never) => unknown>>): void {
  const answer = (line: Answer): void => {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  const run = async (text: string): Promise<void> => {
    const { id, command, args } = JSON.parse(text) as { id: number; command: string; args: never };
    try {
      const handler = handlers[command];
      if (handler === undefined) throw new Error("no such command");
      answer({ id, result: (await handler(args)) ?? null });
    } catch (error) {
      answer({ id, error: error instanceof Error ? error.message : String(error) });
    }
  };
  const input = createInterface({ input: process.stdin });
  input.on("line", (line) => void run(line));
  input.on("close", () => process.exit(0));
}
