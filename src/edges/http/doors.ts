/**
 * The doors of the listener: how many may come in, how long they may take to say what they want, and what a stranger who speaks no
 * HTTP is told. Answers here are whole responses on a bare socket, because there is no request yet to answer.
 */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Problem, problemBytes, problemOf } from "./problem.js";
import type { HttpEdgeOptions } from "./server.js";

/** Connections beyond the ceiling that are still told so; more are dropped without a word. */
const REFUSED_AT_ONCE_MAX = 256;

export interface Doors {
  /** Connections that are open now. */
  readonly connectionsOpen: number;
  /** Whether this connection came when the ceiling was reached: its first request is refused. */
  isRefused(socket: Socket): boolean;
  /** Notes the newest request of its connection (what follows must not be taken for its answer) and gives the one before it. */
  begun(response: ServerResponse): ServerResponse | undefined;
  /** The connection leaves HTTP with this request; false when one before it is not answered yet, which it then never will be. */
  leave(socket: Socket): boolean;
  /** Closes connections on which no request has come; Node does not count them as idle. */
  closeSilent(): void;
}

/** What a failure of the parser or of its patience means to the client. */
function problemOfClientError(code: string | undefined): Problem {
  if (code === "HPE_HEADER_OVERFLOW") {
    return problemOf("invalid_request", "the request's headers are too large", { status: 431 });
  }
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return problemOf("invalid_request", "the request took too long to arrive", { status: 408 });
  }
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW") return problemOf("payload_too_large");
  return problemOf("invalid_request", "the request is not HTTP/1.1");
}

/**
 * Whether a request was read whole and its answer is not out: an error that the parser finds after it must not look like its
 * answer (a publish that is committed later would seem refused), nor land in the middle of a stream.
 */
function isBusy(response: ServerResponse | undefined): boolean {
  if (response === undefined || response.writableFinished) return false;
  return response.headersSent || response.req.complete;
}

/** Puts the doors on a server. */
export function addDoors(
  server: Server,
  { connectionsMax, metrics, sockets }: Pick<HttpEdgeOptions, "connectionsMax" | "metrics" | "sockets">,
): Doors {
  const newest = new WeakMap<Duplex, ServerResponse>();
  const refused = new WeakSet<Socket>();
  const silent = new Set<Socket>();
  let open = 0;
  server.maxConnections = connectionsMax + REFUSED_AT_ONCE_MAX;
  server.on("connection", (socket: Socket) => {
    if (!sockets.take()) {
      metrics.refused("too_many_connections");
      socket.destroy();
      return;
    }
    open += 1;
    silent.add(socket);
    metrics.connections.inc();
    if (open > connectionsMax) refused.add(socket);
    socket.once("close", () => {
      sockets.release();
      open -= 1;
      silent.delete(socket);
    });
  });
  server.on("drop", () => metrics.refused("too_many_connections"));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || !socket.writable || isBusy(newest.get(socket))) {
      socket.destroy();
      return;
    }
    const problem = problemOfClientError(error.code);
    metrics.refused(problem.code);
    socket.end(problemBytes(problem), () => socket.destroy());
  });
  return {
    get connectionsOpen() {
      return open;
    },
    isRefused: (socket) => open > connectionsMax && refused.has(socket),
    begun: (response) => {
      const { socket } = response.req;
      const before = newest.get(socket);
      silent.delete(socket);
      newest.set(socket, response);
      return before;
    },
    leave: (socket) => {
      silent.delete(socket);
      return newest.get(socket)?.writableFinished ?? true;
    },
    closeSilent: () => {
      for (const socket of silent) socket.destroy();
    },
  };
}
