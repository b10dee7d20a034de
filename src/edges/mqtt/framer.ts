/**
 * Cuts a connection's bytes into packets (MQTT 3.1.1, 2.2). A packet that lies whole in the received chunk is handed on as a
 * range of that chunk, without a copy; one that straddles chunks is gathered in a buffer that grows with what
 * has really arrived, never with what the header promises. It can be held between two packets of a chunk.
 */
import { byteAt } from "./bytes.js";
import { PacketRefused } from "./refusal.js";

/** Takes what the framer finds. Either may throw; the framer is not used after that. */
export interface FrameHandler {
  /** The fixed header is complete; nothing of the rest is buffered yet. `lengthBytes`: how many said the length. Refuses by throwing. */
  header(first: number, remainingLength: number, lengthBytes: number): void;
  /** A whole packet: its variable header and payload are `bytes[start, end)`, valid during the call only. */
  frame(first: number, bytes: Buffer, start: number, end: number): void;
}

/** A gathering buffer starts at this size: most packets fit. */
const GATHER_BYTES = 256;
/** The lowest first byte of a packet. */
const FIRST_TYPE = 0x10;
/** First byte and at most four of remaining length (2.2.3). */
const HEADER_BYTES_MAX = 5;

export class Framer {
  readonly #handler: FrameHandler;
  /** The beginning of a packet that straddles chunks. */
  #gathered: Buffer | null = null;
  #gatheredBytes = 0;
  /** Size of the gathered packet with its header; 0 while its header is incomplete. */
  #gatheredTotal = 0;
  #isStopped = false;
  #isHeld = false;
  /** What a hold left of a chunk. */
  #rest: Buffer | null = null;
  /** The header that was read last. */
  #first = 0;
  #bodyStart = 0;
  #bodyLength = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /**
   * Hands on every packet that `chunk` completes, or keeps the chunk while held: whoever holds should see to it that no more come. Throws
   * `PacketRefused` for a bad header, and what the handler throws.
   */
  push(chunk: Buffer): void {
    if (this.#isHeld) {
      this.#rest = this.#rest === null ? chunk : Buffer.concat([this.#rest, chunk]);
      return;
    }
    let at = this.#gatheredBytes > 0 ? this.#complete(chunk) : 0;
    while (at < chunk.length && !this.#isStopped) {
      if (this.#isHeld) {
        this.#rest = chunk.subarray(at);
        return;
      }
      if (!this.#readHeader(chunk, at, chunk.length)) {
        this.#gather(chunk, at, chunk.length);
        return;
      }
      const end = this.#bodyStart + this.#bodyLength;
      if (end > chunk.length) {
        this.#gatheredTotal = end - at;
        this.#gather(chunk, at, chunk.length);
        return;
      }
      at = end;
      this.#handler.frame(this.#first, chunk, this.#bodyStart, end);
    }
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** After the packet in hand no other is handed on before `release`. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Packets may be handed on again: those that are kept with `goOn`, which is not called from within a handler. */
  release(): void {
    this.#isHeld = false;
  }

  /** Hands on what a hold kept back, as `push` does. */
  goOn(): void {
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) this.push(rest);
  }

  /** No further packet is handed on, not even of the chunk in hand. */
  stop(): void {
    this.#isStopped = true;
    this.#rest = null;
    this.#gathered = null;
    this.#gatheredBytes = 0;
  }

  /** Adds to the gathered packet and hands it on when it is whole; returns how much of the chunk that took. */
  #complete(chunk: Buffer): number {
    let at = 0;
    while (this.#gatheredTotal === 0) {
      if (at === chunk.length) return at;
      at += 1;
      this.#gather(chunk, at - 1, at);
      const gathered = this.#gathered;
      if (gathered !== null && this.#readHeader(gathered, 0, this.#gatheredBytes)) {
        this.#gatheredTotal = this.#bodyStart + this.#bodyLength;
      }
    }
    const end = Math.min(chunk.length, at + this.#gatheredTotal - this.#gatheredBytes);
    this.#gather(chunk, at, end);
    if (this.#gatheredBytes === this.#gatheredTotal) this.#handOn();
    return end;
  }

  #handOn(): void {
    const bytes = this.#gathered;
    const total = this.#gatheredTotal;
    this.#gathered = null;
    this.#gatheredBytes = 0;
    this.#gatheredTotal = 0;
    if (bytes === null) return;
    this.#readHeader(bytes, 0, total, false);
    this.#handler.frame(this.#first, bytes, this.#bodyStart, total);
  }

  /** Copies `chunk[from, to)` behind what is gathered, doubling the buffer when it is full. */
  #gather(chunk: Buffer, from: number, to: number): void {
    const needed = this.#gatheredBytes + to - from;
    let gathered = this.#gathered;
    if (gathered === null || gathered.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(needed, GATHER_BYTES, 2 * this.#gatheredBytes));
      gathered?.copy(larger, 0, 0, this.#gatheredBytes);
      gathered = larger;
      this.#gathered = larger;
    }
    chunk.copy(gathered, this.#gatheredBytes, from, to);
    this.#gatheredBytes = needed;
  }

  /** Reads a fixed header at `at`; false when `bytes[at, end)` does not hold all of it. */
  #readHeader(bytes: Buffer, at: number, end: number, isNew = true): boolean {
    const first = byteAt(bytes, at);
    // Whatever follows (2.2.1): there is nothing to wait for.
    if (first < FIRST_TYPE) throw new PacketRefused("protocol_violation", "packet type 0, which is reserved");
    let length = 0;
    let factor = 1;
    let next = at + 1;
    for (;;) {
      if (next >= end) return false;
      const digit = byteAt(bytes, next);
      next += 1;
      length += (digit & 127) * factor;
      if (digit < 128) break;
      factor *= 128;
      if (next - at === HEADER_BYTES_MAX) {
        // Nothing says that this is MQTT at all.
        throw new PacketRefused("malformed_packet", "remaining length of more than four bytes", null);
      }
    }
    this.#first = first;
    this.#bodyStart = next;
    this.#bodyLength = length;
    if (isNew) this.#handler.header(this.#first, length, next - at - 1);
    return true;
  }
}
