/** Makes inputs out of others: bits, bytes, numbers at the edges of their ranges, pieces moved, words of the format. One seed decides all. */
import type { Random } from "../../src/runtime/random.js";

const INTERESTING_BYTES = [0, 1, 2, 4, 8, 16, 32, 63, 64, 100, 127, 128, 192, 254, 255];
const INTERESTING_NUMBERS = [
  0, 1, 2, 127, 128, 255, 256, 1_000, 1_024, 4_096, 16_383, 16_384, 32_767, 32_768, 65_535, 65_536, 2_097_151,
  2_097_152, 268_435_455, 268_435_456, 2_147_483_647, 2_147_483_648, 4_294_967_295,
];
const INTERESTING_DOUBLES = [
  0,
  -0,
  1,
  -1,
  0.5,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 64,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.MIN_VALUE,
];
const INTERESTING_TEXTS = [
  "0",
  "-1",
  "1e999",
  "9007199254740993",
  "4294967296",
  "00",
  "",
  "%00",
  "%",
  "\ud83d",
  "null",
];
/** Changes to one input, at most: 2 to the power of this. */
const STACK_POWER = 4;
const PIECE_MAX = 64;
/** How far a number in text is looked for, bytes. */
const DECIMAL_WINDOW = 256;

/** Where the mutator takes words from. */
export interface Words {
  readonly dictionary: readonly (string | Uint8Array)[];
  readonly literals: readonly (string | number)[];
  readonly compared: readonly (string | number)[];
}

export class Mutator {
  readonly #random: Random;
  readonly #bytesMax: number;
  readonly #words: Words;
  #bytes: Buffer = Buffer.alloc(0);
  #other: Buffer = Buffer.alloc(0);

  constructor(random: Random, bytesMax: number, words: Words) {
    this.#random = random;
    this.#bytesMax = bytesMax;
    this.#words = words;
  }

  below(end: number): number {
    return Math.floor(this.#random.unit() * end);
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[this.below(from.length)];
  }

  /** A new input out of `parent`, perhaps with pieces of `other`. */
  mutate(parent: Buffer, other: Buffer): Buffer {
    this.#bytes = Buffer.from(parent);
    this.#other = other;
    const changes = 1 << this.below(STACK_POWER + 1);
    for (let i = 0; i < changes; i += 1) this.#change();
    if (this.#bytes.length > this.#bytesMax) this.#bytes = this.#bytes.subarray(0, this.#bytesMax);
    return this.#bytes;
  }

  #change(): void {
    const bytes = this.#bytes;
    const kind = this.below(bytes.length === 0 ? 5 : 20);
    const at = this.below(bytes.length + 1);
    if (kind < 2) this.#put(at, 0, this.#word());
    else if (kind === 2) this.#put(at, 0, this.#noise(1 + this.below(8)));
    else if (kind === 3) this.#put(at, 0, this.#number());
    else if (kind === 4) this.#put(at, 0, this.#pieceOf(this.#other));
    else if (kind === 5) this.#put(at, 0, this.#pieceOf(bytes));
    else if (kind === 6)
      this.#put(at, 1 + this.below(this.below(3) === 0 ? bytes.length : 8), Buffer.alloc(0));
    else if (kind === 7) this.#overwrite(at, this.#word());
    else if (kind === 8) this.#overwrite(at, this.#number());
    else if (kind === 9) this.#overwrite(at, this.#pieceOf(this.#other));
    else if (kind === 10) this.#overwrite(at, this.#pieceOf(bytes));
    else if (kind === 11) this.#splice(at);
    else if (kind === 12) this.#decimal();
    else if (kind === 13) this.#put(at, this.below(9), this.#word());
    else this.#spoil(this.below(bytes.length), kind);
  }

  /** One byte. */
  #spoil(at: number, kind: number): void {
    const bytes = this.#bytes;
    const value = bytes[at] ?? 0;
    if (kind < 16) bytes[at] = value ^ (1 << this.below(8));
    else if (kind === 16) bytes[at] = this.below(256);
    else if (kind === 17) bytes[at] = this.pick(INTERESTING_BYTES) ?? 0;
    else bytes[at] = value + this.below(17) - 8;
  }

  #noise(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  #pieceOf(from: Buffer): Buffer {
    const start = this.below(from.length);
    const length = 1 + this.below(this.below(4) === 0 ? from.length : Math.min(PIECE_MAX, from.length));
    return Buffer.from(from.subarray(start, start + length));
  }

  /** The rest is that of the other. */
  #splice(at: number): void {
    const from = this.#other.subarray(this.below(this.#other.length + 1));
    this.#bytes = Buffer.concat([this.#bytes.subarray(0, at), from]);
  }

  #put(at: number, instead: number, piece: Uint8Array): void {
    const bytes = this.#bytes;
    if (bytes.length + piece.length - instead > 2 * this.#bytesMax) return;
    this.#bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + instead)]);
  }

  #overwrite(at: number, piece: Uint8Array): void {
    this.#bytes.set(piece.subarray(0, Math.max(0, this.#bytes.length - at)), at);
  }

  /** Some number in text becomes another. */
  #decimal(): void {
    const from = this.below(this.#bytes.length);
    const chosen = /\d+/.exec(this.#bytes.toString("latin1", from, from + DECIMAL_WINDOW));
    if (chosen === null) return;
    const number = this.below(3) === 0 ? this.pick(INTERESTING_TEXTS) : String(this.#interesting());
    this.#put(from + chosen.index, chosen[0].length, Buffer.from(number ?? "", "utf8"));
  }

  #interesting(): number {
    const base = this.pick(INTERESTING_NUMBERS) ?? 0;
    return this.below(3) === 0 ? Math.max(0, base + this.below(5) - 2) : base;
  }

  #number(): Buffer {
    return this.below(6) === 0
      ? asDouble(this.pick(INTERESTING_DOUBLES) ?? 0)
      : this.#encoded(this.#interesting());
  }

  /** A number in one of the ways that formats have. */
  #encoded(value: number): Buffer {
    const whole = Number.isSafeInteger(value) && value >= 0 ? value : 0;
    switch (this.below(7)) {
      case 0:
        return Buffer.from([whole & 255]);
      case 1:
        return Buffer.from([whole & 255, (whole >>> 8) & 255]);
      case 2:
        return Buffer.from([(whole >>> 8) & 255, whole & 255]);
      case 3: {
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32LE(whole >>> 0);
        return bytes;
      }
      case 4: {
        const bytes = Buffer.alloc(4);
        bytes.writeUInt32BE(whole >>> 0);
        return bytes;
      }
      case 5:
        return asDouble(value);
      default:
        return asVarint(whole);
    }
  }

  #word(): Uint8Array {
    const { dictionary, literals, compared } = this.#words;
    const kind = this.below(3);
    const from = kind === 0 ? compared : kind === 1 ? literals : dictionary;
    const word = this.pick<string | number | Uint8Array>(from) ?? this.pick(dictionary);
    if (word === undefined) return this.#noise(2);
    if (typeof word === "number") return this.#encoded(word);
    return typeof word === "string" ? Buffer.from(word, "utf8") : word;
  }
}

function asDouble(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

/** Seven bits a byte, lowest first: varints, and lengths of MQTT. */
function asVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}
