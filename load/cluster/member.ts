/** One node of the cluster on this machine: its process, its log file, and what it said when it was last asked. */
import { createWriteStream, type WriteStream } from "node:fs";
import { Child } from "../lib/children.js";
import { builtFile } from "../lib/paths.js";
import type { Deed } from "./keys.js";
import { type GroupView, parseGroup, parseTraffic } from "./node-status.js";
import { HOST, type PlannedNode } from "./plan.js";
import { type NodeStatus, type ProcessState, warningIn } from "./status-lines.js";

const ASK_TIMEOUT_MS = 900;
const UNKNOWN: GroupView = {
  role: "?",
  term: Number.NaN,
  commitIndex: Number.NaN,
  appliedIndex: Number.NaN,
};

interface Sample {
  readonly atMs: number;
  readonly messagesIn: number;
  readonly connections: number;
}

export class Member {
  readonly plan: PlannedNode;
  readonly #log: WriteStream;
  #child: Child | null = null;
  #process: ProcessState = "starting";
  #exitCode: number | null = null;
  #group = UNKNOWN;
  #sample: Sample | null = null;
  #perSecond = Number.NaN;
  #lastWarning = "";

  /** Its log lines go to `logFile`, which begins anew. */
  constructor(plan: PlannedNode, logFile: string) {
    this.plan = plan;
    this.#log = createWriteStream(logFile, { flags: "w", mode: 0o600 });
  }

  /** Whether there is a process. */
  get isAlive(): boolean {
    return this.#child !== null && !this.#child.ended;
  }

  /** Resolves when the process that runs now has ended. */
  get exited(): Promise<unknown> {
    return this.#child?.exited ?? Promise.resolve();
  }

  async start(): Promise<void> {
    if (this.isAlive) return;
    this.#process = "starting";
    this.#lastWarning = "";
    const args = [builtFile("src", "cli", "jangada.js"), "serve", ...this.plan.flags];
    const child = await Child.start(process.execPath, args, { ownGroup: true });
    this.#child = child;
    child.onLine((line) => {
      this.#log.write(`${line}\n`);
      this.#lastWarning = warningIn(line) ?? this.#lastWarning;
    });
    void child.exited.then((code) => {
      this.#process = "dead";
      this.#exitCode = code;
      this.#forget();
    });
  }

  async carryOut(deed: Deed): Promise<void> {
    if (deed === "start") await this.start();
    else if (deed === "kill") this.#child?.signal("SIGKILL");
    else if (deed === "stop") await this.stop();
    else if (this.isAlive) {
      const isPaused = this.#process === "paused";
      this.#child?.signal(isPaused ? "SIGCONT" : "SIGSTOP");
      this.#process = isPaused ? "silent" : "paused";
    }
  }

  /** Stops it by SIGTERM and waits for its end. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.ended) return;
    this.#process = "stopping";
    child.signal("SIGCONT");
    await child.stop("SIGTERM");
  }

  /** Asks the node how it is. Never rejects: a node that does not answer in time is silent. */
  async ask(): Promise<void> {
    if (!this.isAlive || this.#process === "paused") return this.#forget();
    try {
      const [group, metrics] = await Promise.all([
        this.#get("/cluster?consistency=local"),
        this.#get("/metrics"),
      ]);
      this.#group = parseGroup(group);
      this.#count(metrics);
      this.#becomes("up");
    } catch {
      this.#forget();
      if (this.#process === "up") this.#becomes("silent");
    }
  }

  status(): NodeStatus {
    return {
      id: this.plan.id,
      process: this.#process,
      exitCode: this.#exitCode,
      ...this.#group,
      messagesInPerSecond: this.#perSecond,
      connections: this.#sample?.connections ?? Number.NaN,
      mqtt: `${HOST}:${this.plan.mqttPort}`,
      http: `${HOST}:${this.plan.httpPort}`,
      lastWarning: this.#lastWarning,
    };
  }

  /** What somebody decided meanwhile (pause, stop) or what happened (death) stays. */
  #becomes(state: ProcessState): void {
    if (this.#process === "starting" || this.#process === "up" || this.#process === "silent")
      this.#process = state;
  }

  #count(metrics: string): void {
    const now = { atMs: performance.now(), ...parseTraffic(metrics) };
    const before = this.#sample;
    if (before !== null) {
      const seconds = (now.atMs - before.atMs) / 1000;
      this.#perSecond = Math.max(0, now.messagesIn - before.messagesIn) / seconds;
    }
    this.#sample = now;
  }

  #forget(): void {
    this.#group = UNKNOWN;
    this.#sample = null;
    this.#perSecond = Number.NaN;
  }

  async #get(path: string): Promise<string> {
    const url = `http://${HOST}:${this.plan.httpPort}${path}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return await answer.text();
  }
}
