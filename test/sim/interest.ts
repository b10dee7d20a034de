/**
 * What a session of one client has asked for with its own subscriptions, and got: parts of the stream, and what was retained as it asked. Between
 * asking and the answer nobody outside knows whether a position is due; before and after that it is certain.
 */
import { filterMatches } from "../../src/topics/topic-name.js";
import type { Fact, Ledger } from "./ledger.js";
import type { World } from "./world.js";

/** A part of the stream. Heads of the stream, all of them. */
interface Span {
  /** Nothing at or below is to come. */
  readonly lowest: number;
  /** Everything above is due; `null` before SUBACK. */
  dueAbove: number | null;
  /** Everything up to here is due; `null` while it stands. */
  dueThrough: number | null;
  /** Nothing above is to come. */
  highest: number;
  /** Of what is due, so far nothing is missing. */
  hasThrough: number;
}

/** A time at which retained messages were asked for. */
interface Pass {
  readonly low: number;
  /** `null` before it is known. */
  high: number | null;
  isDue: boolean;
}

export interface InterestOptions {
  readonly name: string;
  readonly world: World;
  readonly ledger: Ledger;
  readonly filter: string;
}

export class Interest {
  readonly #options: InterestOptions;
  readonly #spans: Span[] = [];
  readonly #passes: Pass[] = [];
  #asking: Pass | null = null;
  #isHeld = true;
  /** Whatever came live at least once, by position. */
  readonly #got = new Set<number>();
  #highest = 0;
  /** How often retained messages came, by position: in all, and for the first time. */
  readonly #retained = new Map<number, { all: number; first: number }>();

  constructor(options: InterestOptions) {
    this.#options = options;
  }

  /** The session is not kept: retention may take what it has not got, and it is told of a gap at most. */
  isOnItsOwn(): void {
    this.#isHeld = false;
  }

  /** As it was last told. */
  get isSubscribed(): boolean {
    const span = this.#spans.at(-1);
    return span !== undefined && span.dueAbove !== null && span.dueThrough === null;
  }

  /** SUBSCRIBE is sent. `low`: the node that it is sent to has applied so much. */
  asks(retainHandling: 0 | 1 | 2, low: number): void {
    const last = this.#spans.at(-1);
    const stands = last !== undefined && last.highest === Number.POSITIVE_INFINITY;
    if (!stands) {
      const highest = Number.POSITIVE_INFINITY;
      this.#spans.push({ lowest: low, dueAbove: null, dueThrough: null, highest, hasThrough: 0 });
    }
    const isOld = stands && last.dueAbove !== null;
    if (retainHandling === 2 || (retainHandling === 1 && isOld)) return;
    // An attempt before this one may have made it.
    this.#asking = { low, high: null, isDue: retainHandling === 0 || !stands };
    this.#passes.push(this.#asking);
  }

  /** SUBACK. */
  granted(): void {
    const { head } = this.#options.ledger;
    const span = this.#spans.at(-1);
    if (span !== undefined) span.dueAbove ??= head;
    if (this.#asking !== null) this.#asking.high = head;
    this.#asking = null;
  }

  /** UNSUBSCRIBE is sent. A session that is not kept may lose what is under way to it (MQTT 5.0, 3.10.4). */
  leaves(isKept: boolean): void {
    const span = this.#spans.at(-1);
    if (span !== undefined) span.dueThrough ??= isKept ? this.#options.ledger.head : this.#highest;
    for (const pass of this.#passes) pass.isDue = false;
  }

  /** UNSUBACK. */
  left(): void {
    const span = this.#spans.at(-1);
    if (span !== undefined) span.highest = this.#options.ledger.head;
  }

  /** Another connection of the session: what the one before asked for without an answer was done by now, or never will be. */
  goesOn(): void {
    if (this.#asking === null) return;
    this.#asking.high = this.#options.ledger.head;
    this.#asking.isDue = false;
    this.#asking = null;
  }

  /** A live message that is no repeat by QoS 2. */
  tookLive(fact: Fact, qos: number, dup: boolean): void {
    const { world, name, ledger } = this.#options;
    const { id, position } = fact;
    const isRepeat = this.#got.has(position);
    const isOf = (span: Span): boolean => position > span.lowest && position <= span.highest;
    world.check(
      position > (this.#spans[0]?.lowest ?? Number.POSITIVE_INFINITY),
      () => `${name} gets ${id}, older than what it asked for`,
    );
    world.check(this.#spans.some(isOf), () => `${name} gets ${id}, for which it is not subscribed`);
    world.check(!isRepeat || qos === 1, () => `${name} gets ${id} twice at QoS ${qos}`);
    world.check(!isRepeat || dup, () => `${name} gets ${id} again, without DUP`);
    // One that may stay away: one node has it gathered still, others leave it out.
    const isLate = dup && ledger.mayStayAway(fact);
    world.check(
      isRepeat || isLate || position > this.#highest,
      () => `${name} gets ${id} after ${this.#highest}`,
    );
    this.#got.add(position);
    this.#highest = Math.max(this.#highest, position);
    if (isRepeat || qos === 0) return;
    const missed = this.#missed(position - 1);
    world.check(missed === null, () => `${name} gets ${id}, and never got position ${missed}`);
  }

  /** One with RETAIN. */
  tookRetained(fact: Fact, dup: boolean): void {
    const { world, name, ledger } = this.#options;
    const { id, position } = fact;
    const until = ledger.retainedUntil(fact);
    const asked = this.#passes.filter(
      ({ low, high }) => position <= (high ?? ledger.head) && until >= low,
    ).length;
    world.check(this.#passes.length > 0, () => `${name} gets ${id} as retained, and never asked for such`);
    world.check(asked > 0, () => `${name} gets ${id} as retained, which it was not when it was asked for`);
    const times = this.#retained.get(position) ?? { all: 0, first: 0 };
    this.#retained.set(position, times);
    times.all += 1;
    if (!dup) times.first += 1;
    world.check(times.first <= asked, () => `${name} gets ${id} as retained once more than it asked for it`);
    world.counts["retained on subscribing"] += 1;
  }

  /** What is due and did not come; `null` when there is nothing. */
  get lacks(): string | null {
    const { ledger } = this.#options;
    const missed = this.#missed(ledger.head);
    if (missed !== null) return `position ${missed}`;
    if (this.#passes.every(({ isDue }) => !isDue)) return null;
    for (const position of ledger.retained().values()) {
      const fact = ledger.at(position);
      if (fact === undefined || fact.qos === 0 || ledger.mayStayAway(fact)) continue;
      if (!filterMatches(this.#options.filter, fact.topic)) continue;
      const due = this.#passes.filter(({ isDue, low }) => isDue && position <= low).length;
      if ((this.#retained.get(position)?.all ?? 0) < due) return `${fact.id}, which is retained`;
    }
    return null;
  }

  #missed(through: number): number | null {
    if (!this.#isHeld) return null;
    for (const span of this.#spans) {
      if (span.dueAbove === null) continue;
      const last = Math.min(through, span.dueThrough ?? through);
      for (let at = Math.max(span.hasThrough, span.dueAbove) + 1; at <= last; at += 1) {
        if (!this.#has(at)) return at;
        span.hasThrough = at;
      }
    }
    return null;
  }

  #has(position: number): boolean {
    const { ledger, filter } = this.#options;
    const fact = ledger.at(position);
    if (fact === undefined || fact.qos === 0 || this.#got.has(position)) return true;
    return !filterMatches(filter, fact.topic) || ledger.mayStayAway(fact);
  }
}
