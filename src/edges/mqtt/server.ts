/**
 * The MQTT edge: a TCP listener, streams that others hand over, their connections, and what the group does to the sessions of those.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SessionListener } from "../../broker.js";
import { FatalError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { ConnectedClient, Edge } from "../edge.js";
import { ClientRegistry } from "./client-registry.js";
import { Stranger } from "./connect/stranger.js";
import { Connection } from "./connection.js";
import type { EdgeContext, MqttEdgeOptions } from "./context.js";
import { createDeliveryContext } from "./delivery/context.js";
import { Flusher } from "./flusher.js";
import { LostOpens } from "./sessions/lost-opens.js";
import { SessionCloser } from "./sessions/session-closer.js";
import { SysBoard } from "./sys/sys-board.js";
import { SysFigures } from "./sys/sys-topics.js";
import { TalliedMetrics, Traffic } from "./sys/tallies.js";
import { TopicCache } from "./topic-cache.js";
import { TurnBudget } from "./turn-budget.js";

export type { MqttEdgeOptions } from "./context.js";

/** Finds peers that vanished without a word and asked for no keep-alive. */
const TCP_KEEP_ALIVE_MS = 60_000;

export interface MqttEdge extends Edge {
  /**
   * Serves MQTT on a stream of bytes that somebody else accepted, a WebSocket's; `address` is whom it connects. One above the ceiling is
   * destroyed. The edge ends the stream; whoever made it counts its socket.
   */
  attach(stream: Duplex, address: string): void;
}

/** Builds the edge; nothing listens before `start`. */
export function createMqttEdge(options: MqttEdgeOptions): MqttEdge {
  return new MqttServer(options);
}

class MqttServer implements MqttEdge, SessionListener {
  readonly #context: EdgeContext;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #isAccepting = false;
  #onAllClosed: (() => void) | null = null;

  constructor(options: MqttEdgeOptions) {
    const { broker, clock, logger, sys } = options;
    const clients = new ClientRegistry();
    const metrics = new TalliedMetrics(options.metrics);
    const traffic = new Traffic();
    const closer = new SessionCloser(broker, clock);
    const turnBudget = new TurnBudget(clock);
    const figures = new SysFigures({
      version: sys.version,
      broker,
      heapBytes: () => process.memoryUsage().heapUsed,
      clients,
      tallies: metrics,
      traffic,
      clock,
    });
    this.#context = {
      ...options,
      metrics,
      traffic,
      sysBoard: new SysBoard({
        intervalMs: sys.intervalMs,
        sample: () => figures.sample(),
        topics: () => figures.topics(),
        clock,
        turnBudget,
      }),
      clients,
      topics: new TopicCache(),
      flusher: new Flusher(),
      delivery: createDeliveryContext({ broker, metrics, logger, clock, turnBudget }),
      closer,
      lostOpens: new LostOpens({ broker, clock, clients, closer }),
    };
    broker.listenToSessions(this);
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEP_ALIVE_MS },
      (socket) => this.#accept(socket),
    );
  }

  start(): Promise<string> {
    const { host, port, logger } = this.#context;
    if (port === null) {
      this.#isAccepting = true;
      return Promise.resolve("");
    }
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
      this.#server.listen({ host, port, backlog: limits.acceptBacklog }, () => {
        this.#isAccepting = true;
        this.#context.sysBoard.start();
        this.#server.removeAllListeners("error");
        this.#server.on("error", (error) => logger.error({ err: error }, "the MQTT listener failed"));
        resolve(this.#address());
      });
    });
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return;
    this.#isAccepting = false;
    if (this.#server.listening) this.#server.close();
  }

  async stop(): Promise<void> {
    this.stopAccepting();
    this.#context.sysBoard.stop();
    for (const connection of this.#connections) connection.closeWhenIdle();
    const cancel = this.#context.clock.after(limits.closeLingerMs, () => {
      for (const connection of this.#connections) connection.stop();
    });
    await this.#allClosed();
    cancel();
    await this.#context.closer.settled(limits.sessionsCloseMs);
  }

  attach(stream: Duplex, address: string): void {
    if (this.#isFull()) {
      this.#context.metrics.refused("too_many_connections");
      stream.destroy();
      return;
    }
    this.#connect(stream, address);
  }

  clients(): readonly ConnectedClient[] {
    return this.#context.clients.all();
  }

  kick(id: string): boolean {
    const client = this.#context.clients.get(id);
    client?.connection.refuse("kicked", "disconnected by an operator");
    return client !== undefined;
  }

  displaced({ session, epoch, reason }: Parameters<SessionListener["displaced"]>[0]): void {
    this.#context.clients.of(session, epoch)?.displaced(reason);
  }

  assigned({ session, epoch, items }: Parameters<SessionListener["assigned"]>[0]): void {
    const client = this.#context.clients.of(session, epoch);
    client?.connection.attempt(() => client.delivery.assigned(items));
  }

  #accept(socket: Socket): void {
    const { metrics, sockets } = this.#context;
    if (this.#isFull() || !sockets.take()) {
      metrics.refused("too_many_connections");
      socket.destroy();
      return;
    }
    socket.once("close", () => sockets.release());
    this.#connect(socket, `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? "?"}`);
  }

  #isFull(): boolean {
    return (
      !this.#isAccepting || this.#connections.size >= this.#context.connectionsMax + limits.handshakesMax
    );
  }

  #connect(stream: Duplex, address: string): void {
    const context = this.#context;
    context.metrics.connections.inc();
    const greet = (connection: Connection): Stranger => new Stranger(connection);
    const connection = new Connection({ context, stream, address, greet });
    this.#connections.add(connection);
    stream.once("close", () => {
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
