/**
 * A subscriber that knows one thing, the id of the last event it saw, and comes back with it. It sees every match once, in
 * order, or is told of a gap; what was deleted meanwhile it may miss.
 */
import { FilterSet } from "../../src/topics/filter-set.js";
import type { DeliveryBatch, SubscriberSink, Subscription } from "../../src/topics/subscriber.js";
import type { Chance } from "./chance.js";
import type { Fact } from "./ledger.js";
import type { Life } from "./life.js";
import { mayTrim } from "./profile.js";
import type { Setting } from "./setting.js";

const FILTERS = [["#"], ["keep/a"], ["temp/a"], ["keep/+"], ["keep/b/#", "temp/b"], ["keep/a", "keep/b"]];

/** Of its whims, how many are to read nothing for long. */
const SLOW_CHANCE = 0.03;

export class SimSubscriber {
  readonly name: string;
  /** Takes everything, stays connected. */
  isCalm = false;
  /** The last that was seen, or where it began; `null` before the first connection. */
  seenThrough: number | null = null;
  /** A gap was announced up to here: what is missing below was trimmed, what was not still comes. */
  #gapToldThrough = 0;
  /** By topic id, up to where it was trimmed when a gap was announced. */
  readonly #floors = new Map<number, number>();
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #nodes: () => readonly Life[];
  readonly #filters: FilterSet;
  #lastEventId: string | null = null;
  #life: Life | null = null;
  #subscription: Subscription | null = null;
  #room = Number.POSITIVE_INFINITY;
  /** 0 while it is not slow. */
  #slowUntilMs = 0;
  #snapshotsBefore = 0;

  /** `nodes`: those that serve now. */
  constructor(name: string, setting: Setting, nodes: () => readonly Life[]) {
    this.name = name;
    this.#setting = setting;
    this.#chance = setting.world.chance.stream(`subscriber ${name}`);
    this.#nodes = nodes;
    this.#filters = new FilterSet(this.#chance.pick(FILTERS).map((filter) => ({ filter, qos: 1 as const })));
    this.#live();
  }

  /** Has what there is to have. */
  get hasAll(): boolean {
    return this.seenThrough !== null && this.#missed(this.#setting.ledger.head + 1) === null;
  }

  lost(life: Life): void {
    if (this.#life !== life) return;
    this.#life = null;
    this.#subscription = null;
  }

  #live(): void {
    const { world, profile } = this.#setting;
    world.after(this.#chance.around(profile.whimMs), () => {
      if (this.#subscription === null) this.#connect();
      else if (!this.isCalm && this.#slowUntilMs === 0 && this.#chance.of(0.1)) this.#disconnect();
      else this.#whim();
      this.#live();
    });
  }

  #whim(): void {
    const { world } = this.#setting;
    if (!this.isCalm && world.nowMs < this.#slowUntilMs) return;
    if (this.#slowUntilMs > 0 && world.counts.snapshots > this.#snapshotsBefore)
      world.fault("subscriber slow across a snapshot");
    this.#slowUntilMs = 0;
    if (!this.isCalm && this.#chance.of(SLOW_CHANCE)) {
      this.#standStill();
      return;
    }
    this.#room = this.isCalm || this.#chance.of(0.7) ? Number.POSITIVE_INFINITY : this.#chance.whole(0, 5);
    if (this.#room > 0) this.#subscription?.resume();
  }

  /** Reads nothing for so long that what it has to read next may have left the log meanwhile, and the store. */
  #standStill(): void {
    const { world, profile } = this.#setting;
    this.#room = 0;
    this.#snapshotsBefore = world.counts.snapshots;
    this.#slowUntilMs = world.nowMs + this.#chance.between(0.1, 0.4) * profile.hostileMs;
    world.tell(this.name, `reads nothing until ${this.#slowUntilMs.toFixed(0)}`);
  }

  #disconnect(): void {
    this.#slowUntilMs = 0;
    this.#subscription?.close();
    this.#subscription = null;
    this.#life = null;
  }

  #connect(): void {
    const lives = this.#nodes().filter(({ replica }) => replica.machine.streamTag !== "");
    if (lives.length === 0) return;
    const life = this.#chance.pick(lives);
    const after = this.#startAt(life);
    if (after === null) return;
    this.#life = life;
    this.#room = Number.POSITIVE_INFINITY;
    this.#slowUntilMs = 0;
    this.seenThrough = after;
    this.#setting.world.tell(this.name, `subscribes ${this.#filters.key} after ${after}`);
    this.#subscription = life.broker.subscribe({ filters: this.#filters, sink: this.#sink(life), after });
  }

