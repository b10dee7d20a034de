/**
 * Bytes coming in, never trusted: every read is checked against the end, every text is valid UTF-8, every number safe.
 * Whatever is wrong is one error, whose code the owner of the format chooses.
 */
import { FatalError } from "../../errors.js";

/** A varint of eight bytes holds 56 bits; a safe integer has 53. */
const VARINT_SHIFT_MAX = 2 ** 49;

/** Texts that come again and again (topics, content types, origins) are decoded once: a small cache by hash. */
const SHARED_TEXT_MAX = 64;
const SHARED_SLOTS = 4096;
const sharedTexts: string[] = new Array<string>(SHARED_SLOTS).fill("");

export class ByteReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #errorCode: string;
  #at = 0;

  /** Reads `bytes`; what is malformed throws `FatalError` with `errorCode`. */
  constructor(bytes: Uint8Array, errorCode: string) {
    this.#bytes =
      bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.byteLength;
    this.#errorCode = errorCode;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  /** The error for malformed bytes: `throw reader.malformed("...")`. */
  malformed(what: string): FatalError {
    return new FatalError(this.#errorCode, `malformed bytes: ${what} at byte ${this.#at} of ${this.#end}`);
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw this.malformed("end reached");
    this.#at += 1;
    return value;
  }

  varint(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let unit = 0x80; unit <= VARINT_SHIFT_MAX; unit *= 0x80) {
      const next = this.byte();
      value += (next & 0x7f) * unit;
      if (next < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
    }
    throw this.malformed("number out of range");
  }

  /** Eight bytes, low first. */
  uint64(): number {
    if (this.remaining < 8) throw this.malformed("end reached");
    const value = this.#bytes.readUInt32LE(this.#at) + this.#bytes.readUInt32LE(this.#at + 4) * 0x1_0000_0000;
    if (!Number.isSafeInteger(value)) throw this.malformed("number out of range");
    this.#at += 8;
    return value;
  }

  uint32(): number {
    if (this.remaining < 4) throw this.malformed("end reached");
    const value = this.#bytes.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  /** Length and bytes, as a view of what is being read. */
  blob(): Buffer {
    const length = this.#length();
    const start = this.#at;
    this.#at = start + length;
    return this.#bytes.subarray(start, start + length);
  }

  /** A text that is likely to be new. */
  text(): string {
    const length = this.#length();
    return length === 0 ? "" : this.#utf8(length);
  }

  /** A text that is likely to have been seen lately: usually the same string object as then. */
  sharedText(): string {
    const length = this.#length();
    if (length === 0) return "";
    if (length > SHARED_TEXT_MAX) return this.#utf8(length);
    const bytes = this.#bytes;
    const start = this.#at;
    let hash = 0;
    let bits = 0;
    for (let i = start; i < start + length; i += 1) {
      const value = bytes[i] ?? 0;
      hash = (Math.imul(hash, 31) + value) | 0;
      bits |= value;
    }
    if (bits >= 0x80) return this.#utf8(length);
    const slot = (hash ^ (hash >>> 12)) & (SHARED_SLOTS - 1);
    const known = sharedTexts[slot] ?? "";
    if (known.length === length && this.#isNext(known)) {
      this.#at = start + length;
      return known;
    }
    const text = this.#utf8(length);
    sharedTexts[slot] = text;
    return text;
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.#at !== this.#end) throw this.malformed("bytes left over");
  }

  #length(): number {
    const length = this.varint();
    if (length > this.#end - this.#at) throw this.malformed("end reached");
    return length;
  }

  #isNext(ascii: string): boolean {
    for (let i = 0; i < ascii.length; i += 1) {
      if (ascii.charCodeAt(i) !== this.#bytes[this.#at + i]) return false;
    }
    return true;
  }

  #utf8(length: number): string {
    const start = this.#at;
    const end = start + length;
    const text = this.#bytes.toString("utf8", start, end);
    // Decoding puts U+FFFD where bytes are not UTF-8; a text may also hold one of its own.
    if (text.includes("\ufffd") && !Buffer.from(text, "utf8").equals(this.#bytes.subarray(start, end))) {
      throw this.malformed("text is not UTF-8");
    }
    this.#at = end;
    return text;
  }
}
