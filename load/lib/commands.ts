/** Programs of the system that a load program runs to the end: `ip`, `mount` and the like; and what must be undone at exit. */
import { execFile, execFileSync } from "node:child_process";
import { hookExit } from "./children.js";
import { findProgram } from "./paths.js";

/** Runs a program and resolves with what it printed. Rejects with its complaint. */
export function runCommand(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(findProgram(program) ?? program, args, (error, printed, complaint) => {
      if (error === null) resolve(printed);
      else reject(new Error(`${program} ${args.join(" ")}: ${complaint.trim() || error.message}`));
    });
  });
}

/** The programs that this machine lacks. */
export function missingPrograms(...names: readonly string[]): readonly string[] {
  return names.filter((name) => findProgram(name) === null);
}

/** Whether we may make namespaces and mounts. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

type Undo = readonly [program: string, ...args: string[]];

/** Commands that undo what was done, the last first: one after another when asked to, at once when the program ends before. */
export class UndoList {
  readonly #undos: Undo[] = [];
  readonly #atExit = (): void => {
    for (const [program, ...args] of this.#undos.splice(0).reverse()) {
      try {
        execFileSync(findProgram(program) ?? program, args, { stdio: "ignore" });
      } catch {
        // It may be gone with what was undone before it.
      }
    }
  };

  constructor() {
    hookExit();
    process.once("exit", this.#atExit);
  }

  push(...undo: Undo): void {
    this.#undos.push(undo);
  }

  /** Resolves with the complaints of those that failed. */
  async run(): Promise<readonly string[]> {
    process.removeListener("exit", this.#atExit);
    const complaints: string[] = [];
    for (const [program, ...args] of this.#undos.splice(0).reverse()) {
      await runCommand(program, ...args).catch((error: Error) => complaints.push(error.message));
    }
    return complaints;
  }
}
