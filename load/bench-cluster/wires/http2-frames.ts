/** HTTP/2 frames by hand (RFC 9113), as much as one kind of gRPC call on one connection needs. */
import { Pieces } from "../../lib/pieces.js";

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;

/** Of DATA and HEADERS. */
export const END_STREAM = 1;
export const END_HEADERS = 4;
/** Of SETTINGS and PING. */
export const ACK = 1;

export const FRAME_HEAD_BYTES = 9;
/** Where the stream's number stands in a frame. */
export const STREAM_AT = 5;
export const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** What both sides begin with, until told otherwise. */
export const INITIAL_WINDOW_BYTES = 65_535;
export const WINDOW_BYTES_MAX = 2 ** 31 - 1;

export function frame(type: number, flags: number, stream: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + body.length);
  bytes.writeUIntBE(body.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, STREAM_AT);
  body.copy(bytes, FRAME_HEAD_BYTES);
  return bytes;
}

export function windowUpdate(stream: number, bytes: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(bytes);
  return frame(WINDOW_UPDATE, 0, stream, body);
}

/** SETTINGS with one value. */
export function setting(id: number, value: number): Buffer {
  const body = Buffer.alloc(6);
  body.writeUInt16BE(id);
  body.writeUInt32BE(value, 2);
  return frame(SETTINGS, 0, 0, body);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length > 126) throw new Error("a header value of more than 126 bytes");
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

/**
 * The header block of a gRPC call (RFC 7541). The first call of a connection enters its headers into the dynamic table; all
 * later ones are the six bytes that point to them.
 */
export const FIRST_CALL = {
  headers(path: string, authority: string): Buffer {
    return Buffer.concat([
      Buffer.from([0x83, 0x86, 0x44]),
      text(path),
      Buffer.from([0x41]),
      text(authority),
      Buffer.from([0x5f]),
      text("application/grpc"),
      Buffer.from([0x40]),
      text("te"),
      text("trailers"),
    ]);
  },
};
/** POST, http, and the dynamic table's four entries: path (oldest, 65), authority, content-type, te (newest, 62). */
export const LATER_CALL_HEADERS: Buffer = Buffer.from([0x83, 0x86, 0xc1, 0xc0, 0xbf, 0xbe]);

/** Calls `onFrame` for each frame; the body is valid during the call alone. */
export class FrameReader {
  readonly #onFrame: (type: number, flags: number, stream: number, body: Buffer) => void;
  readonly #pieces = new Pieces();

  constructor(onFrame: (type: number, flags: number, stream: number, body: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /** Takes the next bytes; what is left of them is copied, so `bytes` may be reused. */
  feed(bytes: Buffer): void {
    this.#pieces.feed(bytes, (data, at) => this.#take(data, at));
  }

  /** The end of the frame that begins at `at`, or -1 when it is not complete. */
  #take(data: Buffer, at: number): number {
    const bodyAt = at + FRAME_HEAD_BYTES;
    if (bodyAt > data.length) return -1;
    const end = bodyAt + data.readUIntBE(at, 3);
    if (end > data.length) return -1;
    const stream = data.readUInt32BE(at + STREAM_AT) & WINDOW_BYTES_MAX;
    this.#onFrame(data[at + 3] ?? 0, data[at + 4] ?? 0, stream, data.subarray(bodyAt, end));
    return end;
  }
}
