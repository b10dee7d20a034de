/**
 * A reader that asks for a linearizable read on some node, or on all of them at once: after the barrier that node has everything that was
 * acknowledged anywhere before the barrier began, and knows of nothing beyond its head.
 */
import { JangadaError } from "../../src/errors.js";
import type { Chance } from "./chance.js";
import type { Life } from "./life.js";
import type { Setting } from "./setting.js";

/** Of the reads, how many are made on every node at once, and how many are followed by a cursor from the future. */
const EVERYWHERE_CHANCE = 0.15;
const AHEAD_CHANCE = 0.2;

export class Reader {
  /** Answered since the world began. */
  answered = 0;
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #nodes: () => readonly Life[];
  readonly #name: string;

  /** `nodes`: those that serve now. */
  constructor(name: string, setting: Setting, nodes: () => readonly Life[]) {
    this.#name = name;
    this.#setting = setting;
    this.#chance = setting.world.chance.stream(`reader ${name}`);
    this.#nodes = nodes;
    this.#think();
  }

  #think(): void {
    const { world, profile } = this.#setting;
    world.after(this.#chance.around(profile.readMs), () => {
      const lives = this.#nodes();
      if (this.#chance.of(EVERYWHERE_CHANCE)) for (const life of lives) void this.#read(life);
      else if (lives.length > 0) void this.#read(this.#chance.pick(lives));
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
    if (this.#chance.of(AHEAD_CHANCE)) this.#goesOnFrom(life, head + this.#chance.whole(1, 5));
  }

  /** The id of an event that nobody has given yet is no place to go on from. */
  #goesOnFrom({ broker, id }: Life, position: number): void {
    const { world } = this.#setting;
    try {
      broker.positionOf(broker.eventId(position));
    } catch (error) {
      const isRefused = error instanceof JangadaError && error.code === "invalid_cursor";
      world.check(isRefused, () => `${this.#name} is refused an event of the future: ${String(error)}`);
      return;
    }
    world.fail(`${this.#name} may go on from position ${position} of node ${id}, which is in the future`);
  }
}
