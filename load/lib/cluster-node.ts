/** One node of a cluster under test: a real process in its place, started, killed, paused and asked from outside. */
import { appendFileSync } from "node:fs";
import type { Child } from "./children.js";
import { HttpConnection } from "./http-client.js";
import { type Address, type Server, type ServerOptions, spawnServer, startServer } from "./server.js";
import type { Place } from "./terrain.js";

/** `GET /cluster`. */
export interface ClusterStatus {
  readonly nodeId: string;
  readonly leaderId: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly members: readonly {
    readonly id: string;
    readonly role: "leader" | "voter" | "learner";
    readonly peer: string | null;
    readonly alive: boolean;
    readonly matchIndex: number;
  }[];
}

const STATUS_TIMEOUT_MS = 2_000;
const START_TIMEOUT_MS = 60_000;

export class ClusterNode {
  readonly id: number;
  readonly place: Place;
  readonly #flags: readonly string[];
  readonly #nodeArgs: readonly string[];
  #server: Server | undefined;
  #paused = false;

  /** `flags` are those of membership (who founds, whom to join) and of the test, `nodeArgs` those of Node itself. */
  constructor(id: number, place: Place, flags: readonly string[], nodeArgs: readonly string[] = []) {
    this.id = id;
    this.place = place;
    this.#flags = flags;
    this.#nodeArgs = nodeArgs;
  }

  get http(): Address {
    return this.place.http;
  }

  get mqtt(): Address {
    return this.place.mqtt;
  }

  /** It is started with `--join`, and was no founder. */
  get joins(): boolean {
    return this.#flags.includes("--join");
  }

  /** Throws when it is not running. */
  get child(): Child {
    if (this.#server === undefined) throw new Error(`node ${this.id} is not running`);
    return this.#server.child;
  }

  /** Resolves when it has ended, or at once; null when a signal ended it, or it never ran. */
  exitCode(): Promise<number | null> {
    return this.#server?.child.exited ?? Promise.resolve(null);
  }

  get running(): boolean {
    return this.#server !== undefined && !this.#server.child.ended;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** From spawn to the ready line, of the last start. */
  get readyMs(): number {
    return this.#server?.readyMs ?? Number.NaN;
  }

  #options(): ServerOptions {
    const { http, mqtt, peer, advertised, launcher, program, dataDir, logFile } = this.place;
    const advertise = `${advertised.host}:${advertised.port}`;
    const flags = [
      ...["--node-id", String(this.id)],
      ...["--peer-host", peer.host],
      ...["--peer-port", String(peer.port)],
      ...(advertised === peer ? [] : ["--peer-advertise", advertise]),
      ...this.place.flags,
      ...this.#flags,
    ];
    return {
      dataDir,
      httpPort: http.port,
      mqttPort: mqtt.port,
      launcher,
      program,
      nodeArgs: this.#nodeArgs,
      flags,
      onLine: (line) => appendFileSync(logFile, `${line}\n`),
    };
  }

  /** Starts it, for the first time or again, and waits for its ready line. */
  async start(readyTimeoutMs = START_TIMEOUT_MS): Promise<void> {
    this.#server = await startServer({ ...this.#options(), readyTimeoutMs });
  }

  /** Starts it and leaves it to its fate: for one that has to refuse. */
  spawn(): Promise<Child> {
    return spawnServer(this.#options());
  }

  async kill(): Promise<void> {
    this.#paused = false;
    await this.#server?.child.stop("SIGKILL");
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    return this.child.stop("SIGTERM");
  }

  pause(): void {
    this.#paused = true;
    this.child.signal("SIGSTOP");
  }

  resume(): void {
    this.#paused = false;
    this.child.signal("SIGCONT");
  }

  /** What it says of itself without asking others; null when it does not answer in time. */
  async status(): Promise<ClusterStatus | null> {
    if (!this.running || this.#paused) return null;
    const connection = new HttpConnection(this.http, STATUS_TIMEOUT_MS);
    try {
      const answer = await connection.ask("GET", "/cluster?consistency=local");
      return answer.status === 200 ? (JSON.parse(answer.body) as ClusterStatus) : null;
    } catch {
      return null;
    } finally {
      connection.close();
    }
  }
}
