/**
 * The strokes of a run, one after the other, by name. Each has luck of its own, so that one can be left out and the others are what they
 * were: that is how a failing schedule is made smaller.
 */
import type { Chance } from "./chance.js";

export class Strokes {
  readonly #chance: Chance;
  readonly #leftOut: ReadonlySet<string>;
  readonly #numbers = new Map<string, number>();
  /** Names of those that were made. */
  readonly made: string[] = [];

  constructor(chance: Chance, leftOut: ReadonlySet<string>) {
    this.#chance = chance;
    this.#leftOut = leftOut;
  }

  /** The luck of the next stroke of a kind; `null` when it is left out. */
  next(kind: string): Chance | null {
    const number = (this.#numbers.get(kind) ?? 0) + 1;
    this.#numbers.set(kind, number);
    const name = `${kind}${number}`;
    if (this.#leftOut.has(name)) return null;
    this.made.push(name);
    return this.#chance.stream(name);
  }
}
