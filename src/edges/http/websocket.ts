/**
 * GET /mqtt: the opening handshake of a WebSocket (RFC 6455, 4.2), checked as strictly as a request that changes something, since browsers
 * ask nobody before they open one. What then travels on it is for whoever serves MQTT.
 */
import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FastifyInstance } from "fastify";
import { WebSocketServer } from "ws";
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { HttpContext } from "./context.js";
import type { Doors } from "./doors.js";
import { type Problem, problemBytes, problemOf } from "./problem.js";
import { schemas } from "./schemas.js";
import { pathOf } from "./topic-path.js";
import { CloseCode, WebSocketStream } from "./websocket-stream.js";

/** Serves MQTT on a stream of bytes; `address` is whom it connects. It listens to the stream's errors and ends it. */
export type ServeMqtt = (stream: Duplex, address: string) => void;

const PATH = "/mqtt";
const VERSION = "13";
/** In the order in which we like them: MQTT 3.1.1 and 5.0 (MQTT-6.0.0-3), then what older clients call themselves. */
const SUBPROTOCOLS = ["mqtt", "mqttv3.1"] as const;
/** RFC 9110, 15.5.22 and 7.8; RFC 6455, 4.4. */
const UPGRADE_HEADERS = {
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": VERSION,
} as const;
/** Finds clients that vanished without a word and asked for no keep-alive. */
const TCP_KEEP_ALIVE_MS = 60_000;

function isAskedFor({ method, url = "", headers, httpVersionMinor }: IncomingMessage): boolean {
  if (method !== "GET" || httpVersionMinor < 1) return false;
  return headers.upgrade?.toLowerCase() === "websocket" && pathOf(url) === PATH;
}

const asking = new WeakSet<IncomingMessage>();

/**
 * Node gives every request with `Upgrade` to the listener of that event, once there is one, and takes its connection away from HTTP. Clients
 * that offer HTTP/2 send that header with everything (RFC 9110, 7.8: a server may ignore it). So only a WebSocket for MQTT counts
 * as one; all else stays an ordinary request.
 */
export class ServerRequest extends IncomingMessage {
  get upgrade(): boolean {
    return asking.has(this) && (this.method === "CONNECT" || isAskedFor(this));
  }

  /** Node's parser says whether the request asks for it. */
  set upgrade(isAsking: boolean | null) {
    if (isAsking === true) asking.add(this);
  }
}

/** What is wrong with the request, apart from what `ws` looks at: the key, and how headers are written. */
function refusalOf({ headers }: IncomingMessage): Problem | null {
  if (headers["sec-websocket-version"] !== VERSION) {
    return problemOf("upgrade_required", `Sec-WebSocket-Version is ${VERSION}`);
  }
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
  if (offered !== undefined && SUBPROTOCOLS.some((name) => offered.includes(name))) return null;
  return problemOf("invalid_request", "Sec-WebSocket-Protocol has to offer mqtt");
}

export class WebSockets {
  readonly #context: HttpContext;
  readonly #doors: Doors;
  readonly #serve: ServeMqtt;
  readonly #server: WebSocketServer;

  constructor(context: HttpContext, doors: Doors, serve: ServeMqtt) {
    this.#context = context;
    this.#doors = doors;
    this.#serve = serve;
    this.#server = new WebSocketServer({
      noServer: true,
      // A payload may be most of a message, but a packet has to fit.
      maxPayload: Math.max(
        limits.webSocketMessageBytesMax,
        context.payloadBytesMax + 2 * limits.messagePropertiesBytesMax,
      ),
      // Deflating costs each connection hundreds of KiB, and what MQTT carries is small or compressed already. Without it there is no bomb.
      perMessageDeflate: false,
      handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    });
    this.#server.on("wsClientError", ({ message }, _socket, { socket, headers }) => {
      this.#refuse(socket, problemOf("invalid_request", message), headers.origin);
    });
  }

  /** Serves a request that asks for an upgrade; `head` are the bytes behind it. */
  upgrade(request: IncomingMessage, head: Buffer): void {
    const { socket } = request;
    const { origin, host } = request.headers;
    const { cors, isStopping } = this.#context;
    if (!this.#doors.leave(socket)) socket.destroy();
    else if (isStopping()) this.#refuse(socket, problemOf("shutting_down"), origin);
    else if (this.#doors.isRefused(socket)) this.#refuse(socket, problemOf("too_many_connections"), origin);
    else if (cors.isForeignPage(origin, host)) this.#refuse(socket, problemOf("forbidden"), origin);
    else {
      const problem = refusalOf(request);
      if (problem === null) this.#open(request, socket, head);
      else this.#refuse(socket, problem, origin);
    }
  }

  /** Ends every connection that is still open. */
  close(): void {
    for (const webSocket of this.#server.clients) webSocket.close(CloseCode.GoingAway);
  }

  /** Takes the sockets away. */
  terminate(): void {
    for (const webSocket of this.#server.clients) webSocket.terminate();
  }

  #open(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const { isStopping, metrics } = this.#context;
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
      const stream = new WebSocketStream({
        webSocket,
        socket,
        closeCode: () => (isStopping() ? CloseCode.GoingAway : CloseCode.Normal),
        onRefused: (code) => metrics.refused(code),
      });
      this.#serve(stream, `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? "?"}`);
    });
  }

  #refuse(socket: Socket, problem: Problem, origin: string | undefined): void {
    const { cors, metrics } = this.#context;
    metrics.refused(problem.code);
    const extra = problem.code === "upgrade_required" ? UPGRADE_HEADERS : {};
    // Node took its own listeners off.
    socket.on("error", () => socket.destroy());
    socket.resume();
    const headers = { ...problem.headers, ...cors.headersFor(origin), ...extra };
    socket.end(problemBytes({ ...problem, headers }), () => socket.destroy());
  }
}

/** Adds the route of requests that ask for no upgrade. */
export function addWebSocketRoute(app: FastifyInstance): void {
  app.get(PATH, { schema: schemas.mqttOverWebSocket }, async ({ raw }, reply) => {
    reply.headers(UPGRADE_HEADERS);
    if (raw.httpVersionMinor < 1) reply.header("Connection", "close");
    throw new JangadaError("upgrade_required");
  });
}
