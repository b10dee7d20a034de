/**
 * Runs a test file of MQTT.js (`gateway.js FILE`, in the checkout's directory): the server that the tests build for themselves is replaced by one that
 * passes every connection on to a broker, and each test is written down as a JSON line: where it is, how it ended, and whether its
 * client has spoken to the broker.
 */
import { writeSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import mqtt from "mqtt";
import type { Address } from "../../lib/server.js";
import type { TestLine } from "./lines.js";
import { Relay } from "./relay.js";

type Anything = (...args: readonly unknown[]) => unknown;
type Exports = Readonly<Record<string, unknown>>;

/** `host:port`; left out, the tests keep their own server and are only written down. */
const broker = process.env["CONFORMANCE_BROKER"] ?? "";
const SERVER_MODULE = "./server_helpers_for_client_tests";
/** The last lines of a test are still on their way when its file ends the process. */
const EXIT_DELAY_MS = 300;
/** Of a test that has no limit of its own. */
const TEST_MS_MAX = 15_000;

const require = createRequire(join(process.cwd(), "test", "node", "gateway.js"));

function isCallable(value: unknown): value is Anything {
  return typeof value === "function";
}

interface Connection {
  emit(event: string, ...args: readonly unknown[]): boolean;
  on(event: string, listener: (packet: Publish) => void): void;
  publish(packet: Publish, ...rest: readonly unknown[]): unknown;
}

interface Publish {
  readonly topic: string;
  readonly payload: unknown;
  readonly retain?: boolean;
}

/** What a test leaves behind on the broker. */
const retained = new Set<string>();

function addressOfBroker(): Address {
  const colon = broker.lastIndexOf(":");
  return { host: broker.slice(0, colon), port: Number(broker.slice(colon + 1)) };
}

/** What stands for the connection on the server's side: the tests' own kind, over a relay. */
function connectionOf(socket: Socket): Connection {
  if (current !== "") say({ test: current, event: "relayed" });
  const Constructor = require("mqtt-connection") as new (stream: Relay) => Connection;
  const connection = new Constructor(new Relay(socket, addressOfBroker()));
  const emit = connection.emit.bind(connection);
  // An assertion that fails in a handler is this test's failure, and not the end of all.
  connection.emit = (event, ...args) => {
    try {
      return emit(event, ...args);
    } catch (error) {
      threw(error);
      return true;
    }
  };
  connection.on("error", () => undefined);
  const published = new Set<string>();
  const keyOf = ({ topic, payload }: Publish): string => `${topic} ${String(payload)}`;
  connection.on("publish", (packet) => {
    if (packet.retain === true) retained.add(packet.topic);
    published.add(keyOf(packet));
  });
  const publish = connection.publish.bind(connection);
  // A test that sends its client's publish back does what the broker has done already.
  connection.publish = (packet, ...rest) =>
    published.has(keyOf(packet)) ? undefined : publish(packet, ...rest);
  return connection;
}

/** Every test finds a broker without retained messages. */
async function clean(): Promise<void> {
  if (retained.size === 0) return;
  const client = await mqtt.connectAsync({ ...addressOfBroker(), protocolVersion: 4 });
  for (const topic of retained) await client.publishAsync(topic, "", { qos: 1, retain: true });
  retained.clear();
  await client.endAsync();
}

function gatewayServer(): Server {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    server.emit("client", connectionOf(socket));
  });
  const close = server.close.bind(server);
  server.close = (done) => {
    for (const socket of sockets) socket.destroy();
    return close(done);
  };
  return server;
}

/** A server with handlers of its own plays a part that no broker plays: it stays as it is. */
function buildServer(original: Anything): Anything {
  return (protocol, handler, ...more) =>
    protocol === "mqtt" && handler === undefined ? gatewayServer() : original(protocol, handler, ...more);
}

function say(line: TestLine): void {
  writeSync(1, `\n@${JSON.stringify(line)}\n`);
}

const path: string[] = [];
let current = "";

function threw(error: unknown): void {
  const detail = error instanceof Error ? error.message : String(error);
  if (current !== "") say({ test: current, event: "threw", detail });
}

process.on("uncaughtExceptionMonitor", threw);

/** A test's function with its beginning and its end written down. */
function noted(name: string, run: Anything): Anything {
  const begin = (): ((error?: unknown) => void) => {
    current = name;
    say({ test: name, event: "began" });
    return (error) => {
      const detail = error instanceof Error ? error.message : error == null ? "" : String(error);
      say({ test: name, event: detail === "" ? "passed" : "failed", detail });
    };
  };
  if (run.length > 1) {
    return (context: unknown, done: unknown) => {
      const end = begin();
      const ended = (error?: unknown): void => {
        end(error);
        if (isCallable(done)) done(error);
      };
      clean()
        .then(() => run(context, ended))
        .catch(ended);
    };
  }
  return async (context: unknown) => {
    const end = begin();
    try {
      await clean();
      await run(context);
    } catch (error) {
      end(error);
      throw error;
    }
    end();
  };
}

function within(original: Anything): Anything {
  return Object.assign((name: unknown, ...rest: readonly unknown[]) => {
    const body = rest.at(-1);
    if (!isCallable(body)) return original(name, ...rest);
    return original(name, ...rest.slice(0, -1), (...args: readonly unknown[]) => {
      path.push(String(name));
      try {
        return body(...args);
      } finally {
        path.pop();
      }
    });
  }, original);
}

function test(original: Anything): Anything {
  return Object.assign((name: unknown, ...rest: readonly unknown[]) => {
    const body = rest.at(-1);
    if (!isCallable(body)) return original(name, ...rest);
    const [given] = rest;
    const options = { timeout: TEST_MS_MAX, ...(typeof given === "object" ? given : {}) };
    return original(name, options, noted([...path, String(name)].join(" > "), body));
  }, original);
}

function replaced(request: string, exports: unknown): unknown {
  const known = exports as Exports;
  const { it, describe, default: builder } = known;
  if (request === "node:test" && isCallable(it) && isCallable(describe)) {
    return { ...known, it: test(it), describe: within(describe) };
  }
  if (request.endsWith(SERVER_MODULE) && isCallable(builder) && broker !== "") {
    return { ...known, __esModule: true, default: buildServer(builder) };
  }
  return exports;
}

const load: unknown = Reflect.get(Module, "_load");
if (!isCallable(load)) throw new Error("this version of Node loads modules in another way");
Reflect.set(Module, "_load", (request: unknown, ...rest: readonly unknown[]) =>
  replaced(String(request), load(request, ...rest)),
);

const exit = process.exit.bind(process);
Reflect.set(process, "exit", (code?: number) => {
  setTimeout(() => exit(code), EXIT_DELAY_MS);
});

require("esbuild-register");
require(join(process.cwd(), process.argv[2] ?? ""));
