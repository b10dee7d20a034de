/** Who is measured: each started fresh for every measurement, pinned to the server's core. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "../lib/children.js";
import { builtFile, findProgram } from "../lib/paths.js";
import { type Address, startServer } from "../lib/server.js";
import { accepts, freePort, removeDirectory, temporaryDirectory, waitUntil } from "../lib/support.js";

export const SERVER_CPU = 0;
export const LOAD_CPU = 1;

export interface Running {
  readonly child: Child;
  /** Null where it does not speak that protocol. */
  readonly http: Address | null;
  readonly mqtt: Address | null;
  stop(): Promise<void>;
}

export interface Contestant {
  readonly name: string;
  /** Why it cannot be measured here; null when it can. */
  readonly missing: string | null;
  start(): Promise<Running>;
}

/** The node under test with its default configuration: every commit is fsynced. `profileDir` gets a CPU profile of it. */
export function jangada(profileDir?: string): Contestant {
  const nodeArgs = profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
  return {
    name: "jangada",
    missing: null,
    async start() {
      const dataDir = temporaryDirectory("bench");
      const { child, http, mqtt } = await startServer({ dataDir, cpu: SERVER_CPU, nodeArgs });
      const stop = async (): Promise<void> => {
        // A profile is only written when the process ends by itself.
        await child.stop(profileDir === undefined ? "SIGKILL" : "SIGTERM", 20_000);
        removeDirectory(dataDir);
      };
      return { child, http, mqtt, stop };
    },
  };
}

/** A peer of ours in Node: prints a ready line with its address. */
function nodePeer(name: string, file: string, missing: string | null): Contestant {
  return {
    name,
    missing,
    async start() {
      const child = await Child.start(process.execPath, [builtFile("load", "peers", file)], {
        cpu: SERVER_CPU,
      });
      const ready = await child.waitForLine(
        (line) => (line.startsWith('{"msg":"ready"') ? (JSON.parse(line) as ReadyLine) : undefined),
        20_000,
        "its ready line",
      );
      const address = (value: string | undefined): Address | null =>
        value === undefined ? null : { host: "127.0.0.1", port: Number(value.split(":")[1]) };
      const stop = async (): Promise<void> => {
        await child.stop("SIGKILL");
      };
      return { child, http: address(ready.http), mqtt: address(ready.mqtt), stop };
    },
  };
}

interface ReadyLine {
  readonly http?: string;
  readonly mqtt?: string;
}

export function naive(): Contestant {
  return nodePeer("naive Node", "naive.js", null);
}

export function aedes(): Contestant {
  let missing: string | null = null;
  try {
    import.meta.resolve("aedes");
  } catch {
    missing = "not in node_modules";
  }
  return nodePeer("aedes", "aedes.js", missing);
}

/** No persistence, no limits on queues, no delay: mosquitto at its fastest. */
function mosquittoConfig(port: number): string {
  return [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "persistence false",
    "max_queued_messages 0",
    "max_inflight_messages 0",
    "log_dest none",
    "",
  ].join("\n");
}

/** `pinned`: to the server's core, as all are unless said otherwise. */
export function mosquitto({ pinned = true } = {}): Contestant {
  const program = findProgram("mosquitto");
  return {
    name: "mosquitto",
    missing: program === null ? "not installed" : null,
    async start() {
      const directory = temporaryDirectory("mosquitto");
      const file = join(directory, "mosquitto.conf");
      const port = await freePort();
      writeFileSync(file, mosquittoConfig(port));
      const child = await Child.start(program ?? "mosquitto", ["-c", file], {
        cpu: pinned ? SERVER_CPU : undefined,
      });
      if (!(await waitUntil(() => accepts(port), 10_000))) throw new Error(`mosquitto: ${child.tail}`);
      const stop = async (): Promise<void> => {
        await child.stop("SIGKILL");
        removeDirectory(directory);
      };
      return { child, http: null, mqtt: { host: "127.0.0.1", port }, stop };
    },
  };
}
