/** One run: a seed, a hostile time, calm, and then everything has to be right, and stay right over one more restart. */
import type { FaultCounts } from "./fault-kind.js";
import { Group } from "./group.js";
import { History } from "./history.js";
import { inspect } from "./inspect.js";
import { Ledger } from "./ledger.js";
import type { Life } from "./life.js";
import { Nemesis } from "./nemesis.js";
import { type Length, type Profile, profileOf, type Size } from "./profile.js";
import { Publisher } from "./publisher.js";
import { Reader } from "./reader.js";
import { Roamer } from "./roamer.js";
import { type Seams, SOUND } from "./seams.js";
import { SessionClient } from "./session-client.js";
import type { Setting } from "./setting.js";
import { SimNetwork } from "./sim-network.js";
import type { SimNode } from "./sim-node.js";
import { Strokes } from "./strokes.js";
import { SimSubscriber } from "./subscriber.js";
import { type Counts, World } from "./world.js";

/**
 * What a run is about. `safety`: twice the hostile time, and nothing broken in it; that it ever comes right is not asked. `liveness`: little
 * hostile time, then a long one in which a bare majority is left alone and has to serve; then everything has to come right. `both`: the usual
 * hostile time, some of that, and everything has to come right.
 */
export type Mode = "both" | "safety" | "liveness";

export interface RunOptions {
  readonly seed: number;
  readonly nodes: Size;
  readonly length: Length;
  /** `both` by default. */
  readonly mode?: Mode;
  /** Strokes to leave out, by name. */
  readonly leftOut?: readonly string[];
  /** Parts of the profile that are not the seed's own: of a schedule that was made smaller, or what a hunt sets. */
  readonly profile?: Partial<Profile>;
  /** A bug to plant; none by default. */
  readonly seams?: Seams;
  /** Where the story goes, line by line. */
  readonly print?: (line: string) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly nodes: Size;
  /** The first broken rule; `null` when all held. */
  readonly violation: string | null;
  /** Equal for equal runs. */
  readonly digest: string;
  readonly simulatedMs: number;
  readonly counts: Counts;
  readonly faults: FaultCounts;
  /** Strokes that were made, in order. */
  readonly strokes: readonly string[];
}

/** Virtual time within which everything is well again after the last fault. */
const RECOVERY_MS = 10_000;
/** And within which a client that takes one message a round trip has all that it missed. */
const CLIENTS_MS = 60_000;
/** And within which whoever was to come and to go has: an ask that was lost is only given up after ten seconds. */
const SETTLING_MS = 15_000;

/** A node that was asked for a command is waited for so long. */
const ASKED_MS = 2_500;
/** Ticks for which a cut lasts beside which commands are taken. */
const BESIDE_A_CUT_TICKS = 60;
/** Ticks for which a majority is watched that is left alone, at least; at most twice that. */
const ALONE_TICKS: Readonly<Record<Mode, number>> = { both: 80, safety: 0, liveness: 250 };
const ALONE_CHANCE: Readonly<Record<Mode, number>> = { both: 0.3, safety: 0, liveness: 1 };
const HOSTILE_FACTOR: Readonly<Record<Mode, number>> = { both: 1, safety: 2, liveness: 0.3 };
/** What the members of the share ask for. */
const SHARED_FILTERS = ["#", "keep/+", "keep/a"];
/** Of those who read at the same time. */
const READERS_MAX = 3;

class Simulation {
  readonly #mode: Mode;
  readonly #world: World;
  readonly #profile: Profile;
  readonly #setting: Setting;
  readonly #group: Group;
  readonly #nemesis: Nemesis;
  readonly #publishers: readonly Publisher[];
  readonly #subscribers: readonly SimSubscriber[];
  readonly #clients: readonly (SessionClient | Roamer)[];
  /** Those of the clients that are in a share. */
  readonly #members: readonly Roamer[];
  readonly #readers: readonly Reader[];

