/**
 * What all entries of the small state add up to, whatever their order: their number, and two sums over their checksums. It is kept beside
 * them, changed with them, and compared when all of them are read: LMDB has no checksums of pages, and a page that is lost, or an old one in
 * its place, has only sound values in it.
 */

const BYTES = 12;

/** Spreads a checksum over 32 bits, so that sums of related ones differ. */
function spread(crc: number, factor: number): number {
  const half = Math.imul(crc ^ (crc >>> 15), factor);
  return (half ^ (half >>> 13)) >>> 0;
}

export class StateSum {
  readonly #words = new Uint32Array(3);

  /** `null` for bytes that are none. */
  static decode(bytes: Uint8Array): StateSum | null {
    if (bytes.length !== BYTES) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const sum = new StateSum();
    for (let word = 0; word < 3; word += 1) sum.#words[word] = view.getUint32(word * 4, true);
    return sum;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(BYTES);
    const view = new DataView(bytes.buffer);
    for (let word = 0; word < 3; word += 1) view.setUint32(word * 4, this.#words[word] ?? 0, true);
    return bytes;
  }

  copy(): StateSum {
    const sum = new StateSum();
    sum.#words.set(this.#words);
    return sum;
  }

  /** One more entry, by the checksum of its key and value. */
  add(crc: number): void {
    this.#change(crc, 1);
  }

  /** One entry less. */
  remove(crc: number): void {
    this.#change(crc, -1);
  }

  equals(other: StateSum): boolean {
    return this.#words.every((word, at) => word === other.#words[at]);
  }

  #change(crc: number, sign: 1 | -1): void {
    const [count = 0, first = 0, second = 0] = this.#words;
    this.#words.set([
      count + sign,
      first + sign * spread(crc, 0x85eb_ca6b),
      second + sign * spread(crc, 0xc2b2_ae35),
    ]);
  }
}
