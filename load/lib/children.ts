/**
 * Child processes that never outlive us: each is ended by its own pid, on failure and on Ctrl-C too. Their output is read
 * line by line (a child must never block on a full pipe) and the last lines are kept for error texts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { findProgram } from "./paths.js";

const TAIL_LINES = 20;
const live = new Set<Child>();
let hooked = false;
let signalsEndUs = true;

/** For a program that stops its children in its own way when it is told to end. Call it before the first child. */
export function handleSignalsYourself(): void {
  signalsEndUs = false;
}

/** Lets Ctrl-C and SIGTERM end the program by way of its "exit" handlers, the first of which ends all children. */
export function hookExit(): void {
  if (hooked) return;
  hooked = true;
  // Before the directories in which they write are removed, whoever came first.
  process.prependOnceListener("exit", () => {
    for (const child of live) child.signal("SIGKILL");
  });
  if (!signalsEndUs) return;
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
}

/** Whether servers and load can be kept on cores of their own: two cores and `taskset`. */
export function canPin(): boolean {
  return availableParallelism() >= 2 && findProgram("taskset") !== null;
}

export interface SpawnOptions {
  /** Core to pin to, worker threads included; left out, or without `taskset`: not pinned. */
  readonly cpu?: number | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Directory that it runs in; ours when left out. */
  readonly cwd?: string;
  /** In a process group of its own, so that Ctrl-C on the terminal reaches us alone. */
  readonly ownGroup?: boolean;
}

export class Child {
  readonly pid: number;
  /** Resolves with the exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #process: ChildProcess;
  readonly #name: string;
  readonly #tail: string[] = [];
  readonly #listeners = new Set<(line: string) => void>();
  #ended = false;

  private constructor(name: string, process: ChildProcess, pid: number) {
    this.#name = name;
    this.#process = process;
    this.pid = pid;
    live.add(this);
    this.exited = new Promise((resolve) => {
      process.once("close", (code) => {
        this.#ended = true;
        live.delete(this);
        resolve(code);
      });
    });
    for (const stream of [process.stdout, process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#heard(line));
    }
    // A write to a child that has just died: `exited` tells it.
    process.stdin?.on("error", () => undefined);
  }

  /** Starts a program. Rejects when it cannot be started at all. */
  static start(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<Child> {
    hookExit();
    const pin = options.cpu !== undefined && canPin();
    const program = pin ? "taskset" : command;
    const programArgs = pin ? ["-c", String(options.cpu), command, ...args] : args;
    const started = spawn(program, programArgs, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
      detached: options.ownGroup === true,
    });
    return new Promise((resolve, reject) => {
      started.once("error", reject);
      started.once("spawn", () => {
        if (started.pid !== undefined) resolve(new Child(command, started, started.pid));
      });
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The last lines that it printed. */
  get tail(): string {
    return this.#tail.join("\n");
  }

  /** Sends one line to its standard input. */
  write(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#ended) this.#process.kill(signal);
  }

  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The first line from now on that `match` makes something of. Rejects when the child ends or the time is over. */
  waitForLine<T>(match: (line: string) => T | undefined, timeoutMs: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        stop();
      };
      const fail = (why: string): void => {
        done();
        reject(new Error(`${this.#name}: ${why} before ${what}\n${this.tail}`));
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms were over`), timeoutMs);
      const stop = this.onLine((line) => {
        const found = match(line);
        if (found === undefined) return;
        done();
        resolve(found);
      });
      void this.exited.then((code) => fail(`ended with ${code ?? "a signal"}`));
    });
  }

  /** Asks it to end with `signal`, insists with SIGKILL after `timeoutMs`, and resolves when it is gone. */
  async stop(signal: NodeJS.Signals = "SIGTERM", timeoutMs = 12_000): Promise<number | null> {
    this.signal(signal);
    const timer = setTimeout(() => this.signal("SIGKILL"), timeoutMs);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }

  #heard(line: string): void {
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    for (const listener of this.#listeners) listener(line);
  }
}
