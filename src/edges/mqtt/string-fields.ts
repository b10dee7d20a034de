/**
 * Walks the length-prefixed fields of a packet (MQTT 3.1.1, 1.5.3) and refuses text that is not UTF-8 or holds NUL. The codec
 * would put U+FFFD in its place and go on.
 */
import { isUtf8 } from "node:buffer";
import { uint16At } from "./bytes.js";
import { PacketRefused } from "./refusal.js";

/** A place in a packet's variable header and payload that moves from field to field. */
export class FieldWalker {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Whether everything was walked over. */
  get atEnd(): boolean {
    return this.#at === this.#end;
  }

  /** Steps over fixed bytes. Throws `malformed_packet` past the end. */
  skip(bytes: number): void {
    this.#move(bytes);
  }

  /** Steps over binary data (1.5.3's form, any bytes). Throws `malformed_packet` past the end. */
  binary(): void {
    this.#field();
  }

  /** Steps over a string. Throws `malformed_packet`: past the end, not UTF-8 (MQTT-1.5.3-1), NUL (MQTT-1.5.3-2). */
  text(): void {
    const field = this.#field();
    if (!isUtf8(field)) throw new PacketRefused("malformed_packet", "a string that is not UTF-8");
    if (field.includes(0)) throw new PacketRefused("malformed_packet", "a string with NUL");
  }

  #field(): Buffer {
    const lengthAt = this.#move(2);
    const length = uint16At(this.#bytes, lengthAt);
    const start = this.#move(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Returns where it was. */
  #move(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#end)
      throw new PacketRefused("malformed_packet", "a field beyond the packet's end");
    this.#at = at + bytes;
    return at;
  }
}
