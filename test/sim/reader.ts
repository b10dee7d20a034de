/**
 * A reader that asks for a linearizable read on some node: after the barrier that node has everything that was acknowledged anywhere
 * before the barrier began.
 */
import type { Chance } from "./chance.js";
import type { Life } from "./life.js";
import type { Setting } from "./setting.js";

export class Reader {
  /** Answered since the world began. */
  answered = 0;
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #door: () => Life | null;
  readonly #name: string;

  /** `door`: a node that answers now. */
  constructor(name: string, setting: Setting, door: () => Life | null) {
    this.#name = name;
    this.#setting = setting;
    this.#chance = setting.world.chance.stream(`reader ${name}`);
    this.#door = door;
    this.#think();
  }

  #think(): void {
    const { world, profile } = this.#setting;
    world.after(this.#chance.around(profile.readMs), () => {
      const life = this.#door();
      if (life !== null) void this.#read(life);
      this.#think();
    });
  }

  async #read(life: Life): Promise<void> {
    const { world, ledger } = this.#setting;
    const known = ledger.acknowledgedThrough;
    const begunMs = world.nowMs;
    try {
      await life.barrier();
    } catch {
      return;
    }
    if (!life.scope.alive) return;
    this.answered += 1;
    world.counts.reads += 1;
    const head = life.store.lastPosition;
    const tookMs = Math.round(world.nowMs - begunMs);
    world.check(
      head >= known,
      () => `${this.#name} reads up to ${head} after ${tookMs} ms, ${known} was acknowledged before it asked`,
    );
  }
}
