/**
 * The committed history, as the nodes apply it: every index holds one entry, the same on every node and in every life. A machine
 * beside them, which never crashes, applies it once.
 */
import type { CommittedEntry } from "../../cluster/state-machine.js";
import { decodeEnvelope } from "../../src/commands/codec.js";
import { Machine } from "../../src/state-machine/machine.js";
import type { World } from "./world.js";

/** Index 1 is the base that every group begins from. */
const FIRST_INDEX = 2;

export class History {
  readonly machine = new Machine();
  readonly #world: World;
  readonly #entries: CommittedEntry[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  get lastIndex(): number {
    return FIRST_INDEX - 1 + this.#entries.length;
  }

  /** A node is about to apply this. */
  applied(nodeId: string, entry: CommittedEntry): void {
    const { index, term, data } = entry;
    const known = this.#entries[index - FIRST_INDEX];
    if (known !== undefined) {
      const isSame = known.term === term && Buffer.compare(known.data, data) === 0;
      this.#world.check(
        isSame,
        () => `node ${nodeId} applies another entry ${index} than was applied before`,
      );
      return;
    }
    if (index !== this.lastIndex + 1) {
      this.#world.fail(`node ${nodeId} applies entry ${index} after ${this.lastIndex}: a hole`);
      return;
    }
    this.#entries.push({ index, term, data: data.slice() });
    if (data.byteLength === 0) this.machine.skip(index);
    else this.machine.apply(decodeEnvelope(data.slice()), index);
  }
}
