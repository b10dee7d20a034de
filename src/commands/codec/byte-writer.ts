/**
 * Bytes going out: numbers as varints (seven bits a byte, low first, up to 2^53 - 1), texts as length and UTF-8.
 * One scratch buffer grows and is used again; what leaves is an exact copy that nobody touches afterwards.
 */
import { FatalError } from "../../errors.js";

/** Texts up to this many characters are tried as ASCII, byte by byte: faster than a call into the runtime. */
const SHORT_TEXT_MAX = 64;

export class ByteWriter {
  readonly #capacityHint: number;
  #bytes: Buffer;
  #length = 0;

  constructor(capacityHint: number) {
    this.#capacityHint = Math.max(64, capacityHint);
    this.#bytes = Buffer.allocUnsafeSlow(this.#capacityHint);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Forgets everything after `length`. */
  rewind(length: number): void {
    this.#length = length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** Throws `FatalError` `invalid_command` for what is not a safe integer from 0 up. */
  varint(value: number): void {
    this.#reserve(8);
    if (value < 0x80 && value >= 0 && Number.isInteger(value)) {
      this.#bytes[this.#length++] = value;
      return;
    }
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new FatalError("invalid_command", `not a number that can be encoded: ${value}`);
    }
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  text(value: string): void {
    if (value.length <= SHORT_TEXT_MAX && this.#asciiText(value)) return;
    const byteLength = Buffer.byteLength(value, "utf8");
    this.varint(byteLength);
    this.#reserve(byteLength);
    this.#bytes.write(value, this.#length, "utf8");
    this.#length += byteLength;
  }

  /** Length and bytes; the bytes are copied. */
  blob(value: Uint8Array): void {
    const byteLength = value.byteLength;
    this.varint(byteLength);
    this.#reserve(byteLength);
    this.#bytes.set(value, this.#length);
    this.#length += byteLength;
  }

  /** Leaves room for `count` bytes that are filled in later by `uint32At` and `uint64At`. */
  skip(count: number): void {
    this.#reserve(count);
    this.#length += count;
  }

  byteAt(offset: number, value: number): void {
    this.#bytes[offset] = value;
  }

  uint32At(offset: number, value: number): void {
    this.#bytes.writeUInt32LE(value, offset);
  }

  /** A safe integer from 0 up, as eight bytes, low first. Throws `FatalError` `invalid_command` for anything else. */
  uint64At(offset: number, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new FatalError("invalid_command", `not a number that can be encoded: ${value}`);
    }
    this.#bytes.writeUInt32LE(value % 0x1_0000_0000, offset);
    this.#bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), offset + 4);
  }

  /** The written bytes in a buffer of exactly their size that shares nothing; the writer is empty again. */
  take(): Buffer {
    const taken = Buffer.allocUnsafeSlow(this.#length);
    this.#bytes.copy(taken, 0, 0, this.#length);
    this.#length = 0;
    // A rare giant must not hold its memory for ever.
    if (this.#bytes.length > 8 * this.#capacityHint && taken.length < this.#bytes.length / 8) {
      this.#bytes = Buffer.allocUnsafeSlow(this.#capacityHint);
    }
    return taken;
  }

  #asciiText(value: string): boolean {
    const characters = value.length;
    this.#reserve(1 + characters);
    const bytes = this.#bytes;
    const start = this.#length;
    for (let i = 0; i < characters; i += 1) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[start + 1 + i] = unit;
    }
    bytes[start] = characters;
    this.#length = start + 1 + characters;
    return true;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#bytes.length) this.#grow(needed);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
