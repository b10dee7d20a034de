/** The node under test as a real process: the built command, free ports of 127.0.0.1, a data directory of its own. */
import { Child } from "./children.js";
import { builtFile } from "./paths.js";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Server {
  readonly child: Child;
  readonly http: Address;
  readonly mqtt: Address;
  /** From spawn to the ready line, milliseconds. */
  readonly readyMs: number;
}

export interface ServerOptions {
  readonly dataDir: string;
  /** 0, the default, picks a free one. */
  readonly httpPort?: number;
  readonly mqttPort?: number;
  readonly cpu?: number | undefined;
  /** Options of Node itself, `--cpu-prof` for example. */
  readonly nodeArgs?: readonly string[];
  /** More flags of `jangada serve`. */
  readonly flags?: readonly string[];
  readonly readyTimeoutMs?: number;
  /** The built file that Node runs, told `serve` and the flags; the product's own when left out. */
  readonly program?: string | undefined;
  /** A program that runs the node, with its own arguments: `ip netns exec NAME`. */
  readonly launcher?: readonly string[];
  /** Hears every line that it prints. */
  readonly onLine?: (line: string) => void;
}

function parseAddress(value: unknown): Address {
  const text = String(value);
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port)) throw new Error(`the ready line has no host:port but "${text}"`);
  return { host: text.slice(0, colon), port };
}

function readyFields(line: string): Record<string, unknown> | undefined {
  if (!line.includes('"ready"')) return undefined;
  try {
    const fields = JSON.parse(line) as Record<string, unknown>;
    return fields["msg"] === "ready" ? fields : undefined;
  } catch {
    return undefined;
  }
}

/** Starts `jangada serve` and waits until it takes traffic. One that does not is ended. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const startedAt = performance.now();
  const child = await spawnServer(options);
  try {
    const fields = await child.waitForLine(readyFields, options.readyTimeoutMs ?? 60_000, "its ready line");
    const readyMs = performance.now() - startedAt;
    return { child, readyMs, http: parseAddress(fields["http"]), mqtt: parseAddress(fields["mqtt"]) };
  } catch (error) {
    await child.stop("SIGKILL");
    throw error;
  }
}

/** Starts it and waits for nothing: for a node that is expected to refuse, or to wait for others. */
export async function spawnServer(options: ServerOptions): Promise<Child> {
  const [program, ...args] = [
    ...(options.launcher ?? []),
    process.execPath,
    ...(options.nodeArgs ?? []),
    options.program ?? builtFile("src", "cli", "jangada.js"),
    "serve",
    ...["--mqtt-port", String(options.mqttPort ?? 0)],
    ...["--http-port", String(options.httpPort ?? 0)],
    ...["--data-dir", options.dataDir],
    ...(options.flags ?? []),
  ];
  const child = await Child.start(program ?? process.execPath, args, { cpu: options.cpu });
  if (options.onLine !== undefined) child.onLine(options.onLine);
  return child;
}