  /** The last event's id is all it brings; before the first one, where it began. `null`: this node is not there yet. */
  #startAt(life: Life): number | null {
    const { broker } = life;
    if (this.#lastEventId !== null) {
      try {
        return broker.positionOf(this.#lastEventId);
      } catch (error) {
        if (life.isAlone) this.#setting.world.fail(`${this.name} cannot resume: ${String(error)}`);
        return null;
      }
    }
    this.seenThrough ??= this.#chance.of(0.5) ? 0 : broker.head;
    return this.seenThrough <= broker.head ? this.seenThrough : null;
  }

  #sink(life: Life): SubscriberSink {
    const isHeard = (): boolean => life.scope.alive && this.#life === life;
    return {
      deliver: (batch) => (isHeard() ? this.#take(life, batch) : batch.after),
      isWritable: () => isHeard() && this.#room > 0,
      gap: (after, resumedAt) => {
        if (isHeard()) this.#gap(life, after, resumedAt);
      },
      topicDeleted: () => {
        if (!isHeard()) return;
        const { world, ledger } = this.#setting;
        const isTrue = this.#filters.filters.some(({ filter }) => ledger.deletedNames.has(filter));
        world.check(isTrue, () => `${this.name} is told that its topic is gone, and it is not`);
        this.lost(life);
      },
      failed: (error) => {
        if (!isHeard()) return;
        if (life.explains(error)) this.lost(life);
        else this.#setting.world.fail(`${this.name} failed: ${String(error)}`);
      },
    };
  }

  #take(life: Life, batch: DeliveryBatch): number {
    const { world, ledger } = this.#setting;
    const taken = batch.messages.slice(0, this.#room);
    this.#room -= taken.length;
    for (const message of taken) {
      const { position, topic } = message;
      world.counts.deliveries += 1;
      ledger.observe(this.name, message);
      const seen = this.seenThrough ?? 0;
      world.check(position > seen, () => `${this.name} gets position ${position} after ${seen}`);
      world.check(this.#filters.matches(topic.name), () => `${this.name} gets ${topic.name} unasked`);
      this.#noneMissed(position);
      this.seenThrough = position;
      this.#lastEventId = life.broker.eventId(position);
    }
    world.tell(this.name, `gets ${taken.map(({ position }) => position).join(" ")}`);
    if (taken.length === batch.messages.length) return batch.through;
    return taken.at(-1)?.position ?? batch.after;
  }

  #gap({ store }: Life, after: number, resumedAt: number): void {
    const { world, ledger, profile } = this.#setting;
    const gap = `a gap from ${after} to ${resumedAt}`;
    world.tell(this.name, gap);
    world.check(resumedAt > after, () => `${this.name} is told of ${gap}`);
    world.check(mayTrim(profile), () => `${this.name} is told of ${gap}, and nothing has to go`);
    const ofIts = ledger.facts.slice(after).filter(({ topic }) => this.#filters.matches(topic));
    const ids = new Set(ofIts.map(({ topicId }) => topicId));
    for (const id of ids) {
      const floor = store.trimmedThrough({ ids: [id] });
      this.#floors.set(id, Math.max(floor, this.#floors.get(id) ?? 0));
    }
    world.check(
      [...ids].some((id) => ledger.isDeleted(id) || (this.#floors.get(id) ?? 0) >= resumedAt),
      () => `${this.name} is told of ${gap}, and nothing for it was trimmed there`,
    );
    this.#gapToldThrough = Math.max(this.#gapToldThrough, resumedAt);
  }

  /** It was told of a gap there, and the node that it is at has nothing there any more. */
  #isTrimmed({ position, topicId }: Fact): boolean {
    if (position > this.#gapToldThrough) return false;
    if (position <= (this.#floors.get(topicId) ?? 0) || this.#life === null) return true;
    return position <= this.#life.store.trimmedThrough({ ids: [topicId] });
  }

  #noneMissed(position: number): void {
    const missed = this.#missed(position);
    if (missed === null) return;
    this.#setting.world.fail(
      `${this.name} never got position ${missed}, though it has ${position - 1} and more`,
    );
  }

  /** The first match below `position` that was neither seen nor excused. */
  #missed(position: number): number | null {
    const { ledger } = this.#setting;
    for (let at = (this.seenThrough ?? 0) + 1; at < position; at += 1) {
      const fact = ledger.at(at);
      if (fact === undefined) return null;
      if (this.#filters.matches(fact.topic) && !ledger.mayStayAway(fact) && !this.#isTrimmed(fact)) return at;
    }
    return null;
  }
}
