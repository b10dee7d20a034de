/**
 * Collects the body of a publish. Most come whole with their headers: they are handed on as the view that Node read them into,
 * without a copy. What is announced or turns out to be too large is refused before more of it is read, and all bodies
 * that are under way share one budget, so that many slow senders cannot fill the memory.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCode } from "../../errors.js";
import { limits } from "../../limits.js";

/** Takes the whole body. The bytes may only be used during the call, or copied. */
export type BodyTaken = (body: Buffer) => void;
/** Takes the reason why the body is not read any further. */
export type BodyRefused = (code: ErrorCode) => void;

const EMPTY = Buffer.alloc(0);

/** The announced length; `undefined` when the body is chunked or there is none. Node has checked that it is a number. */
export function announcedLength(request: IncomingMessage): number | undefined {
  const header = request.headers["content-length"];
  return header === undefined ? undefined : Number(header);
}

/** Whether the client sends its body only once it is told to (RFC 9110, 10.1.1: not in HTTP/1.0). */
export function waitsForLeave(request: IncomingMessage): boolean {
  return request.headers.expect !== undefined && request.httpVersionMinor > 0;
}

/** Pieces smaller than this are copied together; a body in chunks of one byte would else cost a hundred times its size. */
const PIECE_BYTES = 16 * 1024;

/** The pieces of a body as they come. Large ones are kept as they are, small ones gathered. */
class Pieces {
  readonly #whole: Buffer[] = [];
  #small = EMPTY;
  #smallBytes = 0;
  #wholeBytes = 0;

  get length(): number {
    return this.#wholeBytes + this.#smallBytes;
  }

  /** Memory that is held. */
  get bytesHeld(): number {
    return this.#wholeBytes + this.#small.length;
  }

  add(piece: Buffer): void {
    if (piece.length >= PIECE_BYTES) {
      this.#close();
      this.#keep(piece);
      return;
    }
    if (this.#smallBytes + piece.length > this.#small.length) this.#makeRoom(piece.length);
    piece.copy(this.#small, this.#smallBytes);
    this.#smallBytes += piece.length;
  }

  joined(): Buffer {
    this.#close();
    return Buffer.concat(this.#whole, this.#wholeBytes);
  }

  /** Doubles up to a full piece, then begins the next one. */
  #makeRoom(bytes: number): void {
    if (this.#smallBytes >= PIECE_BYTES) this.#close();
    const larger = Buffer.allocUnsafeSlow(Math.max(256, 2 * this.#smallBytes, this.#smallBytes + bytes));
    this.#small.copy(larger, 0, 0, this.#smallBytes);
    this.#small = larger;
  }

  #close(): void {
    if (this.#smallBytes > 0) this.#keep(this.#small.subarray(0, this.#smallBytes));
    this.#small = EMPTY;
    this.#smallBytes = 0;
  }

  #keep(piece: Buffer): void {
    this.#whole.push(piece);
    this.#wholeBytes += piece.length;
  }
}

export class BodyReader {
  #bytesUnderWay = 0;

  /** Bytes of bodies that are not complete. */
  get bytesUnderWay(): number {
    return this.#bytesUnderWay;
  }

  /**
   * Reads the body and calls `taken` once it is complete, or `refused` with `payload_too_large` or `overloaded`; neither when the
   * client goes away. A client that waits for leave to send (`Expect: 100-continue`) gets it here.
   */
  read(
    request: IncomingMessage,
    response: ServerResponse,
    bytesMax: number,
    taken: BodyTaken,
    refused: BodyRefused,
  ): void {
    const length = announcedLength(request);
    if (length === undefined && request.headers["transfer-encoding"] === undefined) {
      request.resume();
      taken(EMPTY);
      return;
    }
    if (length !== undefined && length > bytesMax) {
      refused("payload_too_large");
      return;
    }
    if (length === 0) {
      request.resume();
      taken(EMPTY);
      return;
    }
    if (waitsForLeave(request)) response.writeContinue();
    request.once("data", (first: Buffer) => {
      if (first.length === length) taken(first);
      else this.#readOn(request, first, bytesMax, taken, refused);
    });
  }

  #readOn(
    request: IncomingMessage,
    first: Buffer,
    bytesMax: number,
    taken: BodyTaken,
    refused: BodyRefused,
  ): void {
    const pieces = new Pieces();
    let counted = 0;
    let over = false;
    const settle = (): void => {
      over = true;
      this.#bytesUnderWay -= counted;
      request.off("data", take);
    };
    const take = (chunk: Buffer): void => {
      pieces.add(chunk);
      this.#bytesUnderWay += pieces.bytesHeld - counted;
      counted = pieces.bytesHeld;
      const isFull = this.#bytesUnderWay > limits.httpBodyBytesUnderWayMax;
      if (pieces.length <= bytesMax && !isFull) return;
      settle();
      refused(isFull ? "overloaded" : "payload_too_large");
    };
    request.on("data", take);
    request.once("end", () => {
      if (over) return;
      settle();
      taken(pieces.joined());
    });
    request.once("close", () => {
      if (!over) settle();
    });
    take(first);
  }
}
