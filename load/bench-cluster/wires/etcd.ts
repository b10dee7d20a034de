/**
 * etcd's KV.Put over gRPC: each publish is a key of its own (the channel and the number), one HTTP/2 stream each, all on one
 * connection. Answered with a message is acknowledged; gRPC errors carry none.
 */
import type { Socket } from "node:net";
import { drainSocket } from "../../lib/drain-socket.js";
import { SEQUENCE_DIGITS, writeSequence } from "../../lib/sequence.js";
import {
  ACK,
  DATA,
  END_HEADERS,
  END_STREAM,
  FIRST_CALL,
  FRAME_HEAD_BYTES,
  FrameReader,
  frame,
  GOAWAY,
  HEADERS,
  INITIAL_WINDOW_BYTES,
  LATER_CALL_HEADERS,
  PING,
  PREFACE,
  RST_STREAM,
  SETTINGS,
  STREAM_AT,
  setting,
  WINDOW_BYTES_MAX,
  WINDOW_UPDATE,
  windowUpdate,
} from "./http2-frames.js";
import { PublishTemplate, type Wire, type WireArgs, type WireEvents } from "./wire.js";

const PUT = "/etcdserverpb.KV/Put";
const SETTING_INITIAL_WINDOW = 4;
const GRPC_HEAD_BYTES = 5;
/** Streams that may be open at once, and as many behind them: the slot of a stream is found by its number. */
const RING = 65_536;
/** The first call's slot: nobody waits for it but `open`. */
const NO_SLOT = -1;

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
}

/** A gRPC message with a PutRequest, up to the value's bytes. Field 1 is the key, field 2 the value. */
export function putHead(key: string, valueBytes: number): Buffer {
  const head = Buffer.concat([
    Buffer.from([0x0a, ...varint(Buffer.byteLength(key))]),
    Buffer.from(key),
    Buffer.from([0x12, ...varint(valueBytes)]),
  ]);
  const prefix = Buffer.alloc(GRPC_HEAD_BYTES);
  prefix.writeUInt32BE(head.length + valueBytes, 1);
  return Buffer.concat([prefix, head]);
}

class EtcdWire implements Wire {
  readonly #socket: Socket;
  readonly #events: WireEvents;
  readonly #template: PublishTemplate;
  readonly #keySequenceAt: number;
  readonly #dataAt: number;
  readonly #dataBytes: number;
  readonly #slots = new Int32Array(RING);
  readonly #answered = new Uint8Array(RING);
  readonly #waiting: { readonly slot: number; readonly sequence: number }[] = [];
  #nextStream = 1;
  /** Bytes of DATA that the server takes before it says more. */
  #credit = INITIAL_WINDOW_BYTES;
  #firstAnswered: (() => void) | undefined;

  constructor(socket: Socket, args: WireArgs, events: WireEvents) {
    this.#socket = socket;
    this.#events = events;
    const keyPrefix = `${args.channel}/`;
    const put = putHead(`${keyPrefix}${"0".repeat(SEQUENCE_DIGITS)}`, args.payloadBytes);
    this.#dataBytes = put.length + args.payloadBytes;
    const call = frame(HEADERS, END_HEADERS, 1, LATER_CALL_HEADERS);
    const data = frame(DATA, END_STREAM, 1, Buffer.concat([put, Buffer.alloc(args.payloadBytes)]));
    const head = Buffer.concat([call, data.subarray(0, FRAME_HEAD_BYTES + put.length)]);
    this.#template = new PublishTemplate(head, args.payloadBytes);
    this.#dataAt = call.length;
    this.#keySequenceAt = head.indexOf(keyPrefix) + keyPrefix.length;
  }

  /** The first call fills the header table and shows that the server answers. */
  start(authority: string): Promise<void> {
    const put = Buffer.concat([putHead("first", 1), Buffer.from("x")]);
    this.#credit -= put.length;
    const bytes = Buffer.concat([
      PREFACE,
      setting(SETTING_INITIAL_WINDOW, WINDOW_BYTES_MAX),
      windowUpdate(0, WINDOW_BYTES_MAX - INITIAL_WINDOW_BYTES),
      frame(HEADERS, END_HEADERS, 1, FIRST_CALL.headers(PUT, authority)),
      frame(DATA, END_STREAM, 1, put),
    ]);
    this.#openStream(NO_SLOT);
    return new Promise((resolve) => {
      this.#firstAnswered = resolve;
      this.#socket.write(bytes);
    });
  }

  publish(slots: readonly number[], firstSequence: number): void {
    for (const [index, slot] of slots.entries()) {
      this.#waiting.push({ slot, sequence: firstSequence + index });
    }
    this.sendWaiting();
  }

  /** As many as the server's window admits, in one write. */
  sendWaiting(): void {
    const { size } = this.#template;
    const count = Math.min(this.#waiting.length, Math.floor(this.#credit / this.#dataBytes));
    if (count === 0) return;
    const bytes = Buffer.allocUnsafe(size * count);
    for (const [index, { slot, sequence }] of this.#waiting.splice(0, count).entries()) {
      const at = index * size;
      this.#template.put(bytes, at, sequence);
      writeSequence(bytes, at + this.#keySequenceAt, sequence);
      const stream = this.#openStream(slot);
      bytes.writeUInt32BE(stream, at + STREAM_AT);
      bytes.writeUInt32BE(stream, at + this.#dataAt + STREAM_AT);
    }
    this.#credit -= this.#dataBytes * count;
    this.#socket.write(bytes);
  }

  #openStream(slot: number): number {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const at = (stream >>> 1) % RING;
    this.#slots[at] = slot;
    this.#answered[at] = 0;
    return stream;
  }

  onFrame(type: number, flags: number, stream: number, body: Buffer): void {
    if (type === DATA || type === HEADERS) this.#onAnswer(type, flags, stream, body);
    else if (type === WINDOW_UPDATE && stream === 0) this.#credit += body.readUInt32BE(0);
    else if (type === PING && (flags & ACK) === 0) this.#socket.write(frame(PING, ACK, 0, body));
    else if (type === SETTINGS && (flags & ACK) === 0) {
      this.#socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    } else if (type === RST_STREAM) this.#events.onFailure("a stream was reset");
    else if (type === GOAWAY) this.#events.onFailure(`GOAWAY ${body.toString("latin1", 8)}`);
  }

  #onAnswer(type: number, flags: number, stream: number, body: Buffer): void {
    const at = (stream >>> 1) % RING;
    if (type === DATA && body.length > GRPC_HEAD_BYTES) this.#answered[at] = 1;
    if ((flags & END_STREAM) === 0) return;
    const slot = this.#slots[at] ?? NO_SLOT;
    if (this.#answered[at] !== 1) this.#events.onFailure("an error in place of an answer");
    else if (slot === NO_SLOT) this.#firstAnswered?.();
    else this.#events.onAck(slot);
  }

  close(): void {
    this.#socket.destroy();
  }
}

export async function openEtcd(args: WireArgs, events: WireEvents): Promise<Wire> {
  let wire: EtcdWire | undefined;
  const reader = new FrameReader((type, flags, stream, body) => wire?.onFrame(type, flags, stream, body));
  const socket = await drainSocket(args, {
    onBytes: (buffer, length) => {
      reader.feed(buffer.subarray(0, length));
      events.onRead();
      wire?.sendWaiting();
    },
    onClose: () => events.onFailure("the connection closed"),
  });
  const opened = new EtcdWire(socket, args, events);
  wire = opened;
  await opened.start(`${args.host}:${args.port}`);
  return opened;
}
