/**
 * Writes packets field by field (MQTT 5.0, 1.5), for those that are not hot.
 */
/** Length prefixes are 16 bits; a unit of UTF-16 makes three bytes of UTF-8 at most. */
const TEXT_UNITS_MAX = Math.floor(0xffff / 3);

export class PacketWriter {
  readonly #parts: Buffer[] = [];
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  uint8(value: number): this {
    return this.#add(Buffer.from([value]));
  }

  uint16(value: number): this {
    return this.#add(Buffer.from([value >> 8, value & 255]));
  }

  uint32(value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(value);
    return this.#add(bytes);
  }

  variableInteger(value: number): this {
    return this.#add(variableInteger(value));
  }

  bytes(value: Uint8Array): this {
    return this.#add(Buffer.from(value));
  }

  /** With its length in front: 65,535 bytes at most. */
  binary(value: Uint8Array): this {
    return this.uint16(value.length).bytes(value);
  }

  /** What is too long for a string is left out. */
  text(value: string): this {
    return this.binary(Buffer.from(value.slice(0, TEXT_UNITS_MAX)));
  }

  /** A section with its length in front as a variable byte integer: properties. */
  section(content: PacketWriter): this {
    this.variableInteger(content.#length);
    for (const part of content.#parts) this.#add(part);
    return this;
  }

  /** The packet with this content. */
  packet(first: number): Buffer {
    return Buffer.concat([Buffer.from([first]), variableInteger(this.#length), ...this.#parts]);
  }

  #add(bytes: Buffer): this {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this;
  }
}

/** A variable byte integer (1.5.5). */
export function variableInteger(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest < 128 ? rest : (rest & 127) | 128);
    if (rest < 128) return Buffer.from(bytes);
  }
}
