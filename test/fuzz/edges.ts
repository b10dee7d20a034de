/**
 * The production edges over the tests' broker (production proposer, state machine and topic brokers), with sockets in memory: what a stranger
 * sends goes in as an input, what he is answered is kept, and when he is gone nothing of him must be left.
 */
import { Server } from "node:http";
import { Duplex } from "node:stream";
import { NO_PROPERTIES, type OutgoingMessage } from "../../src/commands/command.js";
import type { HttpEdgeOptions } from "../../src/edges/http/server.js";
import type { MqttEdge } from "../../src/edges/mqtt/server.js";
import { type Clock, systemClock } from "../../src/runtime/clock.js";
import { createMetrics } from "../../src/runtime/metrics.js";
import { seededRandom } from "../../src/runtime/random.js";
import { createSimEdge } from "../sim/sim-edge.js";
import { type HttpHost, HttpTestBroker, startHttpHost } from "../support/http-edge-host.js";
import { must } from "./target.js";

/** Inputs that one node serves: what sessions and topics they leave behind must not slow down those that come after. */
const INPUTS_PER_NODE = { mqtt: 100, http: 500 } as const;
const TURNS_MAX = 2_000;
/** Commit, apply, flush, write. */
const DELIVERY_TURNS = 4;

/** Short waits are over at the end of the turn; the others are longer than any input takes. */
const SHORT_MS = 250;

const QUICK_CLOCK: Clock = {
  ...systemClock,
  after: (delayMs, task) => (delayMs <= SHORT_MS ? systemClock.soon(task) : systemClock.after(delayMs, task)),
};

/** Of all nodes: some of them last as long as the process. */
const METRICS = createMetrics();

/** The server's end of a connection. Has what servers ask of a socket. */
export class FuzzSocket extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 1;
  readonly #received: Buffer[] = [];

  constructor() {
    super({ emitClose: true, autoDestroy: true, allowHalfOpen: true });
  }

  /** What the stranger was sent. */
  get received(): Buffer {
    return Buffer.concat(this.#received);
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  destroySoon(): void {
    if (this.writable) this.end(() => this.destroy());
    else this.destroy();
  }

  resetAndDestroy(): this {
    return this.destroy();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#received.push(Buffer.from(chunk));
    done();
  }
}

export function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The stranger sends all, in pieces, and looks at what comes for some turns. */
export async function say(
  socket: FuzzSocket,
  bytes: Buffer,
  pieceBytes: number,
  turns: number,
): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed; at += pieceBytes) {
    socket.push(bytes.subarray(at, at + pieceBytes));
    if (at + pieceBytes < bytes.length) await turnOfLoop();
  }
  for (let turn = 0; turn < turns && !socket.destroyed; turn += 1) await turnOfLoop();
}

/** Others publish: to a topic at QoS 2, to one below it at QoS 1, retained. */
export async function publishToAll({ broker }: FuzzNode): Promise<void> {
  const message = (qos: 1 | 2, retain: boolean): OutgoingMessage => ({
    payload: Buffer.from("from others"),
    contentType: retain ? "text/plain" : "",
    qos,
    retain,
    expiresAtMs: 0,
    properties: NO_PROPERTIES,
  });
  for (const [topic, qos] of [
    ["a", 2],
    ["a/b", 1],
  ] as const) {
    const messages = [message(qos, qos === 1)];
    broker.submit(
      { kind: "publish", topic, messages, autoCreate: true, idempotency: null, publisher: 0, receipt: null },
      () => undefined,
    );
  }
  for (let turn = 0; turn < DELIVERY_TURNS; turn += 1) await turnOfLoop();
}

/** The stranger is gone: the connection has to be, too. */
export async function leave(socket: FuzzSocket): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
  socket.destroy();
  await closed;
}

