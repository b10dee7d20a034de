/** A TCP connection in a test's hand: what goes out is written byte by byte as given, what comes in is kept as it came. */
import { connect, type Socket } from "node:net";

export class RawConnection {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #length = 0;
  #isClosed = false;
  #changed: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#notify();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isClosed = true;
      this.#notify();
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  /** Lines of a head, ended by an empty one. */
  sendHead(...lines: readonly string[]): this {
    return this.send(`${lines.join("\r\n")}\r\n\r\n`);
  }

  /** Everything received so far. */
  get text(): string {
    const [first = Buffer.alloc(0)] = this.#chunks;
    const whole = this.#chunks.length > 1 ? Buffer.concat(this.#chunks) : first;
    this.#chunks = [whole];
    return whole.toString("latin1");
  }

  /** Waits until what was received satisfies a condition. */
  async until(condition: (text: string) => boolean): Promise<string> {
    while (!condition(this.text)) {
      if (this.#isClosed) throw new Error(`closed after ${JSON.stringify(this.text)}`);
      await this.#change();
    }
    return this.text;
  }

  /** Waits until the last two chunks hold a word; many megabytes before it are not looked through for each chunk, as `until` does. */
  async untilLast(word: string): Promise<string> {
    while (!Buffer.concat(this.#chunks.slice(-2)).includes(word)) {
      if (this.#isClosed) throw new Error(`closed after ${this.#length} bytes, without ${word}`);
      await this.#change();
    }
    return this.text;
  }

  /** Waits for so many bytes. */
  async untilLength(bytes: number): Promise<void> {
    while (this.#length < bytes && !this.#isClosed) await this.#change();
  }

  /** Waits until the other side has closed; gives everything received. */
  async closed(): Promise<string> {
    while (!this.#isClosed) await this.#change();
    return this.text;
  }

  /** Forgets what was received. */
  clear(): void {
    this.#chunks = [];
    this.#length = 0;
  }

  close(): void {
    this.socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #notify(): void {
    for (const changed of this.#changed.splice(0)) changed();
  }
}

/** A response taken apart: status, lower-case header names, body as Latin-1 text. */
export function parsedResponse(text: string): {
  status: number;
  headers: Record<string, string>;
  body: string;
} {
  const end = text.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(statusLine.split(" ")[1]), headers, body: text.slice(end + 4) };
}

/** The code of a problem in a whole response. */
export function problemCodeIn(text: string): string {
  return JSON.parse(parsedResponse(text).body).code;
}
