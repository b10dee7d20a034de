/**
 * What kept sessions and shares still need of the messages that retention would take: gone through once a round, a few sessions a turn, and
 * only for what would go. Whoever is further on than that, or asked for QoS 0, holds nothing.
 */
import type { Machine } from "../state-machine/machine.js";
import type { Session } from "../state-machine/session-view.js";
import { isWildcard } from "../topics/topic-name.js";
import { TopicTrie } from "../topics/topic-trie.js";

type HoldSource = Pick<Machine, "sessions" | "sharedHolds" | "topicByName" | "topicById">;

/** Subscriptions, sessions and shares looked at before other work gets a turn: about a millisecond. */
const LOOKED_AT_PER_TURN = 2_000;

/** Stands for a share, which is no session. */
const NOBODY = 0;

/** What is needed of one topic, or of all that one filter matches. Mostly there is one who needs it. */
class Hold {
  /** The lowest position above which somebody needs it. */
  above: number;
  readonly #first: number;
  readonly #firstAbove: number;
  /** The others, each followed by the position above which he needs it. */
  #others: number[] | null = null;

  constructor(session: number, above: number) {
    this.above = above;
    this.#first = session;
    this.#firstAbove = above;
  }

  add(session: number, above: number): void {
    this.above = Math.min(this.above, above);
    if (this.#others === null) this.#others = [session, above];
    else this.#others.push(session, above);
  }

  /** The sessions that need something at or below a position. */
  *sessionsBelow(position: number): Iterable<number> {
    if (this.#firstAbove < position && this.#first !== NOBODY) yield this.#first;
    const others = this.#others ?? [];
    for (let at = 0; at < others.length; at += 2) {
      const session = others[at] ?? NOBODY;
      if ((others[at + 1] ?? position) < position && session !== NOBODY) yield session;
    }
  }
}

/** For one round of retention. */
export class SessionHolds {
  readonly #machine: () => HoldSource;
  readonly #yieldTurn: () => Promise<void>;
  #wouldGo: ReadonlyMap<number, number> = new Map();
  /** The highest position that would go. */
  #through = 0;
  readonly #byTopic = new Map<number, Hold>();
  readonly #byWildcard = new Map<string, Hold>();
  readonly #trie = new TopicTrie<Hold>();
  /** Answers given, by topic. */
  readonly #aboves = new Map<number, number>();

  /** `machine`: the present one, asked for each time. */
  constructor(machine: () => HoldSource, yieldTurn: () => Promise<void>) {
    this.#machine = machine;
    this.#yieldTurn = yieldTurn;
  }

  /** To be called once, before anything is asked, with the topics and the positions up to which retention would take their messages. */
  async gather(wouldGo: ReadonlyMap<number, number>): Promise<void> {
    this.#wouldGo = wouldGo;
    for (const position of wouldGo.values()) this.#through = Math.max(this.#through, position);
    if (wouldGo.size === 0) return;
    for (let after = 0; ; await this.#yieldTurn()) {
      const last = this.#addSessions(after);
      if (last === after) break;
      after = last;
    }
    let looked = 0;
    for (const { filter, position } of this.#machine().sharedHolds()) {
      this.#add(NOBODY, filter, position - 1);
      looked += 1;
      if (looked % LOOKED_AT_PER_TURN === 0) await this.#yieldTurn();
    }
  }

  /** The position above which somebody needs the topic's messages, as far as they would go; Infinity when nobody does. */
  above(topicId: number): number {
    let above = this.#aboves.get(topicId);
    if (above === undefined) {
      above = Number.POSITIVE_INFINITY;
      for (const hold of this.#holdsOf(topicId)) above = Math.min(above, hold.above);
      this.#aboves.set(topicId, above);
    }
    return above;
  }

  /** How many sessions need something of these topics up to these positions. */
  sessionsThatLose(lost: ReadonlyMap<number, number>): number {
    const through = new Map<Hold, number>();
    for (const [topicId, position] of lost) {
      for (const hold of this.#holdsOf(topicId)) {
        through.set(hold, Math.max(position, through.get(hold) ?? 0));
      }
    }
    const sessions = new Set<number>();
    for (const [hold, position] of through) {
      for (const session of hold.sessionsBelow(position)) sessions.add(session);
    }
    return sessions.size;
  }

  /** Adds the sessions after a number, as many as there is time for in a turn; returns the number of the last. */
  #addSessions(after: number): number {
    let last = after;
    let looked = 0;
    for (const session of this.#machine().sessions(after, LOOKED_AT_PER_TURN)) {
      last = session.number;
      looked += 1 + this.#addSession(session);
      if (looked >= LOOKED_AT_PER_TURN) break;
    }
    return last;
  }

  /** Returns how many subscriptions were looked at. */
  #addSession({ number, live, subscriptions }: Session): number {
    const { through } = live;
    if (through >= this.#through) return 0;
    for (const { filter, share, qos, since } of subscriptions) {
      if (share === "" && qos > 0) this.#add(number, filter, Math.max(through, since));
    }
    return subscriptions.length;
  }

  #add(session: number, filter: string, above: number): void {
    if (above >= this.#through) return;
    if (isWildcard(filter)) this.#addWildcard(session, filter, above);
    else this.#addExact(session, filter, above);
  }

  #addWildcard(session: number, filter: string, above: number): void {
    const present = this.#byWildcard.get(filter);
    if (present !== undefined) {
      present.add(session, above);
      return;
    }
    const hold = new Hold(session, above);
    this.#byWildcard.set(filter, hold);
    this.#trie.add(filter, hold);
  }

  #addExact(session: number, name: string, above: number): void {
    const topicId = this.#machine().topicByName(name)?.id ?? 0;
    if ((this.#wouldGo.get(topicId) ?? 0) <= above) return;
    const present = this.#byTopic.get(topicId);
    if (present === undefined) this.#byTopic.set(topicId, new Hold(session, above));
    else present.add(session, above);
  }

  *#holdsOf(topicId: number): Iterable<Hold> {
    const exact = this.#byTopic.get(topicId);
    if (exact !== undefined) yield exact;
    const topic = this.#machine().topicById(topicId);
    if (topic !== undefined) yield* this.#trie.match(topic.name);
  }
}