export interface FuzzNode {
  readonly broker: HttpTestBroker;
  readonly mqtt: MqttEdge;
  /** `null` where only MQTT is asked for. */
  readonly host: HttpHost | null;
  /** What was logged as an error: nothing that a stranger does may bring that about. */
  readonly errors: string[];
  /** A new connection, to the HTTP port where there is one. */
  connect(): FuzzSocket;
  close(): Promise<void>;
}

/** Starts the HTTP edge without a port; gives its server. */
async function startedWithoutPort(
  overrides: Partial<HttpEdgeOptions>,
  broker: HttpTestBroker,
): Promise<{ readonly host: HttpHost; readonly server: Server }> {
  const { listen } = Server.prototype;
  let server: Server | null = null;
  Server.prototype.listen = function listenToNobody(this: Server, ...args: unknown[]): Server {
    server = this;
    this.emit("listening");
    const done = args.at(-1);
    if (typeof done === "function") queueMicrotask(() => done());
    return this;
  };
  try {
    const host = await startHttpHost({ ...overrides, port: 1 }, broker, METRICS);
    must(server !== null, "the edge did not listen");
    return { host, server };
  } finally {
    Server.prototype.listen = listen;
  }
}

/** A node whose edges answer whoever connects. The HTTP edge costs as much as a hundred inputs: it is there where it is asked for. */
async function startFuzzNode(hasHttp: boolean): Promise<FuzzNode> {
  const broker = new HttpTestBroker(QUICK_CLOCK, METRICS);
  const errors: string[] = [];
  const onError = (text: string): void => void errors.push(text);
  const mqtt = createSimEdge({ broker, clock: QUICK_CLOCK, random: seededRandom(5), onError });
  await mqtt.start();
  await broker.perform({ kind: "genesis", streamTag: "test" });
  await broker.perform({ kind: "node-up", mqtt: "" });
  const serveMqtt = (stream: Duplex, address: string): void => mqtt.attach(stream, address);
  const http = hasHttp ? await startedWithoutPort({ serveMqtt, clock: QUICK_CLOCK }, broker) : null;
  return {
    broker,
    mqtt,
    host: http?.host ?? null,
    errors,
    connect: () => {
      const socket = new FuzzSocket();
      if (http === null) serveMqtt(socket, "127.0.0.1:1");
      else http.server.emit("connection", socket);
      return socket;
    },
    close: async () => {
      await Promise.all([http?.host.close(), mqtt.stop()]);
    },
  };
}

/** The node that serves the present inputs; a new one every `INPUTS_PER_NODE`. */
export class NodeForInputs {
  readonly #hasHttp: boolean;
  #node: FuzzNode | null = null;
  #served = 0;

  constructor(options: { readonly hasHttp: boolean }) {
    this.#hasHttp = options.hasHttp;
  }

  async next(): Promise<FuzzNode> {
    this.#served += 1;
    if (this.#node !== null && this.#served % INPUTS_PER_NODE[this.#hasHttp ? "http" : "mqtt"] !== 0)
      return this.#node;
    await this.#node?.close();
    this.#node = await startFuzzNode(this.#hasHttp);
    return this.#node;
  }

  /** After something did not hold, the next input finds another node. */
  forget(): void {
    this.#node = null;
  }
}

/** Turns until nobody is connected. */
export async function untilGone(node: FuzzNode): Promise<void> {
  for (
    let turn = 0;
    (node.host?.edge.connectionsOpen ?? 0) > 0 || node.mqtt.clients().length > 0;
    turn += 1
  ) {
    must(turn < TURNS_MAX, "a connection is left though its client is gone");
    await turnOfLoop();
  }
}

export function mustHaveLoggedNothing({ errors, host }: FuzzNode): void {
  must(errors.length === 0, `the MQTT edge logged an error: ${errors[0]}`);
  const logged = host?.errors ?? [];
  must(logged.length === 0, `the HTTP edge logged an error: ${firstOf(logged)}`);
}

function firstOf([first]: readonly object[]): string {
  if (first === undefined || !("err" in first)) return JSON.stringify(first);
  return first.err instanceof Error ? (first.err.stack ?? first.err.message) : String(first.err);
}