  constructor({ mode = "both", leftOut = [], seams = SOUND, ...options }: RunOptions) {
    const { seed, nodes, length, profile: given, print } = options;
    const world = new World(seed, print ?? null);
    const drawn = profileOf(world.chance.stream("profile"), nodes, length, seams.stores);
    const profile = { ...drawn, hostileMs: drawn.hostileMs * HOSTILE_FACTOR[mode], ...given };
    const network = new SimNetwork(world, profile.encodeFrames, profile.tickMs);
    const setting = {
      world,
      profile,
      seams,
      network,
      history: new History(world, profile.voters),
      ledger: new Ledger(world),
      strokes: new Strokes(world.chance.stream("strokes"), new Set(leftOut)),
    };
    this.#mode = mode;
    this.#world = world;
    this.#profile = profile;
    this.#setting = setting;
    this.#group = new Group(setting, (node, life) => this.#lifeEnded(node, life));
    this.#nemesis = new Nemesis(setting, this.#group);
    const doors = world.chance.stream("doors");
    this.#publishers = named("p", profile.publishers).map(
      (name) => new Publisher(name, setting, () => this.#group.door(doors)),
    );
    this.#subscribers = named("s", profile.subscribers).map(
      (name) => new SimSubscriber(name, setting, () => this.#group.serving()),
    );
    const serving = (): Life[] => this.#group.serving();
    const share = ["group", world.chance.stream("share").pick(SHARED_FILTERS)] as const;
    this.#members = named("m", profile.members).map((name) => new Roamer(name, setting, serving, share));
    this.#clients = [
      ...named("c", profile.clients).map((name) => new SessionClient(name, setting, serving)),
      ...named("o", profile.roamers).map((name) => new Roamer(name, setting, serving, null)),
      ...this.#members,
    ];
    const readers = world.chance.stream("readers").whole(1, READERS_MAX);
    this.#readers = named("r", readers).map((name) => new Reader(name, setting, serving));
  }

  async run(): Promise<void> {
    const { hostileMs } = this.#profile;
    this.#world.tell("world", JSON.stringify(this.#profile));
    for (const node of this.#group.nodes) this.#world.after(0, () => void node.start());
    await this.#world.runUntil(hostileMs);
    if (this.#mode === "safety") {
      for (const node of this.#group.nodes) await node.inspect();
      return;
    }
    await this.#goesOnWithAMajority();
    this.#nemesis.end();
    await this.#goesOnBesideACut();
    await this.#comesRight();
    await this.#restartsAll();
    await this.#comesRight();
  }

  result({ seed, nodes }: RunOptions): RunResult {
    const { violation, counts, faults, nowMs, trace } = this.#world;
    const strokes = this.#setting.strokes.made;
    return { seed, nodes, violation, digest: trace.digest(), simulatedMs: nowMs, counts, faults, strokes };
  }

  #lifeEnded(node: SimNode, life: Life): void {
    for (const publisher of this.#publishers) publisher.lost(life);
    for (const subscriber of this.#subscribers) subscriber.lost(life);
    for (const client of this.#clients) client.lost(life);
    this.#nemesis.ended(node);
  }

  async #until(what: string, isDone: () => boolean, patienceMs = RECOVERY_MS): Promise<void> {
    const reached = await this.#world.runUntil(this.#world.nowMs + patienceMs, isDone);
    if (!reached) this.#world.fail(`not within ${patienceMs} ms: ${what}`);
  }

  /** Liveness of a bare majority that is left alone, whatever becomes of the others: it takes commands all the while. */
  async #goesOnWithAMajority(): Promise<void> {
    const world = this.#world;
    const chance = world.chance.stream("majority");
    if (world.violation !== null || !chance.of(ALONE_CHANCE[this.#mode])) return;
    const majority = this.#nemesis.spareMajority();
    if (majority === null) return;
    const ticks = ALONE_TICKS[this.#mode] * chance.between(1, 2);
    await this.#goOnFor(ticks, "a command to a majority that is left alone is committed", majority);
  }

  /** For so many ticks these take commands, again and again. */
  async #goOnFor(ticks: number, what: string, nodes: readonly SimNode[]): Promise<void> {
    const world = this.#world;
    const { tickMs } = this.#profile;
    const chance = world.chance.stream(what);
    const endMs = world.nowMs + ticks * tickMs;
    while (world.nowMs < endMs && world.violation === null) {
      await this.#commits(what, nodes);
      await world.runUntil(world.nowMs + chance.around(10 * tickMs));
    }
  }

  /** Liveness under a one-way partition that does not heal: whoever is not at its ends takes commands. */
  async #goesOnBesideACut(): Promise<void> {
    if (this.#world.violation !== null) return;
    const ends = this.#nemesis.cutForGood();
    if (ends === null) return;
    const others = this.#group.nodes.filter((node) => !ends.includes(node));
    await this.#goOnFor(BESIDE_A_CUT_TICKS, "a command beside a one-way cut is committed", others);
    this.#nemesis.mendAll();
  }

  /**
   * Asks one of some nodes, and another one when that does not know what became of it, or says nothing: it may be cut off from a leader
   * that the others hear.
   */
  async #commits(what: string, nodes: readonly SimNode[]): Promise<void> {
    const world = this.#world;
    let isCommitted = false;
    let asked: Life | null = null;
    let askedMs = 0;
    let times = 0;
    await this.#until(what, () => {
      const isPatient = world.nowMs - askedMs < ASKED_MS;
      if (isCommitted || (asked?.scope.alive === true && isPatient)) return isCommitted;
      const serving = nodes.filter(({ isServing }) => isServing);
      const life = serving[times % Math.max(1, serving.length)]?.life ?? null;
      times += 1;
      [asked, askedMs] = [life, world.nowMs];
      life?.submit({ kind: "tick" }, ({ kind }) => {
        if (asked === life) asked = null;
        isCommitted ||= kind !== "failed";
      });
      return false;
    });
  }

  /** The last fault is over: everything serves, answers, catches up, and agrees. */
  async #comesRight(): Promise<void> {
    const { history } = this.#setting;
    const { voters, learners } = history;
    const group = this.#group;
    const isQuorum = (): boolean =>
      group.nodes.filter(({ id, isServing }) => isServing && voters.has(id)).length > voters.size / 2;
    await this.#until("a majority serves", isQuorum);
    await this.#until("everybody has come or gone", () => this.#nemesis.membership.isSettled, SETTLING_MS);
    const isUp = (): boolean =>
      group.members.every(({ isServing }) => isServing) &&
      group.serving().length === voters.size + learners.size;
    await this.#until("every member serves, and nobody else", isUp);
    for (const publisher of this.#publishers) publisher.isQuiet = true;
    for (const subscriber of this.#subscribers) subscriber.isCalm = true;
    for (const client of this.#clients) client.isCalm = true;
    this.#retireMember();
    await this.#until("open commands are answered", () => this.#answered());
    await this.#until("a publish after the faults is answered", this.#probed());
    await this.#until("what was cut off is answered when it is asked again", () => this.#askedAgain());
    const reads = this.#readers.map(({ answered }) => answered);
    await this.#until("reads after the faults are answered", () =>
      this.#readers.every(({ answered }, nth) => answered > (reads[nth] ?? 0)),
    );
    await this.#until("every node has applied everything", () =>
      group.serving().every(({ replica }) => replica.appliedIndex === history.lastIndex),
    );
    await this.#until("every subscriber has everything", () =>
      this.#subscribers.every(({ hasAll }) => hasAll),
    );
    await this.#everyClientHasEverything();
    if (this.#world.violation !== null) return;
    for (const { id, life } of group.members) if (life !== null) await inspect(this.#setting, id, life);
  }

  /** One member of the share goes for good: what it holds is for the others, unless it may keep that to itself (MQTT-4.8.2-4). */
  #retireMember(): void {
    if (this.#members.some(({ isRetired }) => isRetired)) return;
    this.#members.find(({ qos }) => qos === 1)?.retire();
  }

  async #everyClientHasEverything(): Promise<void> {
    const lacking = (): string[] =>
      [...this.#clients, this.#setting.history.book].flatMap(({ name, lacks }) =>
        lacks === null ? [] : [`${name} lacks ${lacks}`],
      );
    const endMs = this.#world.nowMs + CLIENTS_MS;
    const reached = await this.#world.runUntil(endMs, () => lacking().length === 0);
    if (!reached) this.#world.fail(`not within ${CLIENTS_MS} ms: ${lacking().join(", ")}`);
  }

  /** Publishes until one is acknowledged: a leader may still be lost while its disk is slow. */
  #probed(): () => boolean {
    const { ledger } = this.#setting;
    const seen = ledger.acknowledgedThrough;
    return () => {
      if (ledger.acknowledgedThrough > seen) return true;
      if (this.#answered()) this.#publishers[0]?.probe();
      return false;
    };
  }

  #askedAgain(): boolean {
    if (!this.#answered()) return false;
    if (this.#publishers.every(({ unknownKeys }) => unknownKeys === 0)) return true;
    for (const publisher of this.#publishers) publisher.askAgain();
    return false;
  }

  #answered(): boolean {
    return this.#publishers.every(({ waiting }) => waiting === 0);
  }

  /** Stopped cleanly and started again, the nodes are what they were. */
  async #restartsAll(): Promise<void> {
    if (this.#world.violation !== null) return;
    const nodes = this.#group.standing;
    const lives = nodes.map(({ life }) => life);
    for (const node of nodes) void node.stop();
    await this.#until("every node stops", () => nodes.every(({ life }, i) => life !== lives[i]));
  }
}

function named(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
}

export async function run(options: RunOptions): Promise<RunResult> {
  const simulation = new Simulation(options);
  await simulation.run();
  return simulation.result(options);
}
