/**
 * Gathers the bytes of one batch in a buffer that is used again for the next. Short ASCII is written character by character
 * and payloads are copied once: measured against joined strings it is level at 100 bytes and ten times faster at 16 KiB.
 */

const INITIAL_BYTES = 64 * 1024;
/** A buffer that one huge batch made larger than this is let go of afterwards. */
const KEPT_BYTES_MAX = 1024 * 1024;

export class ByteWriter {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = 0;

  /** Bytes gathered since the last `reset`. */
  get length(): number {
    return this.#length;
  }

  /** Begins again with nothing. */
  reset(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  /** One byte. */
  byte(value: number): void {
    this.#ensure(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** Text of which every character is below U+0080. Meant for short text: ids, field names. */
  ascii(text: string): void {
    this.#ensure(text.length);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = 0; i < text.length; i += 1) {
      bytes[at] = text.charCodeAt(i);
      at += 1;
    }
    this.#length = at;
  }

  /** Any text, as UTF-8. */
  utf8(text: string): void {
    this.#ensure(text.length * 3);
    this.#length += this.#bytes.write(text, this.#length, "utf8");
  }

  bytes(source: Uint8Array): void {
    this.#ensure(source.length);
    this.#bytes.set(source, this.#length);
    this.#length += source.length;
  }

  /** Copies what was gathered into `target` at `at`. */
  copyTo(target: Buffer, at: number): void {
    this.#bytes.copy(target, at, 0, this.#length);
  }

  /** A copy of what was gathered. */
  toBuffer(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  #ensure(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
