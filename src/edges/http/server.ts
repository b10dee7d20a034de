/**
 * The HTTP edge: one Node server behind its doors, fastify to find the route, and the routes. Publishes and streams take over from
 * fastify as soon as it has found them and work on Node's own request and response.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { FatalError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { Edge } from "../edge.js";
import type { SocketBudget } from "../socket-budget.js";
import { AnswerBudget } from "./answer-budget.js";
import { buildApp } from "./app.js";
import type { HttpContext } from "./context.js";
import { Cors } from "./cors.js";
import { addDoors, type Doors } from "./doors.js";
import { refuseWaiting } from "./linger.js";
import { Pipeline } from "./pipeline.js";
import { type Problem, problemOf, sendProblem } from "./problem.js";
import { EventStreams } from "./streams.js";
import { type ServeMqtt, ServerRequest, WebSockets } from "./websocket.js";

export type { ServeMqtt } from "./websocket.js";

/** What the edge is given; times are milliseconds. */
export interface HttpEdgeOptions
  extends Pick<HttpContext, "broker" | "cluster" | "metrics" | "expose" | "logger" | "clock"> {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly payloadBytesMax: number;
  readonly connectionsMax: number;
  readonly autoCreate: boolean;
  /** Sockets of all edges. */
  readonly sockets: SocketBudget;
  /** Origins that browsers may call from; "*" for any. */
  readonly corsOrigins: readonly string[];
  /** Clients of all edges, and how to disconnect one. */
  readonly clients: HttpContext["clients"];
  readonly kick: HttpContext["kick"];
  /** What is done with a WebSocket at GET /mqtt. */
  readonly serveMqtt: ServeMqtt;
  /** How long a request's headers may take; `limits.connectTimeoutMs` when left out. */
  readonly headersTimeoutMs?: number;
  /** How long a whole request may take; six times as long when left out. */
  readonly requestTimeoutMs?: number;
}

/** The HTTP edge also tells how many connections it has: publishers are no clients in `clients()`. */
export interface HttpEdge extends Edge {
  readonly connectionsOpen: number;
}

const TOO_MANY_WAIT = problemOf("overloaded", "too many requests wait for their answers");
const REQUEST_TIMEOUT_FACTOR = 6;
/** Longer than the idle time of common proxies, so that it is they who close. */
const KEEP_ALIVE_MS = 65_000;
/** How long answers may take once the edge is told to stop. */
const STOP_GRACE_MS = 2_000;
const STOP_POLL_MS = 20;

function createListener(options: HttpEdgeOptions): Server {
  const headersTimeout = options.headersTimeoutMs ?? limits.connectTimeoutMs;
  return createServer({
    IncomingMessage: ServerRequest,
    headersTimeout,
    requestTimeout: options.requestTimeoutMs ?? headersTimeout * REQUEST_TIMEOUT_FACTOR,
    connectionsCheckingInterval: Math.max(50, Math.min(1_000, headersTimeout / 4)),
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: limits.headerBytesMax,
    noDelay: true,
  });
}

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const isTaken = error.code === "EADDRINUSE";
      const text = isTaken
        ? `HTTP port ${port} on ${host} is taken: end the other process or choose another port with --http-port`
        : `HTTP cannot listen on ${host}:${port}: ${error.message}; look at --host and --http-port`;
      reject(new FatalError(isTaken ? "port_taken" : "listen_failed", text, { cause: error }));
    };
    server.once("error", failed);
    server.listen({ port, host, backlog: limits.acceptBacklog }, () => {
      server.off("error", failed);
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : port;
      resolve(`${host.includes(":") ? `[${host}]` : host}:${bound}`);
    });
  });
}

class NodeHttpEdge implements HttpEdge {
  readonly #options: HttpEdgeOptions;
  readonly #server: Server;
  readonly #doors: Doors;
  readonly #pipeline = new Pipeline();
  readonly #streams: EventStreams;
  readonly #webSockets: WebSockets;
  readonly #context: HttpContext;
  #isStopping = false;

  constructor(options: HttpEdgeOptions) {
    this.#options = options;
    this.#context = {
      ...options,
      cors: new Cors(options.corsOrigins),
      isStopping: () => this.#isStopping,
      answers: new AnswerBudget(options.clock),
    };
    this.#server = createListener(options);
    this.#doors = addDoors(this.#server, options);
    this.#streams = new EventStreams(this.#context);
    this.#webSockets = new WebSockets(this.#context, this.#doors, options.serveMqtt);
  }

  get connectionsOpen(): number {
    return this.#doors.connectionsOpen;
  }

  async start(): Promise<string> {
    const { clock, cors, metrics } = this.#context;
    const route = await buildApp(this.#context, this.#streams);
    const refuse = (request: IncomingMessage, response: ServerResponse, problem: Problem): void => {
      metrics.refused(problem.code);
      response.shouldKeepAlive = false;
      sendProblem(response, problem, cors.headersFor(request.headers.origin));
    };
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      const before = this.#doors.begun(response);
      if (this.#isStopping) response.shouldKeepAlive = false;
      if (this.#doors.isRefused(request.socket)) {
        refuse(request, response, problemOf("too_many_connections"));
      } else if (response.socket !== null) {
        route(request, response);
      } else if (!this.#pipeline.enter(response, before, () => route(request, response))) {
        metrics.refused("overloaded");
        refuseWaiting(clock, response, TOO_MANY_WAIT, cors.headersFor(request.headers.origin));
      }
    };
    this.#server.on("request", serve);
    // Who asks before sending a body is told to go on by what reads it, once that has looked at the rest of the head.
    this.#server.on("checkContinue", serve);
    this.#server.on("upgrade", (request, _socket, head) => this.#webSockets.upgrade(request, head));
    return listen(this.#server, this.#options.host, this.#options.port);
  }

  stopAccepting(): void {
    this.#isStopping = true;
    if (this.#server.listening) this.#server.close();
  }

  async stop(): Promise<void> {
    this.stopAccepting();
    this.#streams.close();
    this.#webSockets.close();
    const { clock } = this.#options;
    const closeUnused = (): void => {
      this.#doors.closeSilent();
      this.#server.closeIdleConnections();
    };
    const cancelPoll = clock.every(STOP_POLL_MS, closeUnused);
    const cancelGrace = clock.after(STOP_GRACE_MS, () => {
      this.#webSockets.terminate();
      this.#server.closeAllConnections();
    });
    closeUnused();
    await this.#allClosed();
    cancelPoll();
    cancelGrace();
  }

  clients(): ReturnType<Edge["clients"]> {
    return this.#streams.clients();
  }

  kick(id: string): boolean {
    return this.#streams.kick(id);
  }

  #allClosed(): Promise<void> {
    return new Promise((resolve) => {
      // On a server that is closed already, Node calls back when the last connection is gone, with an error that says "not running".
      this.#server.close(() => resolve());
    });
  }
}

/** Makes the edge; nothing listens before `start`. */
export function createHttpEdge(options: HttpEdgeOptions): HttpEdge {
  return new NodeHttpEdge(options);
}
