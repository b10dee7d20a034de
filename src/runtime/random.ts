/** Port: chance. Everything that needs a random number is handed one of these, so that one seed can decide everything. */
import { randomBytes } from "node:crypto";

export interface Random {
  /** A number from 0 (included) to 1 (excluded). */
  unit(): number;
  /** `length` characters of [a-z0-9]. */
  tag(length: number): string;
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

function tagFrom(unit: () => number, length: number): string {
  let tag = "";
  for (let i = 0; i < length; i += 1) tag += ALPHABET.charAt(Math.floor(unit() * ALPHABET.length));
  return tag;
}

/** Chance from the operating system. */
export const systemRandom: Random = {
  unit: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  tag: (length) => tagFrom(systemRandom.unit, length),
};

/** Chance from a seed (mulberry32): the same seed gives the same numbers for ever. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { unit, tag: (length) => tagFrom(unit, length) };
}
