/** A node of the simulation: a disk that stays, lives that come and go, and an end when it does not belong any more. */
import { ClusterError } from "../../cluster/errors.js";
import type { RaftNode } from "../../cluster/node.js";
import type { Origin } from "../../cluster/node-options.js";
import { CRASH_POINTS, type CrashPoint } from "../../cluster/ready-loop.js";
import { seededRandom } from "../../src/runtime/random.js";
import type { Chance } from "./chance.js";
import { type Damage, damageSomewhere } from "./damage.js";
import { codeOf, DiskFaults } from "./disk-faults.js";
import { Scope } from "./event-queue.js";
import type { FaultKind } from "./fault-kind.js";
import { type FileBase, GROUP_DIRECTORY, MESSAGE_DIRECTORY } from "./file-stores.js";
import { inspect } from "./inspect.js";
import { join, type Ticket } from "./joining.js";
import { Life } from "./life.js";
import { addressOf, foundingOf, tagOf } from "./roster.js";
import type { Setting } from "./setting.js";
import { SimClock } from "./sim-clock.js";
import { emptyImages, type Images, SimDisk } from "./sim-disk.js";
import { Crashed } from "./world.js";

/** What a node says whose disk is damaged. */
const DAMAGED = /^(log|snapshot|store)_corrupt$/;

/** What a restart finds gone: nothing, the small state, or the small state and the messages. The log is never lost. */
export type Loss = "nothing" | "state" | "state and messages";

export interface SimNodeOptions {
  readonly id: string;
  readonly setting: Setting;
  readonly arrival: SimNode["arrival"];
  /** Another node that answers now. */
  readonly door: () => RaftNode | null;
  /** It said that its disk is damaged, and is down. */
  readonly onDamaged: (node: SimNode) => void;
  readonly onLifeEnded: (node: SimNode, life: Life) => void;
}

export class SimNode {
  readonly id: string;
  life: Life | null = null;
  /** Crashes at this passing of this point. */
  armed: { readonly point: CrashPoint; passings: number } | null = null;
  wallOffsetMs = 0;
  /** Why it stopped for good; `null` while it belongs, as far as it knows. */
  retired: string | null = null;
  /** Disks that it had before: with another one it is not who it was. */
  generation = 0;
  /** How it came to the group; a learner may be promoted. */
  arrival: "founds" | "joins as voter" | "joins as learner";
  readonly #options: SimNodeOptions;
  readonly #chance: Chance;
  #images: Images = emptyImages();
  #lastDisk: SimDisk | null = null;
  /** Of the disk under its life; `null` without one. */
  faults: DiskFaults | null = null;
  /** What changed by itself on its disk, and was not found yet. */
  damage: Damage | null = null;
  /** What its last life ended with. */
  #isPowerLost = false;
  #ticket: Ticket | null = null;
  #isBusy = false;
  #lives = 0;

  constructor(options: SimNodeOptions) {
    this.id = options.id;
    this.arrival = options.arrival;
    this.#options = options;
    this.#chance = options.setting.world.chance.stream(`node ${options.id}`);
  }

  /** Neither running nor on its way up or down. */
  get isDown(): boolean {
    return this.life === null && !this.#isBusy;
  }

  get isServing(): boolean {
    return this.life?.isServing === true && !this.#isBusy;
  }

  get tag(): string {
    return tagOf(this.id, this.generation);
  }

  /** The process is gone, and with `isPowerLoss` the machine: then only what was synced is certain to be there. */
  crash(how: string, kind: FaultKind = "crash at some moment", isPowerLoss = this.#chance.of(0.5)): void {
    const { life } = this;
    if (life === null) return;
    const { world } = this.#options.setting;
    world.counts.crashes += 1;
    world.fault(kind);
    this.#tell(`crash ${how}`);
    this.#end(life, isPowerLoss);
  }

  /** It comes back with an empty disk. */
  wipe(): void {
    this.#options.setting.world.counts.wipes += 1;
    this.crash("and loses its disk", "disk wiped");
    this.#images = emptyImages();
    this.#lastDisk = null;
    this.damage = null;
    this.#ticket = null;
    this.generation += 1;
  }

  /** Somebody starts it again, although it was told not to come back. */
  async revive(): Promise<void> {
    this.retired = null;
    await this.start();
  }

