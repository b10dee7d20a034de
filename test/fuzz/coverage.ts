/**
 * What the last input reached: one byte for every branch and for every degree to which two compared values agreed. Instrumented modules
 * take their part of one array when they are loaded.
 */
import { GLOBAL } from "./instrument.js";

const FEATURES_MAX = 1 << 18;
/** Degrees of one comparison: how many bytes or characters agree. */
const DEGREES = 16;
/** Values that were compared lately and differed, for the mutator. */
const COMPARED_KEPT = 128;
const COMPARED_TEXT_MAX = 64;

/** Hits of a counter in classes (1, 2, 3, 4.., 8.., 16.., 32.., 128..), as one bit each: a loop that runs more often is news, up to a point. */
const CLASSES = Uint8Array.from({ length: 256 }, (_, hits) => {
  if (hits <= 3) return [0, 1, 2, 4][hits] ?? 0;
  const bounds = [8, 16, 32, 128, 256];
  return 8 << bounds.findIndex((bound) => hits < bound);
});

/** Bytes of two 32-bit numbers that agree. */
function agreeingBytes(a: number, b: number): number {
  const difference = a ^ b;
  let agreeing = 0;
  for (let shift = 0; shift < 32; shift += 8) if (((difference >>> shift) & 255) === 0) agreeing += 1;
  return agreeing;
}

function commonPrefix(a: string, b: string): number {
  const end = Math.min(a.length, b.length, DEGREES - 1);
  for (let i = 0; i < end; i += 1) if (a.charCodeAt(i) !== b.charCodeAt(i)) return i;
  return end;
}

/** What an instrumented module says of itself. */
export interface ModuleFacts {
  readonly path: string;
  readonly branches: number;
  readonly comparisons: number;
  readonly literals: readonly (string | number)[];
}

export class Coverage {
  readonly #hits = new Uint8Array(FEATURES_MAX);
  readonly #seen = new Uint8Array(FEATURES_MAX);
  readonly #words = new Uint32Array(this.#hits.buffer);
  readonly #isBranch = new Uint8Array(FEATURES_MAX);
  readonly #modules: { readonly path: string; readonly from: number; readonly to: number }[] = [];
  readonly #literals = new Set<string | number>();
  readonly #compared: (string | number)[] = [];
  #used = 0;
  #comparedAt = 0;
  #largest = 0;

  /** Makes this the coverage that instrumented modules tell. */
  install(): void {
    Reflect.set(globalThis, GLOBAL, this);
  }

  /** Called by every instrumented module as it is loaded. */
  module({
    path,
    branches,
    comparisons,
    literals,
  }: ModuleFacts): [
    Uint8Array,
    (site: number, a: unknown, b: unknown) => boolean,
    (size: unknown) => unknown,
  ] {
    const from = this.#used;
    const degreesFrom = from + branches;
    this.#used = degreesFrom + comparisons * DEGREES;
    if (this.#used > FEATURES_MAX) throw new Error("too many branches to count");
    this.#isBranch.fill(1, from, degreesFrom);
    this.#modules.push({ path, from, to: degreesFrom });
    for (const literal of literals) this.#literals.add(literal);
    const degrees = this.#hits.subarray(degreesFrom, this.#used);
    const equals = (site: number, a: unknown, b: unknown): boolean => {
      if (a === b) return true;
      if (typeof a === "number" && typeof b === "number") {
        if (a > 255 || b > 255) this.#differed(a, b);
        degrees[site * DEGREES + agreeingBytes(a, b)] = 1;
      } else if (typeof a === "string" && typeof b === "string") {
        this.#differed(a, b);
        degrees[site * DEGREES + commonPrefix(a, b)] = 1;
      }
      return false;
    };
    const sized = (size: unknown): unknown => {
      if (typeof size === "number") this.allocated(size);
      return size;
    };
    return [this.#hits.subarray(from, degreesFrom), equals, sized];
  }

  /** Somebody took so much room at once. */
  allocated(bytes: number): void {
    if (bytes > this.#largest) this.#largest = bytes;
  }

  /** Most room taken at once since `begin`, bytes. */
  get largestAllocation(): number {
    return this.#largest;
  }

  /** Branches that any input has reached, and all there are. */
  get branches(): { readonly reached: number; readonly all: number } {
    let reached = 0;
    let all = 0;
    for (let i = 0; i < this.#used; i += 1) {
      if (this.#isBranch[i] === 0) continue;
      all += 1;
      if (this.#seen[i] !== 0) reached += 1;
    }
    return { reached, all };
  }

  /** Branches that any input has reached, and all there are, by module. */
  get modules(): readonly { readonly path: string; readonly reached: number; readonly all: number }[] {
    return this.#modules.map(({ path, from, to }) => {
      const reached = this.#seen.subarray(from, to).reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0);
      return { path, reached, all: to - from };
    });
  }

  /** Words and numbers of the sources, and values that were compared lately. */
  get literals(): readonly (string | number)[] {
    return [...this.#literals];
  }

  get compared(): readonly (string | number)[] {
    return this.#compared;
  }

  /** Another input begins. */
  begin(): void {
    this.#words.fill(0, 0, (this.#used >> 2) + 1);
    this.#largest = 0;
  }

  /** Takes what the input reached into what was seen; whether any of it is new. */
  isNew(): boolean {
    let isNew = false;
    const words = (this.#used >> 2) + 1;
    for (let word = 0; word < words; word += 1) {
      if (this.#words[word] === 0) continue;
      for (let i = word << 2; i < (word << 2) + 4; i += 1) {
        const bits = CLASSES[this.#hits[i] ?? 0] ?? 0;
        const seen = this.#seen[i] ?? 0;
        if ((bits & ~seen) === 0) continue;
        this.#seen[i] = seen | bits;
        isNew = true;
      }
    }
    return isNew;
  }

  /** What the input reached, as numbers of place and class. */
  features(): number[] {
    const found: number[] = [];
    for (let i = 0; i < this.#used; i += 1) {
      const bits = CLASSES[this.#hits[i] ?? 0] ?? 0;
      if (bits !== 0) found.push(i * 8 + (31 - Math.clz32(bits)));
    }
    return found;
  }

  #differed(a: string | number, b: string | number): void {
    for (const value of [a, b]) {
      if (typeof value === "string" && (value.length === 0 || value.length > COMPARED_TEXT_MAX)) continue;
      this.#compared[this.#comparedAt % COMPARED_KEPT] = value;
      this.#comparedAt += 1;
    }
  }
}
