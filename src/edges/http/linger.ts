/**
 * Refuses a request while more is still on its way: its body, or requests behind it. A socket closed with unread bytes is reset, and
 * a reset can take the answer with it, and those before it; so the answer goes out whole, what still comes is thrown away for a
 * moment, and then the connection is closed.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../runtime/clock.js";
import type { Problem } from "./problem.js";

const LINGER_MS = 1_000;

/** Answers with a problem and closes the connection once the client has stopped sending, or after a second. */
export function refuseBody(
  clock: Clock,
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  extra: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(problem.status, { ...extra, ...problem.headers, Connection: "close" });
  response.write(problem.body);
  const cancel = clock.after(LINGER_MS, () => response.end());
  const end = (): void => {
    cancel();
    response.end();
  };
  request.once("end", end);
  request.once("close", end);
  request.resume();
}

/**
 * Answers a request that waits behind others with a problem, and closes the connection a second after it was its turn: there may be
 * any number of requests behind it.
 */
export function refuseWaiting(
  clock: Clock,
  response: ServerResponse,
  problem: Problem,
  extra: Readonly<Record<string, string>>,
): void {
  response.writeHead(problem.status, { ...extra, ...problem.headers, Connection: "close" });
  response.write(problem.body);
  response.req.resume();
  response.once("socket", () => {
    const cancel = clock.after(LINGER_MS, () => response.end());
    response.once("close", cancel);
  });
}
