/**
 * A client that is nothing but a socket: a conversation is bytes out and bytes in, compared to the last bit. Bytes are
 * written as hex with spaces; text in quotes stands for its UTF-8.
 */
import { connect, type Socket } from "node:net";

/** `"10 05 'ab' 00"` and so on. */
export function bytes(script: string): Buffer {
  const parts = script.match(/'[^']*'|[0-9a-fA-F]{2}|\S+/g) ?? [];
  return Buffer.concat(
    parts.map((part) => {
      if (part.startsWith("'")) return Buffer.from(part.slice(1, -1));
      if (!/^[0-9a-fA-F]{2}$/.test(part)) throw new Error(`neither a byte nor a text: ${part}`);
      return Buffer.from(part, "hex");
    }),
  );
}

const DEADLINE_MS = 10_000;

export class RawClient {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isEnded = false;
  #changed: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#changed();
    });
    const end = (): void => {
      this.#isEnded = true;
      this.#changed();
    };
    socket.on("error", end).on("end", end).on("close", end);
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new RawClient(socket);
  }

  /** Connected with CONNECT and CONNACK 0. */
  static async connected(port: number, id: string, keepAlive = 0): Promise<RawClient> {
    const client = await RawClient.open(port);
    client.send(connectPacket(id, keepAlive));
    await client.expect("20 02 00 00");
    return client;
  }

  send(script: string | Buffer): void {
    this.#socket.write(typeof script === "string" ? bytes(script) : script);
  }

  /** The next bytes are exactly these. */
  async expect(script: string | Buffer): Promise<void> {
    const wanted = typeof script === "string" ? bytes(script) : script;
    const received = await this.take(wanted.length);
    if (!received.equals(wanted)) throw new Error(`received ${hex(received)}, not ${hex(wanted)}`);
  }

  /** The next `length` bytes. */
  async take(length: number): Promise<Buffer> {
    await this.#until(
      () => this.#received.length >= length,
      () => `received ${hex(this.#received)}, wanted ${length} bytes`,
    );
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  /** The next packet: fixed header, variable header and payload. */
  async takePacket(): Promise<Buffer> {
    let headerBytes = 2;
    let length = 0;
    await this.#until(
      () => this.#received.length >= 2,
      () => "no packet came",
    );
    for (let factor = 1, at = 1; ; at += 1, factor *= 128) {
      const digit = this.#received[at] ?? 0;
      length += (digit & 127) * factor;
      headerBytes = at + 1;
      if (digit < 128) break;
    }
    return this.take(headerBytes + length);
  }

  /** Nothing comes before the answer to a PINGREQ. */
  async expectNothing(): Promise<void> {
    this.send("c0 00");
    await this.expect("d0 00");
  }

  /** The server ends the connection and sends nothing more before. */
  async expectClosed(): Promise<void> {
    await this.#until(
      () => this.#isEnded,
      () => "the connection was not closed",
    );
    if (this.#received.length > 0) throw new Error(`received ${hex(this.#received)} before the end`);
  }

  /** Sends nothing more and waits for the end, whatever still comes. */
  async leave(): Promise<void> {
    this.#socket.end();
    await this.#until(
      () => this.#isEnded,
      () => "the connection was not closed",
    );
  }

  get receivedBytes(): number {
    return this.#received.length;
  }

  /** Reads nothing more, so that the server's writes pile up. */
  stall(): void {
    this.#socket.pause();
  }

  read(): void {
    this.#socket.resume();
  }

  /** Ends without DISCONNECT. */
  drop(): void {
    this.#socket.destroy();
  }

  #until(condition: () => boolean, complaint: () => string): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(complaint())), DEADLINE_MS);
      this.#changed = () => {
        if (!condition() && !this.#isEnded) return;
        clearTimeout(timer);
        this.#changed = () => undefined;
        if (condition()) resolve();
        else reject(new Error(`closed: ${complaint()}`));
      };
      if (this.#isEnded) this.#changed();
    });
  }
}

function hex(received: Buffer): string {
  return received.toString("hex").replace(/(..)(?=.)/g, "$1 ");
}

/** A string with its length in front (MQTT 3.1.1, 1.5.3). */
export function text(value: string): Buffer {
  const utf8 = Buffer.from(value);
  return Buffer.concat([Buffer.from([utf8.length >> 8, utf8.length & 255]), utf8]);
}

/** A packet: first byte, remaining length, the rest. */
export function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push(rest < 128 ? rest : (rest & 127) | 128);
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

/** CONNECT of 3.1.1 with a clean session. */
export function connectPacket(id: string, keepAlive = 0): Buffer {
  return packet(0x10, text("MQTT"), Buffer.from([4, 2, keepAlive >> 8, keepAlive & 255]), text(id));
}

/** CONNECT with a will. */
export function connectWithWill(id: string, topic: string, payload: string, flags = 0x06): Buffer {
  return packet(0x10, text("MQTT"), Buffer.from([4, flags, 0, 0]), text(id), text(topic), text(payload));
}

/** PUBLISH; a packet id makes it QoS 1. */
export function publishPacket(topic: string, payload: string | Buffer, id = 0, flags = 0): Buffer {
  const idBytes = id === 0 ? [] : [Buffer.from([id >> 8, id & 255])];
  return packet(0x30 | flags | (id === 0 ? 0 : 2), text(topic), ...idBytes, Buffer.from(payload));
}

/** SUBSCRIBE to filters at one QoS. */
export function subscribePacket(id: number, qos: number, ...filters: readonly string[]): Buffer {
  const asked = filters.map((filter) => Buffer.concat([text(filter), Buffer.from([qos])]));
  return packet(0x82, Buffer.from([id >> 8, id & 255]), ...asked);
}
