/** The container engine as a user drives it: `docker` and `docker compose` (or the older docker-compose), each call bounded in time. */
import { execFile } from "node:child_process";
import { findProgram, repositoryRoot } from "../lib/paths.js";

const COMPOSE_FILE = "docker-compose.cluster.yml";
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const COMMAND_TIMEOUT_MS = 60_000;

function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<string> {
  const options = {
    cwd: repositoryRoot(),
    env: { ...process.env, ...env },
    timeout: timeoutMs,
    maxBuffer: OUTPUT_BYTES_MAX,
  };
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout.trim());
      const why = stderr.trim() === "" ? error.message : stderr.trim().split("\n").slice(-5).join("\n");
      reject(new Error(`${program} ${args.join(" ")}: ${why}`));
    });
  });
}

export class Engine {
  readonly #compose: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #containers = new Map<string, string>();

  private constructor(compose: readonly string[], env: Readonly<Record<string, string>>) {
    this.#compose = compose;
    this.#env = env;
  }

  /** Finds an engine that answers. Throws with what is missing. */
  static async find(project: string, env: Readonly<Record<string, string>>): Promise<Engine> {
    if (findProgram("docker") === null) throw new Error("there is no docker on this machine");
    await run("docker", ["version"], {}, COMMAND_TIMEOUT_MS);
    const rest = ["--project-name", project, "--file", COMPOSE_FILE];
    const plugin = await run("docker", ["compose", "version"], {}, COMMAND_TIMEOUT_MS).then(
      () => true,
      () => false,
    );
    if (plugin) return new Engine(["docker", "compose", ...rest], env);
    if (findProgram("docker-compose") === null) throw new Error("there is no docker compose on this machine");
    return new Engine(["docker-compose", ...rest], env);
  }

  /** What answers: names and versions. */
  async describe(): Promise<string> {
    const version = await this.docker("version", "--format", "{{.Server.Version}}");
    const [program = "", ...args] = this.#compose.slice(0, -4);
    const compose = await run(program, [...args, "version", "--short"], {}, COMMAND_TIMEOUT_MS);
    return `engine ${version}, ${this.#compose.slice(0, -4).join(" ")} ${compose}`;
  }

  docker(...args: readonly string[]): Promise<string> {
    return run("docker", args, this.#env, COMMAND_TIMEOUT_MS);
  }

  compose(args: readonly string[], timeoutMs = COMMAND_TIMEOUT_MS): Promise<string> {
    const [program = "", ...rest] = this.#compose;
    return run(program, [...rest, ...args], this.#env, timeoutMs);
  }

  /** The container of a service, the stopped one too; it stays the same until everything is taken down. */
  async containerOf(service: string): Promise<string> {
    const known = this.#containers.get(service);
    if (known !== undefined) return known;
    const id = await this.compose(["ps", "--quiet", "--all", service]).catch(() =>
      this.compose(["ps", "--quiet", service]),
    );
    if (id === "") throw new Error(`${service} has no container`);
    const [container = ""] = id.split("\n");
    this.#containers.set(service, container);
    return container;
  }

  /** starting, healthy or unhealthy; the state of a container that does not run. */
  health(container: string): Promise<string> {
    const format = "{{if .State.Running}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}";
    return this.docker("inspect", "--format", format, container);
  }

  /** Runs JavaScript inside a container of the node's image; gives what it printed. */
  evaluate(container: string, script: string): Promise<string> {
    return this.docker("exec", container, "node", "--eval", script);
  }
}
