/** One connection to a broker: packets out, packets in, and whether it was closed; with nothing that a client would do by itself. */
import { connect, type Socket } from "node:net";
import { PacketReader } from "../../lib/mqtt-packets.js";
import type { Address } from "../../lib/server.js";
import type { Answer } from "./answer.js";

/** What came next: a packet, the end of the connection, or nothing in time. */
export type Heard = Answer | "closed" | "silence";

export class Conversation {
  readonly #socket: Socket;
  readonly #heard: Answer[] = [];
  #closed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new PacketReader((first, body) => this.#heard.push({ first, body: Buffer.from(body) }));
    socket.on("data", (bytes) => {
      reader.feed(bytes);
      this.#wake();
    });
    const end = (): void => {
      this.#closed = true;
      this.#wake();
    };
    socket.on("error", end).on("end", end).on("close", end);
  }

  static open({ host, port }: Address): Promise<Conversation> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.removeListener("error", reject);
        resolve(new Conversation(socket));
      });
    });
  }

  send(bytes: Buffer): void {
    if (!this.#closed) this.#socket.write(bytes);
  }

  async hear(timeoutMs: number): Promise<Heard> {
    if (this.#heard.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#heard.shift() ?? (this.#closed ? "closed" : "silence");
  }

  /** Breaks the connection off. */
  close(): void {
    this.#socket.destroy();
  }
}
