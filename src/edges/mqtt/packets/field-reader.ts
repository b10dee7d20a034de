/**
 * Reads the fields of a packet one after the other, in the forms of MQTT 5.0, 1.5 (those of 3.1.1 are the same, with fewer of them).
 * Whatever is not there, or not what it has to be, is a malformed packet.
 */
import { isUtf8 } from "node:buffer";
import { isPrintable } from "../../../topics/topic-name.js";
import { byteAt, uint16At } from "../bytes.js";
import { PacketRefused } from "../refusal.js";

const NUL = 0;

const SHORT_TEXT_BYTES = 64;

/** ASCII and not NUL. */
function isPlain(byte: number): boolean {
  return byte > NUL && byte < 0x80;
}

export class FieldReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  /** Reads `bytes[at, end)`. */
  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Where the next field begins. */
  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  uint8(): number {
    return byteAt(this.#bytes, this.#move(1));
  }

  uint16(): number {
    return uint16At(this.#bytes, this.#move(2));
  }

  uint32(): number {
    const at = this.#move(4);
    return uint16At(this.#bytes, at) * 0x10000 + uint16At(this.#bytes, at + 2);
  }

  /** Variable byte integer (1.5.5): four bytes at most, and no more than it needs (MQTT-1.5.5-1). */
  variableInteger(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const digit = this.uint8();
      value |= (digit & 127) << shift;
      if (digit >= 128) continue;
      if (digit === 0 && shift > 0) throw malformed("a variable byte integer that is longer than it needs");
      return value;
    }
    throw malformed("a variable byte integer of more than four bytes");
  }

  /** Binary data (1.5.6): a view. */
  binary(): Buffer {
    const start = this.#prefixed();
    return this.#bytes.subarray(start, this.#at);
  }

  /** A string (1.5.4): UTF-8 (MQTT-1.5.4-1) without U+0000 (MQTT-1.5.4-2). */
  text(): string {
    const start = this.#prefixed();
    this.#checkText(start);
    return this.#bytes.toString("utf8", start, this.#at);
  }

  /** Steps over a string, which is judged like every other. */
  skipText(): void {
    this.#checkText(this.#prefixed());
  }

  /** A string that names something, a topic or a user: no control characters (1.5.4 lets a receiver treat them as malformed). */
  name(): string {
    const name = this.text();
    if (!isPrintable(name)) throw malformed("a name with a control character");
    return name;
  }

  /** The next `length` bytes, to be read by themselves. */
  section(length: number): FieldReader {
    const at = this.#move(length);
    return new FieldReader(this.#bytes, at, at + length);
  }

  /** A view of the bytes `[from, to)` of the packet's buffer. */
  view(from: number, to: number): Buffer {
    return this.#bytes.subarray(from, to);
  }

  /** Steps over a length and as many bytes; returns where they begin. */
  #prefixed(): number {
    return this.#move(this.uint16());
  }

  /** Judges the string from `start` to here. Most are short and plain: for those a call into the runtime would cost more. */
  #checkText(start: number): void {
    const end = this.#at;
    if (end - start <= SHORT_TEXT_BYTES) {
      let at = start;
      while (at < end && isPlain(byteAt(this.#bytes, at))) at += 1;
      if (at === end) return;
    }
    const bytes = this.#bytes.subarray(start, end);
    if (!isUtf8(bytes)) throw malformed("a string that is not UTF-8");
    if (bytes.includes(NUL)) throw malformed("a string with NUL");
  }

  /** Returns where it was. */
  #move(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#end) throw malformed("a field beyond the packet's end");
    this.#at = at + bytes;
    return at;
  }
}

/** The packet is not what it claims to be (4.13). */
export function malformed(detail: string): PacketRefused {
  return new PacketRefused("malformed_packet", detail);
}

/** The packet says what it may not (4.13). */
export function protocolError(detail: string): PacketRefused {
  return new PacketRefused("protocol_violation", detail);
}