  /** At most one start is under way; it ends in serving, in a crash, in an end for good, or in a broken rule. */
  async start(loss: Loss = "nothing"): Promise<void> {
    if (!this.isDown || this.retired !== null) return;
    const { setting } = this.#options;
    this.#isBusy = true;
    if (this.#lastDisk !== null)
      this.#images = await this.#lastDisk.afterCrash(this.#chance, this.#isPowerLost);
    if (loss !== "nothing") this.#lose(loss);
    this.#tell(`starts${loss === "nothing" ? "" : ` without its ${loss}`}`);
    setting.world.counts.restarts += 1;
    const life = this.#createLife();
    this.life = life;
    this.#isBusy = false;
    try {
      await life.start();
    } catch (error) {
      if (life.scope.alive && !(error instanceof Crashed)) this.#doesNotStart(life, error);
      return;
    }
    if (!life.scope.alive) return;
    this.#tell(`serves, applied ${life.replica.appliedIndex}, head ${life.store.lastPosition}`);
    // Before its tag was written down it had promised nothing.
    const known = setting.history.tags.get(this.id) ?? this.tag;
    setting.world.check(known === this.tag, () => `node ${this.id} serves, though it lost its disk`);
    await this.inspect();
  }

  /** See `inspect`. Does nothing where nobody serves. */
  async inspect(): Promise<void> {
    const { life } = this;
    const { setting } = this.#options;
    if (life === null || !this.isServing) return;
    const { restores } = life;
    try {
      await inspect(setting, this.id, life);
    } catch (error) {
      if (life.scope.alive && !this.#explains(error) && life.restores === restores)
        setting.world.fail(`node ${this.id} cannot read: ${String(error)}`);
    }
  }

  /** A clean stop; with several nodes it hands over first, as a SIGTERM makes it. */
  async stop(): Promise<void> {
    const { life } = this;
    if (life === null || !this.isServing) return;
    this.#isBusy = true;
    this.#tell("stops");
    const { world } = this.#options.setting;
    if (!world.isCalm) world.fault("clean stop");
    try {
      await life.stop();
    } catch (error) {
      if (life.scope.alive) this.#doesNotStop(life, error);
      return;
    }
    // Its life may have ended meanwhile, and another have begun.
    if (!life.scope.alive) return;
    this.#isBusy = false;
    this.#tell("stopped");
    this.#end(life);
  }

  /** Whether what was done to its disk is why. */
  #explains(error: unknown): boolean {
    return this.faults?.explains(error) === true || this.#isOfDamage(error);
  }

  #isOfDamage(error: unknown): boolean {
    return this.damage !== null && DAMAGED.test(codeOf(error));
  }

  /** Some byte of its disk changes. False when none did. */
  damageDisk(chance: Chance): boolean {
    const { world } = this.#options.setting;
    this.damage = damageSomewhere(this.#images.files, chance);
    if (this.damage === null) return false;
    world.fault(this.damage.kind);
    this.#tell(`${this.damage.kind}: ${this.damage.text}`);
    return true;
  }

  #tell(what: string): void {
    this.#options.setting.world.tell(`n${this.id}`, what);
  }

