/**
 * A connection of a client under test, passed on to the broker. The test sees what the client sends, may put publishes of its own
 * between the broker's packets, and may break the connection off, as it does with the mock server that it was written for.
 */
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Address } from "../../lib/server.js";

const PUBLISH = 3;
const PUBACK = 4;
const PUBREC = 5;
const PUBCOMP = 7;

/** Where the length of the packet that begins at `at` ends, and the packet; null when it is not whole. */
function packetAt(bytes: Buffer, at: number): { readonly body: number; readonly end: number } | null {
  let length = 0;
  for (let cursor = at + 1, shift = 0; ; cursor += 1, shift += 7) {
    const byte = bytes[cursor];
    if (byte === undefined) return null;
    length += (byte & 127) * 2 ** shift;
    if (byte < 128) {
      const end = cursor + 1 + length;
      return end <= bytes.length ? { body: cursor + 1, end } : null;
    }
  }
}

/** Gives whole packets on, one by one. */
class Packets {
  #rest: Buffer = Buffer.alloc(0);

  feed(bytes: Buffer, take: (packet: Buffer, body: Buffer) => void): void {
    const all = Buffer.concat([this.#rest, bytes]);
    let at = 0;
    for (let found = packetAt(all, at); found !== null; found = packetAt(all, at)) {
      take(all.subarray(at, found.end), all.subarray(found.body, found.end));
      at = found.end;
    }
    this.#rest = all.subarray(at);
  }
}

/** Hears what the client sends; what is written to it goes to the client. */
export class Relay extends Duplex {
  readonly #client: Socket;
  readonly #broker: Socket;
  readonly #fromClient = new Packets();
  readonly #fromBroker = new Packets();
  readonly #fromTest = new Packets();
  /** Identifiers of publishes that the test put in: their exchange is none of the broker's business. */
  readonly #own = new Set<number>();

  constructor(client: Socket, { host, port }: Address) {
    super();
    this.#client = client;
    this.#broker = connect({ host, port, noDelay: true });
    client.on("data", (bytes) => {
      this.#fromClient.feed(bytes, (packet, body) => this.#toBroker(packet, body));
      this.push(bytes);
    });
    this.#broker.on("data", (bytes) => this.#fromBroker.feed(bytes, (packet) => this.#toClient(packet)));
    const end = (): void => {
      this.destroy();
    };
    for (const socket of [client, this.#broker]) socket.on("error", end).on("close", end);
  }

  #toClient(packet: Buffer): void {
    if (this.#client.writable) this.#client.write(packet);
  }

  #toBroker(packet: Buffer, body: Buffer): void {
    const type = (packet[0] ?? 0) >> 4;
    const isAnswer = type === PUBACK || type === PUBREC || type === PUBCOMP;
    const packetId = isAnswer ? body.readUInt16BE(0) : 0;
    if (!this.#own.has(packetId)) {
      this.#broker.write(packet);
    } else if (type === PUBREC) {
      this.#toClient(Buffer.from([0x62, 2, packetId >> 8, packetId & 255]));
    } else {
      this.#own.delete(packetId);
    }
  }

  override _read(): void {
    // Everything is pushed as it comes.
  }

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#fromTest.feed(bytes, (packet, body) => {
      const first = packet[0] ?? 0;
      if (first >> 4 === PUBLISH && (first & 6) !== 0)
        this.#own.add(body.readUInt16BE(2 + body.readUInt16BE(0)));
      this.#toClient(packet);
    });
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#client.end();
    done();
  }

  override _destroy(_: Error | null, done: (error?: Error | null) => void): void {
    this.#client.destroy();
    this.#broker.destroy();
    this.push(null);
    done();
  }
}
