/** What goes wrong, and when: crashes at any moment and at the named points, clean stops, wrong clocks, losses, bad networks, pauses. */
import type { Chance } from "./chance.js";
import { DiskNemesis } from "./disk-nemesis.js";
import type { Group } from "./group.js";
import type { History } from "./history.js";
import { LeaderNemesis } from "./leader-nemesis.js";
import { MembershipNemesis } from "./membership-nemesis.js";
import { isAlone, type Profile } from "./profile.js";
import type { Setting } from "./setting.js";
import type { SimNetwork } from "./sim-network.js";
import type { Loss, SimNode } from "./sim-node.js";
import type { Strokes } from "./strokes.js";
import type { World } from "./world.js";

const HOUR_MS = 3_600_000;
/** Within twice the election ticks some follower has lost patience. */
const ELECTION_TICKS_MAX = 20;

/** Looks, a tenth of a second apart, at whether everybody serves again. */
const ROLL_PATIENCE = 50;
const CUTS = { "one way": "one-way cut", "both ways": "two-way cut", off: "isolated node" } as const;

export class Nemesis {
  isOver = false;
  readonly #world: World;
  readonly #profile: Profile;
  readonly membership: MembershipNemesis;
  readonly #disks: DiskNemesis;
  readonly #leaders: LeaderNemesis;
  readonly #group: Group;
  readonly #network: SimNetwork;
  readonly #history: History;
  readonly #strokes: Strokes;
  /** When strokes come, and when nodes come back. */
  readonly #chance: Chance;
  /** Of the present stroke. */
  #luck: Chance;
  /** Strokes to come that follow closely. */
  #flurry = 0;
  /** Left alone. */
  #spared: readonly SimNode[] = [];

  constructor(setting: Setting, group: Group) {
    const { world, profile, network, history, strokes } = setting;
    this.#strokes = strokes;
    this.#history = history;
    this.#world = world;
    this.#profile = profile;
    this.#group = group;
    this.#network = network;
    this.#chance = world.chance.stream("nemesis");
    this.#luck = this.#chance;
    this.membership = new MembershipNemesis(setting, group);
    this.#disks = new DiskNemesis(setting, group, this.membership);
    this.#leaders = new LeaderNemesis(setting, () => this.#nodes);
    this.#next();
  }

