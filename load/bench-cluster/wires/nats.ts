/**
 * The NATS text protocol, as much as publishing to JetStream needs: PUB with a reply subject, and the stream's answer as MSG on it.
 * One subscription covers all reply subjects of a connection; the slot is the last token.
 */

import type { Socket } from "node:net";
import { drainSocket } from "../../lib/drain-socket.js";
import { Pieces } from "../../lib/pieces.js";
import type { Address } from "../../lib/server.js";
import {
  PublishTemplate,
  SLOT_DIGITS,
  type Wire,
  type WireArgs,
  type WireEvents,
  writeDigits,
} from "./wire.js";

const INBOX = "_INBOX.j.";
const CONTROL = "control";
const REQUEST_TIMEOUT_MS = 10_000;
const LINE_END = "\r\n";
const UPPER_M = 77;
const SPACE = 32;
const LETTER_S = 115;

export interface NatsReaderHandlers {
  /** A message; its bytes are valid during the call alone. */
  onMessage(subject: Buffer, payload: Buffer): void;
  /** Any other line of the server: INFO, PING, PONG, +OK, -ERR. */
  onLine(line: string): void;
}

/** Cuts what a server sends into messages and lines. */
export class NatsReader {
  readonly #handlers: NatsReaderHandlers;
  readonly #pieces = new Pieces();

  constructor(handlers: NatsReaderHandlers) {
    this.#handlers = handlers;
  }

  /** Takes the next bytes; what is left of them is copied, so `bytes` may be reused. */
  feed(bytes: Buffer): void {
    this.#pieces.feed(bytes, (data, at) => this.#take(data, at));
  }

  /** The end of what begins at `at`, or -1 when it is not complete. */
  #take(data: Buffer, at: number): number {
    const lineEnd = data.indexOf(LINE_END, at);
    if (lineEnd < 0) return -1;
    if (data[at] !== UPPER_M) {
      this.#handlers.onLine(data.toString("latin1", at, lineEnd));
      return lineEnd + 2;
    }
    // MSG <subject> <subscription> <bytes>
    const subjectEnd = data.indexOf(SPACE, at + 4);
    const length = Number(data.toString("latin1", data.lastIndexOf(SPACE, lineEnd) + 1, lineEnd));
    const payloadEnd = lineEnd + 2 + length;
    if (payloadEnd + 2 > data.length) return -1;
    this.#handlers.onMessage(data.subarray(at + 4, subjectEnd), data.subarray(lineEnd + 2, payloadEnd));
    return payloadEnd + 2;
  }
}

export interface NatsEvents {
  /** A message on a numbered reply subject. */
  onReply(slot: number, payload: Buffer): void;
  onRead(): void;
  onFailure(reason: string): void;
}

function slotOf(subject: Buffer): number {
  let slot = 0;
  for (let at = INBOX.length; at < subject.length; at++) slot = slot * 10 + (subject[at] ?? 48) - 48;
  return slot;
}

export class NatsConnection {
  readonly socket: Socket;
  readonly #answers: ((payload: string) => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  static async open(address: Address, events?: NatsEvents): Promise<NatsConnection> {
    let pong: (() => void) | undefined;
    let connection: NatsConnection | undefined;
    const reader = new NatsReader({
      onMessage: (subject, payload) => {
        if (subject[INBOX.length] === CONTROL.charCodeAt(0)) connection?.answer(payload.toString("utf8"));
        else events?.onReply(slotOf(subject), payload);
      },
      onLine: (line) => {
        if (line === "PING") connection?.socket.write(`PONG${LINE_END}`);
        else if (line === "PONG") pong?.();
        else if (line.startsWith("-ERR")) events?.onFailure(line);
      },
    });
    const socket = await drainSocket(address, {
      onBytes: (buffer, length) => {
        reader.feed(buffer.subarray(0, length));
        events?.onRead();
      },
      onClose: () => events?.onFailure("the connection closed"),
    });
    const opened = new NatsConnection(socket);
    connection = opened;
    await new Promise<void>((resolve) => {
      pong = resolve;
      socket.write(`CONNECT {"verbose":false,"pedantic":false}\r\nSUB ${INBOX}> 1\r\nPING\r\n`);
    });
    return opened;
  }

  /** Asks the JetStream API and gives its answer. Rejects when that is an error, or none comes. */
  async request(subject: string, body: object): Promise<Record<string, unknown>> {
    const text = JSON.stringify(body);
    const answer = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${subject}: no answer`)), REQUEST_TIMEOUT_MS);
      this.#answers.push((payload) => {
        clearTimeout(timer);
        resolve(payload);
      });
      this.socket.write(`PUB ${subject} ${INBOX}${CONTROL} ${Buffer.byteLength(text)}\r\n${text}\r\n`);
    });
    const fields = JSON.parse(answer) as Record<string, unknown>;
    if (fields["error"] !== undefined) throw new Error(`${subject}: ${JSON.stringify(fields["error"])}`);
    return fields;
  }

  /** What answers the oldest open request. */
  answer(payload: string): void {
    this.#answers.shift()?.(payload);
  }
}

/** The subject of a channel. */
export function natsSubject(channel: string): string {
  return `bench.${channel}`;
}

/** Publishes to a stream that is there already and takes the channel's subject. */
export async function openNats(args: WireArgs, events: WireEvents): Promise<Wire> {
  const { socket } = await NatsConnection.open(args, {
    ...events,
    // {"stream":...,"seq":...} or {"error":...}
    onReply: (slot, payload) =>
      payload[2] === LETTER_S ? events.onAck(slot) : events.onFailure(payload.toString("utf8")),
  });
  const beforeSlot = `PUB ${natsSubject(args.channel)} ${INBOX}`;
  const head = Buffer.from(`${beforeSlot}${"0".repeat(SLOT_DIGITS)} ${args.payloadBytes}${LINE_END}`);
  const template = new PublishTemplate(head, args.payloadBytes, Buffer.from(LINE_END));
  return {
    publish(slots, firstSequence) {
      const bytes = Buffer.allocUnsafe(template.size * slots.length);
      for (const [index, slot] of slots.entries()) {
        const at = index * template.size;
        template.put(bytes, at, firstSequence + index);
        writeDigits(bytes, at + beforeSlot.length, SLOT_DIGITS, slot);
      }
      socket.write(bytes);
    },
    close: () => socket.destroy(),
  };
}
