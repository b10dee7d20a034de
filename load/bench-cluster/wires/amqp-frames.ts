/** AMQP 0-9-1 frames by hand: methods, content, and the reader that cuts frames out of bytes. */
import { Pieces } from "../../lib/pieces.js";

const FRAME_METHOD = 1;
const FRAME_HEADER = 2;
const FRAME_BODY = 3;
const FRAME_END = 0xce;
const FRAME_HEAD_BYTES = 7;
const BASIC = 60;
const PERSISTENT = 2;
/** Property flag of the delivery mode, the only property that is sent. */
const DELIVERY_MODE_FLAG = 0x1000;

export const PROTOCOL_HEADER: Buffer = Buffer.from("AMQP\0\0\x09\x01", "latin1");

export function octets(...values: readonly number[]): Buffer {
  return Buffer.from(values);
}

export function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function shortText(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([octets(bytes.length), bytes]);
}

export function longText(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** A table whose values are all long strings. */
export function table(fields: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(fields).map(([name, value]) =>
    Buffer.concat([shortText(name), Buffer.from("S"), longText(value)]),
  );
  const body = Buffer.concat(entries);
  return Buffer.concat([uint32(body.length), body]);
}

function frameHead(type: number, channel: number, length: number): Buffer {
  return Buffer.concat([octets(type), uint16(channel), uint32(length)]);
}

function frame(type: number, channel: number, body: Buffer): Buffer {
  return Buffer.concat([frameHead(type, channel, body.length), body, octets(FRAME_END)]);
}

export function methodFrame(
  channel: number,
  classId: number,
  methodId: number,
  ...args: readonly Buffer[]
): Buffer {
  return frame(FRAME_METHOD, channel, Buffer.concat([uint16(classId), uint16(methodId), ...args]));
}

/** Basic.Publish to a queue through the default exchange, up to the body's bytes; `PUBLISH_TAIL` closes it. */
export function publishHead(channel: number, queue: string, bodyBytes: number): Buffer {
  const publish = methodFrame(
    channel,
    BASIC,
    40,
    uint16(0),
    shortText(""),
    shortText(queue),
    // Not mandatory, not immediate.
    octets(0),
  );
  const header = frame(
    FRAME_HEADER,
    channel,
    Buffer.concat([
      uint16(BASIC),
      uint16(0),
      uint32(0),
      uint32(bodyBytes),
      uint16(DELIVERY_MODE_FLAG),
      octets(PERSISTENT),
    ]),
  );
  return Buffer.concat([publish, header, frameHead(FRAME_BODY, channel, bodyBytes)]);
}

export const PUBLISH_TAIL: Buffer = octets(FRAME_END);

/** Calls `onMethod` for each method frame; the arguments are valid during the call alone. */
export class AmqpReader {
  readonly #onMethod: (classId: number, methodId: number, args: Buffer) => void;
  readonly #pieces = new Pieces();

  constructor(onMethod: (classId: number, methodId: number, args: Buffer) => void) {
    this.#onMethod = onMethod;
  }

  /** Takes the next bytes; what is left of them is copied, so `bytes` may be reused. */
  feed(bytes: Buffer): void {
    this.#pieces.feed(bytes, (data, at) => this.#take(data, at));
  }

  /** The end of the frame that begins at `at`, or -1 when it is not complete. */
  #take(data: Buffer, at: number): number {
    const bodyAt = at + FRAME_HEAD_BYTES;
    if (bodyAt > data.length) return -1;
    const end = bodyAt + data.readUInt32BE(at + 3);
    if (end >= data.length) return -1;
    if (data[at] === FRAME_METHOD) {
      this.#onMethod(
        data.readUInt16BE(bodyAt),
        data.readUInt16BE(bodyAt + 2),
        data.subarray(bodyAt + 4, end),
      );
    }
    return end + 1;
  }
}
