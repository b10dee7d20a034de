/**
 * Requests that come on one connection without waiting for answers (RFC 9112, 9.3.2). Node's parser hands on all that lie in one
 * chunk at once, a thousand and more, and keeps every answer in memory until those before it are out. So a request begins when it is
 * its turn to be answered; only publishes behind publishes begin at once: their answers are small, and one commit takes them all.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits } from "../../limits.js";

/** The requests of a connection behind the one that is being answered. */
interface Line {
  waiting: number;
  /** Of those, how many have not begun. */
  held: number;
  /** All that wait, and the one in front of them, are publishes. */
  isStraight: boolean;
}

function isPublish({ method, url = "" }: IncomingMessage): boolean {
  if (method !== "POST") return false;
  const end = url.search(/[?#]/);
  return (end === -1 ? url : url.slice(0, end)).endsWith("/messages");
}

export class Pipeline {
  readonly #lines = new WeakMap<Socket, Line>();
  /** Requests that have not begun, of all connections. */
  #held = 0;

  /**
   * Takes a request behind others: `response` has no socket yet, `front` is the newest before it. Calls `begin` now or in its turn, or
   * never when the connection ends first. False when too many wait; then nothing was done.
   */
  enter(response: ServerResponse, front: ServerResponse | undefined, begin: () => void): boolean {
    const { req } = response;
    const line = this.#lineOf(req.socket);
    if (line.waiting >= limits.httpPipelinedMax) return false;
    if (line.waiting === 0) line.isStraight = front !== undefined && isPublish(front.req);
    line.isStraight = line.isStraight && isPublish(req);
    const isHeld = !line.isStraight;
    if (isHeld && this.#held >= limits.httpPipelinedHeldMax) return false;
    line.waiting += 1;
    if (isHeld) {
      line.held += 1;
      this.#held += 1;
    }
    // Node gives a response its socket when those before it are out.
    response.once("socket", () => {
      line.waiting -= 1;
      if (!isHeld) return;
      line.held -= 1;
      this.#held -= 1;
      begin();
    });
    if (!isHeld) begin();
    return true;
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket);
    if (known !== undefined) return known;
    const line: Line = { waiting: 0, held: 0, isStraight: true };
    this.#lines.set(socket, line);
    socket.once("close", () => {
      this.#held -= line.held;
      line.held = 0;
    });
    return line;
  }
}