  #doesNotStart(life: Life, error: unknown): void {
    if (error instanceof ClusterError && /^member_(removed|exists)$/.test(error.code)) {
      this.#expelled(life, error.code);
      return;
    }
    if (this.#explains(error)) {
      this.#diskFailed(life, error);
      return;
    }
    this.#options.setting.world.fail(`node ${this.id} does not start: ${String(error)}`);
  }

  #doesNotStop(life: Life, error: unknown): void {
    if (this.#explains(error)) this.#diskFailed(life, error);
    else this.#options.setting.world.fail(`node ${this.id} does not stop: ${String(error)}`);
  }

  /** It stops by itself and says why. What it does until its process is gone has to be harmless. */
  #diskFailed(life: Life, error: unknown): void {
    const { world } = this.#options.setting;
    this.#tell(`stops: ${String(error)}`);
    life.isServing = false;
    const isOfDamage = this.#isOfDamage(error);
    world.fault(isOfDamage ? "damage detected" : "node stops by a disk error");
    const end = (): void => {
      if (this.life !== life) return;
      this.#end(life);
      // Whoever reads what it said takes it out and puts another in its place.
      if (isOfDamage) this.#options.onDamaged(this);
    };
    world.after(this.#chance.between(0, 20), end, life.scope);
  }

  /** It says that it does not belong: that has to be true. What it does until its process is gone has to be harmless. */
  #expelled(life: Life, code: string): void {
    const { world, history } = this.#options.setting;
    this.#tell(`stops for good: ${code}`);
    this.retired = code;
    world.after(
      this.#chance.between(0, 20),
      () => {
        const isTrue = code === "member_removed" ? history.removed.has(this.id) : this.generation > 0;
        world.check(isTrue, () => `node ${this.id} stops by itself and says ${code}`);
        if (this.life === life) this.#end(life);
      },
      life.scope,
    );
  }

  #end(life: Life, isPowerLoss = this.#chance.of(0.5)): void {
    const { world, profile } = this.#options.setting;
    this.#isPowerLost = isPowerLoss;
    if (isPowerLoss && profile.files !== null && !world.isCalm) world.fault("power loss of one node");
    life.scope.alive = false;
    life.isServing = false;
    this.life = null;
    this.faults = null;
    this.armed = null;
    this.#isBusy = false;
    this.#options.onLifeEnded(this, life);
  }

  #lose(loss: Exclude<Loss, "nothing">): void {
    const { world } = this.#options.setting;
    world.counts.restores += 1;
    world.fault(loss === "state" ? "state lost" : "state and messages lost");
    const { messages, staged } = emptyImages();
    this.#images = { ...this.#images, state: { entries: new Map() } };
    if (loss === "state") return;
    this.#images = { ...this.#images, messages, staged };
    // A node that never came so far as to make its directories has nothing to lose.
    if (this.#images.files.find(MESSAGE_DIRECTORY) === undefined) return;
    this.#images.files.removeTree(MESSAGE_DIRECTORY);
    this.#images.files.syncDirectory(GROUP_DIRECTORY);
  }

  #createLife(): Life {
    const { setting } = this.#options;
    const { world, profile } = setting;
    const chance = this.#chance;
    const scope = new Scope();
    const clock = new SimClock(world, scope, () => this.wallOffsetMs);
    const wait = (): Promise<void> => {
      const isSlow = !world.isCalm && chance.of(profile.diskSlowChance);
      if (isSlow) world.fault("slow disk call");
      return clock.sleep(isSlow ? chance.between(20, 150) : chance.around(profile.diskMs));
    };
    const random = seededRandom(chance.whole(0, 2 ** 31));
    const base = this.#fileBase(scope, clock, wait);
    this.faults = base?.mount.faults ?? null;
    const disk = new SimDisk(this.#images, wait, base);
    this.#lastDisk = disk;
    this.#lives += 1;
    const life: Life = new Life({
      id: this.id,
      setting,
      scope,
      clock,
      disk,
      tag: this.tag,
      streamTag: () => random.tag(4),
      random: random.unit,
      incarnation: this.#lives,
      listensFirst: profile.listensFirst,
      origin: () => this.#origin(clock),
      clusterId: () => this.#ticket?.clusterId ?? "",
      onCrashPoint: (point) => this.#passed(point, scope),
      onExpelled: (code) => this.#expelled(life, code),
      explains: (error) => this.#explains(error),
      onDiskFailed: (error) => this.#diskFailed(life, error),
    });
    return life;
  }

  #fileBase(scope: Scope, clock: SimClock, usualWait: () => Promise<void>): FileBase | null {
    const { world, profile } = this.#options.setting;
    if (profile.files === null) return null;
    const { files } = this.#images;
    const faults = new DiskFaults(
      () => world.nowMs,
      this.#chance,
      (fault, call) => {
        world.fault(fault);
        this.#tell(`its disk: ${fault}, ${call}`);
      },
    );
    const sleep = (ms: number): Promise<void> => clock.sleep(ms);
    const wait = async (): Promise<void> => {
      if (faults.waitMs > 0) await sleep(faults.waitMs);
      return usualWait();
    };
    return { mount: { files, faults, scope, wait, sleep, unit: this.#chance.unit }, sizes: profile.files };
  }

  async #origin(clock: SimClock): Promise<Origin> {
    const { id } = this;
    const { setting, door } = this.#options;
    const { arrival } = this;
    const peer = addressOf(id);
    if (arrival === "founds") {
      return { peer, founding: foundingOf(setting.profile.voters), contacts: new Map() };
    }
    const member = { peer, tag: this.tag, wantsVote: arrival === "joins as voter" };
    this.#ticket ??= await join({ id, member, door, clock });
    return { peer, founding: setting.seams.foundingOfJoiner(id), contacts: this.#ticket.members };
  }

  #passed(point: CrashPoint, scope: Scope): void {
    if (!scope.alive) throw new Crashed();
    const { armed } = this;
    if (armed === null || armed.point !== point) return;
    armed.passings -= 1;
    if (armed.passings > 0) return;
    this.crash(`at "${point}"`, "crash at a named point");
    throw new Crashed();
  }

  /** The next passing, or one of the next, of a point that chance names will be the last. */
  arm(chance: Chance): void {
    const point = chance.pick(CRASH_POINTS);
    const isRare = point === "compacted" || point.startsWith("snapshot");
    this.armed = { point, passings: isRare ? 1 : chance.whole(1, 4) };
  }
}
