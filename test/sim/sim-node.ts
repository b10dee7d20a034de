/** A node of the simulation: a disk that stays, lives that come and go. */
import { CRASH_POINTS, type CrashPoint } from "../../cluster/ready-loop.js";
import { seededRandom } from "../../src/runtime/random.js";
import type { Chance } from "./chance.js";
import { Scope } from "./event-queue.js";
import { inspect } from "./inspect.js";
import { Life, type Setting } from "./life.js";
import { SimClock } from "./sim-clock.js";
import { emptyImages, type Images, SimDisk } from "./sim-disk.js";
import { Crashed } from "./world.js";

/** What a restart finds gone: nothing, the small state, or the small state and the messages. The log is never lost. */
export type Loss = "nothing" | "state" | "state and messages";

export class SimNode {
  readonly id: string;
  life: Life | null = null;
  /** Crashes at this passing of this point. */
  armed: { readonly point: CrashPoint; passings: number } | null = null;
  wallOffsetMs = 0;
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #onLifeEnded: (node: SimNode, life: Life) => void;
  #images: Images = emptyImages();
  #lastDisk: SimDisk | null = null;
  #isBusy = false;
  #lives = 0;

  constructor(id: string, setting: Setting, onLifeEnded: (node: SimNode, life: Life) => void) {
    this.id = id;
    this.#setting = setting;
    this.#chance = setting.world.chance.stream(`node ${id}`);
    this.#onLifeEnded = onLifeEnded;
  }

  /** Neither running nor on its way up or down. */
  get isDown(): boolean {
    return this.life === null && !this.#isBusy;
  }

  get isServing(): boolean {
    return this.life?.isServing === true && !this.#isBusy;
  }

  crash(how: string): void {
    const { life } = this;
    if (life === null) return;
    this.#setting.world.counts.crashes += 1;
    this.#setting.world.tell(`n${this.id}`, `crash ${how}`);
    this.#end(life);
  }

  /** At most one start is under way; it ends in serving, in a crash, or in a broken rule. */
  async start(loss: Loss = "nothing"): Promise<void> {
    if (!this.isDown) return;
    const { world } = this.#setting;
    this.#isBusy = true;
    if (this.#lastDisk !== null) this.#images = await this.#lastDisk.afterCrash(this.#chance);
    if (loss !== "nothing") this.#lose(loss);
    world.tell(`n${this.id}`, `starts${loss === "nothing" ? "" : ` without its ${loss}`}`);
    world.counts.restarts += 1;
    const life = this.#createLife();
    this.life = life;
    this.#isBusy = false;
    try {
      await life.start();
    } catch (error) {
      if (life.scope.alive) world.fail(`node ${this.id} does not start: ${String(error)}`);
      return;
    }
    if (!life.scope.alive) return;
    world.tell(
      `n${this.id}`,
      `serves, applied ${life.replica.appliedIndex}, head ${life.store.lastPosition}`,
    );
    inspect(this.#setting, this.id, life);
  }

  /** A clean stop. */
  async stop(): Promise<void> {
    const { life } = this;
    if (life === null || !this.isServing) return;
    const { world } = this.#setting;
    this.#isBusy = true;
    world.tell(`n${this.id}`, "stops");
    await life.stop();
    this.#isBusy = false;
    if (!life.scope.alive) return;
    world.tell(`n${this.id}`, "stopped");
    this.#end(life);
  }

  #end(life: Life): void {
    life.scope.alive = false;
    life.isServing = false;
    this.life = null;
    this.armed = null;
    this.#isBusy = false;
    this.#onLifeEnded(this, life);
  }

  #lose(loss: Loss): void {
    this.#setting.world.counts.restores += 1;
    const { messages, staged } = emptyImages();
    this.#images = { ...this.#images, state: { entries: new Map() } };
    if (loss === "state and messages") this.#images = { ...this.#images, messages, staged };
  }

  #createLife(): Life {
    const { world, profile } = this.#setting;
    const chance = this.#chance;
    const scope = new Scope();
    const clock = new SimClock(world, scope, () => this.wallOffsetMs);
    const disk = new SimDisk(this.#images, () => {
      const isSlow = chance.of(profile.diskSlowChance);
      return clock.sleep(isSlow ? chance.between(20, 150) : chance.around(profile.diskMs));
    });
    this.#lastDisk = disk;
    const random = seededRandom(chance.whole(0, 2 ** 31));
    this.#lives += 1;
    return new Life({
      id: this.id,
      setting: this.#setting,
      scope,
      clock,
      disk,
      tag: random.tag,
      random: random.unit,
      incarnation: this.#lives,
      onCrashPoint: (point) => this.#passed(point, scope),
    });
  }

  #passed(point: CrashPoint, scope: Scope): void {
    if (!scope.alive) throw new Crashed();
    const { armed } = this;
    if (armed === null || armed.point !== point) return;
    armed.passings -= 1;
    if (armed.passings > 0) return;
    this.crash(`at "${point}"`);
    throw new Crashed();
  }

  /** The next passing, or one of the next, of a point that chance names will be the last. */
  arm(chance: Chance): void {
    const point = chance.pick(CRASH_POINTS);
    const isRare = point === "compacted" || point.startsWith("snapshot");
    this.armed = { point, passings: isRare ? 1 : chance.whole(1, 4) };
  }
}
