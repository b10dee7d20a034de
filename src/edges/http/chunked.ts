/**
 * HTTP/1.1 chunked framing (RFC 9112, 7.1), made once for all who get the same bytes. HTTP/1.0 knows no chunks: such a client
 * gets the bare bytes, a view into the same buffer, until the connection closes.
 */
import type { ByteWriter } from "./byte-writer.js";

/** Bytes that any number of responses may share. Both are empty when there is nothing to send. */
export interface SharedBytes {
  /** As one chunk, with its size line and its line end. */
  readonly framed: Buffer;
  /** Without framing. */
  readonly bare: Buffer;
}

/** Nothing: a chunk of no bytes would end the response, so there is no framing either. */
export const NO_BYTES: SharedBytes = Object.freeze({ framed: Buffer.alloc(0), bare: Buffer.alloc(0) });

function frame(length: number, copyInto: (target: Buffer, at: number) => void): SharedBytes {
  if (length === 0) return NO_BYTES;
  const sizeLine = `${length.toString(16)}\r\n`;
  const framed = Buffer.allocUnsafe(sizeLine.length + length + 2);
  framed.write(sizeLine, 0, "latin1");
  copyInto(framed, sizeLine.length);
  framed.write("\r\n", sizeLine.length + length, "latin1");
  return { framed, bare: framed.subarray(sizeLine.length, sizeLine.length + length) };
}

/** What the writer gathered, as one chunk. */
export function chunkOfWritten(writer: ByteWriter): SharedBytes {
  return frame(writer.length, (target, at) => writer.copyTo(target, at));
}

/** A text as one chunk. */
export function chunkOf(text: string): SharedBytes {
  const bytes = Buffer.from(text, "utf8");
  return frame(bytes.length, (target, at) => bytes.copy(target, at));
}