  /** Those that a stroke may hit. */
  get #nodes(): readonly SimNode[] {
    return this.#group.standing.filter((node) => !this.#spared.includes(node));
  }

  /**
   * From here on a bare majority of the voters is left alone, with disks and a network between them that work; the others are hit on and on.
   * Gives who that is; `null` where there is no such majority, or nobody beside it.
   */
  spareMajority(): readonly SimNode[] | null {
    this.#disks.end();
    const { voters, machine } = this.#history;
    const { standing, votersToBe } = this.#group;
    const staying = standing.filter((node) => voters.has(node.id) && this.membership.stays(node));
    const size = Math.floor(Math.max(voters.size, votersToBe) / 2) + 1;
    if (staying.length < size || standing.length === size || machine.streamTag === "") return null;
    if (this.membership.isTakingOut) return null;
    while (staying.length > size) staying.splice(this.#chance.whole(0, staying.length - 1), 1);
    this.#spared = staying;
    this.#network.heal();
    for (const node of staying) {
      node.armed = null;
      if (node.life !== null) this.#world.wake(node.life.scope);
    }
    this.#world.fault("minority in trouble for good");
    this.#world.tell("world", `left alone from here on: ${staying.map(({ id }) => id).join(" ")}`);
    return staying;
  }

  /**
   * One way between two voters is gone, for good: the others have to go on. Gives its ends; `null` where that would be asked too much:
   * founding a group takes all of its members, and without either end there has to be a majority of voters that stay.
   */
  cutForGood(): readonly [SimNode, SimNode] | null {
    const { voters, machine } = this.#history;
    const staying = this.#nodes.filter((node) => voters.has(node.id) && this.membership.stays(node));
    const isEnough = staying.length > 2 && staying.length - 1 > voters.size / 2;
    if (!isEnough || machine.streamTag === "" || this.membership.isTakingOut) return null;
    // Either may lead.
    const from = this.#chance.pick(staying);
    const to = this.#chance.pick(staying.filter((node) => node !== from));
    this.#network.cut(from.id, to.id);
    this.#world.fault("one-way cut for good");
    this.#world.tell("net", `nothing comes from ${from.id} to ${to.id} any more`);
    return [from, to];
  }

  /** The way is there again. */
  mendAll(): void {
    this.#network.heal();
  }

  /** No stroke comes after; everything that is down comes back. */
  end(): void {
    this.isOver = true;
    this.#spared = [];
    this.#world.isCalm = true;
    this.#world.tell("world", "calm");
    this.#network.heal();
    this.#disks.end();
    for (const node of this.#nodes) {
      node.armed = null;
      if (node.isDown) this.#startLater(node, 0);
    }
  }

  /** Brings a node that is down back, some time after its end. */
  ended(node: SimNode): void {
    const isSpared = this.isOver || this.#spared.includes(node);
    const delayMs = this.#chance.of(0.7) ? this.#chance.between(5, 100) : this.#chance.between(100, 600);
    this.#startLater(node, isSpared ? 5 : delayMs);
  }

  #startLater(node: SimNode, delayMs: number): void {
    this.#world.after(delayMs, () => void node.start(this.#loss(node)));
  }

  #loss(node: SimNode): Loss {
    const isLost = !this.isOver && !this.#spared.includes(node) && this.#chance.of(0.12);
    const luck = isLost ? this.#strokes.next("l") : null;
    if (luck === null) return "nothing";
    return luck.of(0.5) ? "state" : "state and messages";
  }

  #next(): void {
    const { strokeMs } = this.#profile;
    const pauseMs = this.#flurry > 0 ? this.#chance.between(5, 300) : this.#chance.around(strokeMs);
    this.#world.after(pauseMs, () => {
      if (this.isOver) return;
      if (this.#flurry > 0) this.#flurry -= 1;
      else if (this.#chance.of(this.#profile.flurryChance)) this.#flurry = this.#chance.whole(1, 5);
      this.#strike();
      this.#next();
    });
  }

  #strike(): void {
    const luck = this.#strokes.next("n");
    if (luck === null || this.#leaders.isStriking) return;
    this.#luck = luck;
    if (this.#nodes.length === 0) return;
    if (isAlone(this.#profile)) this.#strikeOne();
    else if (this.#spared.length > 0) this.#strikeMany();
    else if (luck.of(this.#profile.membershipChance)) this.membership.strike(luck);
    else if (this.#group.standing.length === 1) this.#strikeOne();
    else this.#strikeMany();
  }

  #strikeOne(): void {
    const node = this.#luck.pick(this.#nodes);
    const what = this.#luck.unit();
    if (what < 0.4) node.crash("at some moment");
    else if (what < 0.8) node.arm(this.#luck);
    else if (what < 0.88) void node.stop();
    else this.#setClock(node);
  }

  #setClock(node: SimNode): void {
    node.wallOffsetMs = this.#luck.pick([0, -HOUR_MS, HOUR_MS, this.#luck.whole(-5_000, 5_000)]);
    this.#history.time.wallIs(node.id, node.wallOffsetMs);
    this.#world.fault("wall clock jump");
    this.#world.tell(`n${node.id}`, `its wall clock is wrong by ${node.wallOffsetMs} ms`);
  }

  #strikeMany(): void {
    const chance = this.#luck;
    const node = chance.pick(this.#nodes);
    const what = chance.unit();
    if (what < 0.2) node.crash("at some moment");
    else if (what < 0.35) node.arm(chance);
    else if (what < 0.38) this.#powerCut();
    else if (what < 0.4) this.#powerCutAmongPauses();
    else if (what < 0.42) this.#crashLoop(node);
    else if (what < 0.45) void node.stop();
    else if (what < 0.5) this.#setClock(node);
    else if (what < 0.58) this.#pause(node);
    else if (what < 0.77) this.#cutLinks(node);
    else if (what < 0.8) this.#flap(node);
    else if (what < 0.82) this.#roll();
    else if (what < 0.84 && this.#spared.length === 0) this.#leaders.strike(chance);
    // The weather is everybody's.
    else if (what < 0.9 && this.#spared.length === 0) this.#weather();
    else this.#network.heal();
  }

  #powerCut(): void {
    for (const node of this.#nodes) node.crash("in a power cut", "power cut of all nodes", true);
  }

  /** Some stand still when the power goes, and some again when they have just come back: they find their timers out of date. */
  #powerCutAmongPauses(): void {
    this.#world.fault("power cut among pauses");
    const luck = this.#luck;
    const electionMs = ELECTION_TICKS_MAX * this.#profile.tickMs;
    const pauseSome = (): void => {
      if (this.isOver) return;
      for (const node of this.#nodes)
        if (luck.of(0.5)) this.#standStill(node, luck.between(20, 2 * electionMs));
    };
    pauseSome();
    this.#world.after(luck.between(0, electionMs), () => {
      if (this.isOver) return;
      this.#powerCut();
      for (let pauses = 0; pauses < 2; pauses += 1)
        this.#world.after(luck.between(20, electionMs), pauseSome);
    });
  }

  /** It comes up, and goes down again before it is of use. */
  #crashLoop(node: SimNode): void {
    this.#world.fault("crash loop");
    const luck = this.#luck;
    const turn = (left: number): void => {
      if (this.isOver || left === 0) return;
      node.crash("in a loop");
      this.#world.after(luck.between(5, 300), () => turn(left - 1));
    };
    turn(luck.whole(2, 5));
  }

  #standStill(node: SimNode, ms: number): void {
    const { life } = node;
    if (life === null) return;
    // What waits for the end of another pause must not be overtaken.
    life.scope.pausedUntilMs = Math.max(life.scope.pausedUntilMs, this.#world.nowMs + ms);
    this.#world.tell(`n${node.id}`, `stands still for ${Math.round(ms)} ms`);
  }

  #pause(node: SimNode): void {
    if (node.life === null) return;
    const { tickMs } = this.#profile;
    const electionMs = ELECTION_TICKS_MAX * tickMs;
    const isLong = this.#luck.of(0.4);
    const ms = this.#luck.between(2 * tickMs, isLong ? 3 * electionMs : electionMs);
    this.#world.fault(ms > electionMs ? "pause beyond an election timeout" : "pause");
    this.#standStill(node, ms);
  }

  #cutLinks(node: SimNode): void {
    const other = this.#luck.pick(this.#group.standing.filter((each) => each !== node));
    const how = this.#luck.pick(["one way", "both ways", "off"] as const);
    this.#world.tell("net", `cuts ${how}: ${node.id} ${other.id}`);
    this.#world.fault(CUTS[how]);
    if (how === "one way") this.#network.cut(node.id, other.id);
    else this.#network.isolate(node.id, how === "off" ? this.#group.standing : [other]);
    const isHealed = this.#luck.of(0.7);
    this.#world.after(this.#luck.between(20, 60 * this.#profile.tickMs), () => {
      if (isHealed) this.#network.heal();
    });
  }

  /** Down and up again, faster than anybody can get used to either. */
  #flap(node: SimNode): void {
    const other = this.#luck.pick(this.#group.standing.filter((each) => each !== node));
    this.#world.tell("net", `flaps: ${node.id} ${other.id}`);
    this.#world.fault("flapping link");
    const luck = this.#luck;
    const turns = luck.whole(4, 20);
    const turn = (left: number): void => {
      if (this.isOver) return;
      this.#network.mend(node.id, other.id);
      this.#network.mend(other.id, node.id);
      if (left === 0) return;
      if (left % 2 === 0) this.#network.cut(node.id, other.id);
      if (left % 2 === 0 && luck.of(0.5)) this.#network.cut(other.id, node.id);
      this.#world.after(luck.between(20, 320), () => turn(left - 1));
    };
    turn(turns);
  }

  /** As an operator upgrades a group: the next one stops when the last one serves again. */
  #roll(): void {
    this.#world.fault("restart of every node in turn");
    const next = (waiting: readonly SimNode[], wait: number): void => {
      const [node, ...rest] = waiting;
      if (this.isOver || node === undefined || wait > ROLL_PATIENCE) return;
      const areUp = this.#nodes.every(({ isServing }) => isServing);
      if (areUp) void node.stop();
      this.#world.after(100, () => next(areUp ? rest : waiting, areUp ? 0 : wait + 1));
    };
    next(this.#nodes, 0);
  }

  #weather(): void {
    this.#network.lossChance = this.#luck.pick([0, 0.05, 0.3]);
    this.#network.twiceChance = this.#luck.pick([0, 0.2]);
    this.#network.overtakenChance = this.#luck.pick([0, 0.1]);
    this.#network.delayMs = this.#luck.pick([0.3, 2, 15]);
    const { lossChance, twiceChance, overtakenChance, delayMs } = this.#network;
    this.#world.tell(
      "net",
      `loses ${lossChance}, doubles ${twiceChance}, turns round ${overtakenChance}, delays ${delayMs} ms`,
    );
  }
}
