/**
 * Leaders that fall one after another: each is cut off or crashes as soon as it has spoken, with entries that few others have or none; the
 * one before is heard again then. What an older term left half done comes back (Raft thesis 3.6.2, figure 3.7).
 */
import type { NodeId } from "../../cluster/types.js";
import type { Chance } from "./chance.js";
import type { Setting } from "./setting.js";
import type { SimNode } from "./sim-node.js";

const FALLS_MAX = 6;
/** Ticks until somebody else has to lead: it is over then. */
const PATIENCE_TICKS = 100;
/** From leading to falling: nothing, something or all of its first entries may be with the others by then. */
const REIGN_TICKS_MAX = 3;

interface Fall {
  readonly reignMs: number;
  readonly how: "crash" | "cut";
}

export class LeaderNemesis {
  readonly #setting: Setting;
  /** Those that may be hit now. */
  readonly #victims: () => readonly SimNode[];
  /** Those to come, of the present stroke; `null` when there is none. */
  #falls: Fall[] | null = null;
  /** Leaders that were seen, of all strokes. */
  #reigns = 0;

  constructor(setting: Setting, victims: () => readonly SimNode[]) {
    this.#setting = setting;
    this.#victims = victims;
    setting.network.onLeader = (id) => this.#leads(id);
  }

  /** Whether leaders are falling: what else went wrong at the same time would mostly decide who leads next. */
  get isStriking(): boolean {
    return this.#falls !== null;
  }

  /** From now on, for some terms. */
  strike(luck: Chance): void {
    const { world, profile } = this.#setting;
    world.fault("leaders fall one after another");
    const reignMsMax = REIGN_TICKS_MAX * profile.tickMs;
    this.#falls = luck.of(0.5) ? anyFalls(luck, reignMsMax) : fallsOfTheFigure(luck, reignMsMax);
    const leading = this.#victims().find(({ life }) => life?.raft.status().role === "leader");
    if (leading === undefined) this.#await();
    else this.#leads(leading.id);
  }

  /** The node leads from now on. */
  #leads(id: NodeId): void {
    if (this.#falls === null) return;
    this.#reigns += 1;
    const fall = this.#falls.shift();
    if (fall === undefined) this.#end();
    else this.#setting.world.after(fall.reignMs, () => this.#fell(id, fall));
  }

  #fell(id: NodeId, { how }: Fall): void {
    const { world, network } = this.#setting;
    if (world.isCalm || this.#falls === null) return;
    const node = this.#victims().find((each) => each.id === id);
    if (node === undefined) {
      this.#falls = null;
      return;
    }
    network.heal();
    if (how === "crash") node.crash("as soon as it leads");
    else {
      world.tell("net", `cuts off ${id} as soon as it leads`);
      network.isolate(id, this.#victims());
    }
    this.#await();
  }

  /** Unless somebody else leads in time it is over. */
  #await(): void {
    const { world, profile } = this.#setting;
    const reigns = this.#reigns;
    world.after(PATIENCE_TICKS * profile.tickMs, () => {
      if (!world.isCalm && this.#falls !== null && this.#reigns === reigns) this.#end();
    });
  }

  #end(): void {
    this.#falls = null;
    if (!this.#setting.world.isCalm) this.#setting.network.heal();
  }
}

function anyFalls(luck: Chance, reignMsMax: number): Fall[] {
  return Array.from({ length: luck.whole(2, FALLS_MAX) }, () => ({
    reignMs: luck.between(0, reignMsMax),
    how: luck.pick(["crash", "cut"] as const),
  }));
}

/**
 * One that leads for long enough to have entries that nobody else has; one that nobody hears of; and the first again, as nobody else can win,
 * in the midst of handing its old entries out: it is the second's turn then, whose entry is newer than those.
 */
function fallsOfTheFigure(luck: Chance, reignMsMax: number): Fall[] {
  return [
    { reignMs: luck.between(0, reignMsMax), how: "cut" },
    { reignMs: 0, how: "cut" },
    { reignMs: luck.between(0, reignMsMax), how: "cut" },
  ];
}
