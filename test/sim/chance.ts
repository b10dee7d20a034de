/** Chance of the simulated world: one seed, a stream for each part, so that a change in one part leaves the others' luck alone. */
import { seededRandom } from "../../src/runtime/random.js";

export class Chance {
  readonly unit: () => number;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
    this.unit = seededRandom(seed).unit;
  }

  /** A stream of its own for a part of the world. */
  stream(name: string): Chance {
    let mixed = this.#seed ^ 0x9e3779b9;
    for (let i = 0; i < name.length; i += 1) mixed = Math.imul(mixed ^ name.charCodeAt(i), 0x01000193);
    return new Chance(mixed ^ (mixed >>> 15));
  }

  of(probability: number): boolean {
    return this.unit() < probability;
  }

  /** From `low` (included) to `high` (excluded). */
  between(low: number, high: number): number {
    return low + this.unit() * (high - low);
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  /** Around `mean`, now and then much longer. */
  around(mean: number): number {
    return -Math.log(1 - this.unit()) * mean;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.unit() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }
}
