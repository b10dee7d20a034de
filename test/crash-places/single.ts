/**
 * One node: founded on an empty directory, or started on one that has seen much, with an aim and under load until it dies there; then the
 * product's own program is started on what is left, and everything is checked from outside.
 */
import { checkStore, type Stored, type Violation } from "../../load/crash/checker.js";
import { History } from "../../load/crash/history.js";
import { batchPublisher, httpPublisher, mqttPublisher, type Publisher } from "../../load/crash/publishers.js";
import { readStored } from "../../load/crash/stored.js";
import { HttpConnection } from "../../load/lib/http-client.js";
import { type Server, type ServerOptions, startServer } from "../../load/lib/server.js";
import { type Aim, isCrash, launcherOf, passedIn, program } from "./armed.js";

const TOPICS = ["crash/a", "crash/b", "crash/c/deep/er", "crash/praça"];
const LOAD_MS_MAX = 6_000;
const AFTERWARDS_MS = 50;

export interface RoundReport {
  /** Whether it died at its point. */
  readonly hit: boolean;
  readonly acknowledged: number;
  readonly violations: readonly Violation[];
}

/** A directory with its history: rounds may follow each other on it. */
export class SingleNode {
  readonly #dataDir: string;
  readonly #history = new History();
  readonly #publishers: readonly Publisher[] = [
    ...[0, 1, 2, 3, 4, 5].map((at) => httpPublisher(`http-${at}`, at)),
    ...[0, 1].map((at) => batchPublisher(`batch-${at}`, at, 10)),
    ...[0, 1].map((at) => mqttPublisher(`mqtt-${at}`, at, 20)),
  ];

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** Runs to the point and beyond; `ordinal` counts from the start of the process. */
  async crashAt(aim: Aim): Promise<RoundReport> {
    let hit = false;
    const violations: Violation[] = [];
    try {
      await this.#run(aim, LOAD_MS_MAX, (line) => {
        hit ||= isCrash(line);
      });
      violations.push(...(await this.#check()));
    } catch (error) {
      // A node that does not come back, or cannot be read, is what is looked for: no reason to end the campaign.
      violations.push({ kind: "stuck", detail: textOf(error) });
    }
    return { hit, violations, acknowledged: this.#history.acknowledgedCount };
  }

  /** The points that a life of `loadMs` under load passes. */
  async passedPoints(loadMs: number): Promise<ReadonlySet<string>> {
    const points = new Set<string>();
    await this.#run(null, loadMs, (line) => {
      const point = passedIn(line);
      if (point !== null) points.add(point);
    });
    return points;
  }

  #options(): ServerOptions {
    return { dataDir: this.#dataDir, flags: ["--single-node"] };
  }

  async #run(aim: Aim | null, loadMs: number, onLine: (line: string) => void): Promise<void> {
    const options = { ...this.#options(), program: program(), launcher: launcherOf(aim), onLine };
    let crashedEarly = false;
    const hear = (line: string): void => {
      crashedEarly ||= isCrash(line);
      onLine(line);
    };
    let server: Server;
    try {
      server = await startServer({ ...options, onLine: hear });
    } catch (error) {
      if (crashedEarly) return;
      throw error;
    }
    let code: number | null = null;
    try {
      await this.#publish(server, loadMs);
    } finally {
      code = await server.child.stop("SIGKILL");
    }
    if (code !== null) throw new Error(`under load it ended with ${code}\n${server.child.tail}`);
  }

  async #publish(server: Server, loadMs: number): Promise<void> {
    const end = performance.now() + loadMs;
    const goOn = (): boolean => !server.child.ended && performance.now() < end;
    const plan = { history: this.#history, topics: TOPICS, goOn };
    await Promise.all(this.#publishers.map((publisher) => publisher.run(server, plan)));
  }

  /** On the product's own program: what is there, and that it takes more. */
  async #check(): Promise<readonly Violation[]> {
    const server = await startServer(this.#options());
    const connection = new HttpConnection(server.http);
    try {
      const before = this.#history.acknowledgedCount;
      await this.#publish(server, AFTERWARDS_MS);
      const topics = new Map<string, Stored[]>();
      for (const topic of TOPICS) {
        const stored: Stored[] = [];
        topics.set(topic, stored);
        await readStored(connection, topic, stored);
      }
      const found = checkStore(this.#history, topics);
      if (this.#history.acknowledgedCount > before) return found;
      return [...found, { kind: "stuck", detail: "nothing is taken after the restart" }];
    } catch (error) {
      throw new Error(`after the restart: ${textOf(error)}\n${server.child.tail}`);
    } finally {
      connection.close();
      await server.child.stop("SIGKILL");
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
