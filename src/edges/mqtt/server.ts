/**
 * The MQTT edge: a TCP listener and its connections. MQTT 3.1.1 with QoS 0 and 1; QoS 2, kept sessions and 5.0 have no code here:
 * their handlers go beside the others, their state into `client.ts`.
 */
import { createServer, type Server, type Socket } from "node:net";
import { FatalError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { ClientView, Edge } from "../edge.js";
import { ClientRegistry } from "./client-registry.js";
import { Connection } from "./connection.js";
import type { EdgeContext, MqttEdgeOptions } from "./context.js";
import { PublishEncoder } from "./encode-publish.js";
import { Flusher } from "./flusher.js";
import { TopicCache } from "./topic-cache.js";
import { TurnBudget } from "./turn-budget.js";

export type { MqttEdgeOptions } from "./context.js";

/** Finds peers that vanished without a word and asked for no keep-alive. */
const TCP_KEEP_ALIVE_MS = 60_000;

/** Builds the edge; nothing listens before `start`. */
export function createMqttEdge(options: MqttEdgeOptions): Edge {
  return new MqttEdge(options);
}

class MqttEdge implements Edge {
  readonly #context: EdgeContext;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #isAccepting = false;
  #onAllClosed: (() => void) | null = null;

  constructor(options: MqttEdgeOptions) {
    const nowMs = (): number => options.broker.nowMs();
    this.#context = {
      ...options,
      clients: new ClientRegistry(),
      topics: new TopicCache(),
      liveEncoder: new PublishEncoder(0, nowMs),
      retainedEncoder: new PublishEncoder(1, nowMs),
      flusher: new Flusher(),
      turnBudget: new TurnBudget(options.clock),
    };
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS },
      (socket) => this.#accept(socket),
    );
  }

  start(): Promise<string> {
    const { host, port, logger } = this.#context;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      this.#server.listen({ host, port, backlog: limits.acceptBacklog }, () => {
        this.#isAccepting = true;
        this.#server.removeAllListeners("error");
        this.#server.on("error", (error) => logger.error({ err: error }, "the MQTT listener failed"));
        resolve(this.#address());
      });
    });
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return;
    this.#isAccepting = false;
    this.#server.close();
  }

  async stop(): Promise<void> {
    this.stopAccepting();
    for (const connection of this.#connections) connection.closeWhenIdle();
    const cancel = this.#context.clock.after(limits.closeLingerMs, () => {
      for (const connection of this.#connections) connection.close();
    });
    await this.#allClosed();
    cancel();
  }

  clients(): readonly ClientView[] {
    return this.#context.clients.all().map((client) => client.view());
  }

  kick(id: string): boolean {
    const client = this.#context.clients.get(id);
    client?.connection.refuse("kicked", "disconnected by an operator");
    return client !== undefined;
  }

  #accept(socket: Socket): void {
    const { metrics, connectionsMax, sockets } = this.#context;
    const isFull = this.#connections.size >= connectionsMax + limits.handshakesMax;
    if (!this.#isAccepting || isFull || !sockets.take()) {
      metrics.refused("too_many_connections");
      socket.destroy();
      return;
    }
    metrics.connections.inc();
    const connection = new Connection(this.#context, socket);
    this.#connections.add(connection);
    socket.once("close", () => {
      sockets.release();
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#onAllClosed?.();
    });
  }

  #address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string")
      throw new FatalError("listen_failed", "no MQTT address");
    return address.family === "IPv6"
      ? `[${address.address}]:${address.port}`
      : `${address.address}:${address.port}`;
  }

  #allClosed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#connections.size === 0) resolve();
      else this.#onAllClosed = resolve;
    });
  }
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): FatalError {
  if (error.code === "EADDRINUSE") {
    const text = `MQTT port ${port} on ${host} is taken: end the other process or choose another port with --mqtt-port`;
    return new FatalError("port_taken", text, { cause: error });
  }
  const text = `MQTT cannot listen on ${host}:${port}: ${error.message}; look at --host and --mqtt-port`;
  return new FatalError("listen_failed", text, { cause: error });
}
