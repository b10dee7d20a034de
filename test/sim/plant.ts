/** What a planted bug is, and what several of them use. */
import type { Size } from "./profile.js";
import { type Seams, SOUND } from "./seams.js";
import type { SimDisk } from "./sim-disk.js";
import { SimStateStore } from "./sim-stores.js";

export interface Plant {
  readonly name: string;
  readonly nodes: Size;
  readonly seams: Seams;
  /** What the outside sees of it. */
  readonly shows: RegExp;
}

export function planted(name: string, nodes: Size, seams: Partial<Seams>, shows: RegExp): Plant {
  return { name, nodes, seams: { ...SOUND, stores: "twins", ...seams }, shows };
}

/** Leaves records of one kind out of what a snapshot takes. */
export class PartialView extends SimStateStore {
  readonly #without: string;

  constructor(disk: SimDisk, without: string) {
    super(disk);
    this.#without = without;
  }

  override view(): ReturnType<SimStateStore["view"]> {
    const { entries, release } = super.view();
    const without = this.#without;
    return {
      async *entries() {
        for await (const chunk of entries()) yield chunk.filter(({ key }) => !key.startsWith(without));
      },
      release,
    };
  }
}
