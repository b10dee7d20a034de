/**
 * Leaders that fall one after another: each is cut off or crashes as soon as it leads, with entries that few others have; the one before is
 * heard again when the next one falls. What an older term left half done comes back (Raft thesis 3.6.2, figure 3.7).
 */
import type { Chance } from "./chance.js";
import type { Setting } from "./setting.js";
import type { SimNode } from "./sim-node.js";

const FALLS_MAX = 6;
/** Looks, a tick apart, until somebody else has to lead. */
const PATIENCE = 100;
/** From leading to falling: nothing, something or all of its first entries may be with the others by then. */
const REIGN_TICKS_MAX = 3;

export class LeaderNemesis {
  readonly #setting: Setting;
  /** Those that may be hit now. */
  readonly #victims: () => readonly SimNode[];

  constructor(setting: Setting, victims: () => readonly SimNode[]) {
    this.#setting = setting;
    this.#victims = victims;
  }

  /** From now on, for some terms. */
  strike(luck: Chance): void {
    this.#setting.world.fault("leaders fall one after another");
    this.#watch(luck, luck.whole(2, FALLS_MAX), 0);
  }

  #watch(luck: Chance, falls: number, afterTerm: number, looks = PATIENCE): void {
    const { world, profile, network } = this.#setting;
    if (world.isCalm) return;
    const leader = this.#newest(afterTerm);
    // The last of them is heard again when somebody else leads, too.
    if (looks === 0 || (falls === 0 && leader !== null)) {
      network.heal();
      return;
    }
    if (leader === null) {
      world.after(profile.tickMs, () => this.#watch(luck, falls, afterTerm, looks - 1));
      return;
    }
    const { node, term } = leader;
    world.after(luck.between(0, REIGN_TICKS_MAX * profile.tickMs), () => {
      this.#fell(luck, node);
      this.#watch(luck, falls - 1, term);
    });
  }

  /** Who leads a later term than that one. */
  #newest(afterTerm: number): { readonly node: SimNode; readonly term: number } | null {
    for (const node of this.#victims()) {
      const status = node.life?.raft.status();
      if (status?.role === "leader" && status.term > afterTerm) return { node, term: status.term };
    }
    return null;
  }

  #fell(luck: Chance, node: SimNode): void {
    const { world, network } = this.#setting;
    if (world.isCalm || !this.#victims().includes(node)) return;
    network.heal();
    if (luck.of(0.5)) {
      node.crash("as soon as it leads");
      return;
    }
    world.tell("net", `cuts off ${node.id} as soon as it leads`);
    network.isolate(node.id, this.#victims());
  }
}
