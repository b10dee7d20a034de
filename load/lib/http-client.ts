/** One HTTP connection of a load program: requests one after another on one kept-alive socket. */
import { Agent, type IncomingMessage, request } from "node:http";
import type { Address } from "./server.js";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const ANSWER_TIMEOUT_MS = 30_000;

function readBody(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    response.on("data", (part: Buffer) => parts.push(part));
    response.once("error", reject);
    // A connection that breaks within the body ends with "close" alone.
    response.once("close", () =>
      response.complete
        ? resolve(Buffer.concat(parts).toString("utf8"))
        : reject(new Error("the answer broke off")),
    );
  });
}

export class HttpConnection {
  readonly #address: Address;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  readonly #timeoutMs: number;

  constructor(address: Address, timeoutMs = ANSWER_TIMEOUT_MS) {
    this.#address = address;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects when the connection breaks before the whole answer is there: nobody knows then what became of the request. */
  ask(
    method: "GET" | "POST" | "DELETE",
    path: string,
    body?: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const { host, port } = this.#address;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const asked = request({
        ...{ host, port, method, path, agent: this.#agent },
        headers: { ...length, ...headers },
        timeout: this.#timeoutMs,
      });
      asked.once("timeout", () => asked.destroy(new Error(`no answer for ${this.#timeoutMs} ms`)));
      asked.once("error", reject);
      asked.once("response", (response) => {
        readBody(response).then((text) => resolve({ status: response.statusCode ?? 0, body: text }), reject);
      });
      asked.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A topic's path: `/topics/<encoded name>`. */
export function topicPath(topic: string): string {
  return `/topics/${encodeURIComponent(topic)}`;
}
