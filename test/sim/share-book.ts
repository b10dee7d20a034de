/**
 * Shared subscriptions as they look from outside: which messages a group has to get, by the committed log, and who got them. Each goes to one member
 * at a time; to another only when the first is gone and has not said that it is done.
 */
import type { SessionProgress, SubscribeCommand, UnsubscribeCommand } from "../../src/commands/command.js";
import type { CommandResult, StoredMessage } from "../../src/state-machine/effects.js";
import { filterMatches } from "../../src/topics/topic-name.js";
import type { Ledger } from "./ledger.js";
import type { Stay } from "./session-book.js";
import type { World } from "./world.js";

/** A member got a message, at one of its connections. */
interface Taking {
  readonly client: string;
  readonly stay: Stay;
  readonly qos: number;
}

class Share {
  readonly filter: string;
  /** QoS that was granted, by session. */
  readonly members = new Map<number, 0 | 1 | 2>();
  /** Sessions that are members, or were. */
  readonly sessions = new Set<number>();
  /** Those that had QoS 2 at some time: what they were given then stays theirs, also when they unsubscribed. */
  readonly atTwo = new Set<number>();
  /** Sessions that unsubscribed, and how long the stream was then; `null` during that envelope. */
  readonly left = new Map<number, number | null>();
  /** Nobody was there at some time of the present envelope. */
  wasEmpty = true;
  /** During the present envelope a member that had QoS 2 went with its session. */
  hasLost = false;
  /** Positions of QoS 1 and 2 that somebody has to get. */
  readonly due = new Set<number>();
  readonly taken = new Map<number, Taking[]>();
  /** Positions of QoS 0 that somebody got: at most one. */
  readonly takenAtZero = new Set<number>();

  constructor(filter: string) {
    this.filter = filter;
  }

  get isHeard(): boolean {
    return [...this.members.values()].some((qos) => qos > 0);
  }
}

export class ShareBook {
  readonly #world: World;
  readonly #shares = new Map<string, Share>();
  /** What sessions are done with that came by no stream of their own: a member has one share, and nothing else that is told so. */
  readonly #done = new Map<number, Set<number>>();
  /** May have gone with a session, if they are of QoS 2. */
  readonly #lost = new Set<number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** An envelope begins. */
  begins(): void {
    for (const share of this.#shares.values()) {
      share.wasEmpty = !share.isHeard;
      share.hasLost = false;
    }
  }

  subscribes(
    { session, subscriptions }: SubscribeCommand,
    { subscriptions: answers }: Extract<CommandResult, { kind: "subscribed" }>,
  ): void {
    for (const [i, { filter, share, qos }] of subscriptions.entries()) {
      if (share === "" || answers[i]?.refused !== null) continue;
      const key = keyOf(share, filter);
      const present = this.#shares.get(key) ?? new Share(filter);
      this.#shares.set(key, present);
      present.members.set(session, qos);
      present.sessions.add(session);
      if (qos === 2) present.atTwo.add(session);
      present.left.delete(session);
    }
  }

  unsubscribes({ session, filters }: UnsubscribeCommand): void {
    for (const { filter, share } of filters) {
      const present = this.#shares.get(keyOf(share, filter));
      if (present?.members.delete(session) !== true) continue;
      present.left.set(session, null);
      this.#afterLeave(present);
    }
  }

  /** A session is over. What it held at QoS 2 goes with it (MQTT-4.8.2-5). */
  gone(session: number): void {
    for (const share of this.#shares.values()) {
      if (share.atTwo.delete(session)) {
        for (const position of share.due) this.#lost.add(position);
        share.hasLost = true;
      }
      if (share.members.delete(session)) this.#afterLeave(share);
    }
  }

  /** A connected member has told that it is done with these. */
  done({ session, source, done }: SessionProgress): void {
    if (source === 0) return;
    const known = this.#done.get(session) ?? new Set();
    for (const position of done) known.add(position);
    this.#done.set(session, known);
  }

  /** The envelope is over, and has appended these; `head` is the stream's. */
  ends(appended: readonly StoredMessage[], head: number): void {
    for (const share of this.#shares.values()) {
      for (const [session, at] of share.left) share.left.set(session, at ?? head);
      if (share.wasEmpty || !share.isHeard) continue;
      for (const { position, topic, qos } of appended) {
        if (qos === 0 || !filterMatches(share.filter, topic.name)) continue;
        share.due.add(position);
        // It may have been given to the one that went.
        if (share.hasLost) this.#lost.add(position);
      }
    }
  }

  /** A member of the share gets a message of QoS 0. */
  takesAtZero(key: string, client: string, position: number): void {
    const known = this.#shares.get(key)?.takenAtZero;
    this.#world.check(
      known?.has(position) === false,
      () => `${client} gets ${position} of ${key} at QoS 0, which somebody got`,
    );
    known?.add(position);
  }

  /** A member of the share gets a message. What comes by a connection that the log has ended may be with another one already. */
  takes(key: string, taking: Taking, position: number): void {
    const share = this.#shares.get(key);
    if (share === undefined) {
      this.#world.fail(`${taking.client} gets ${position} of a share that nobody is in`);
      return;
    }
    const { client, stay } = taking;
    const takings = share.taken.get(position) ?? [];
    share.taken.set(position, [...takings, taking]);
    share.due.delete(position);
    if (stay.isOver) return;
    const leftAt = share.left.get(stay.session) ?? Number.POSITIVE_INFINITY;
    this.#world.check(position <= leftAt, () => `${client} gets ${position} of ${key}, and had left it`);
    for (const other of takings) this.#check(key, taking, other, position);
    const isOver = [...share.sessions].some((session) => this.#done.get(session)?.has(position) === true);
    this.#world.check(!isOver, () => `${client} gets ${position} of ${key}, which was done with`);
  }

  /** The first position that nobody of the share got; `null` when there is none. */
  lacks(key: string, ledger: Ledger): number | null {
    const share = this.#shares.get(key);
    for (const position of share?.due ?? []) {
      const fact = ledger.at(position);
      if (fact === undefined || ledger.mayStayAway(fact)) continue;
      if (fact.qos === 2 && this.#lost.has(position)) continue;
      return position;
    }
    return null;
  }

  #check(key: string, { client, stay }: Taking, other: Taking, position: number): void {
    const world = this.#world;
    world.check(
      other.stay.isOver,
      () =>
        `${client} gets ${position} of ${key}, which is with ${other.client}${other.stay === stay ? " already" : ""}`,
    );
    const isOthers = other.stay.session !== stay.session;
    world.check(
      other.qos < 2 || !isOthers,
      () => `${client} gets ${position} of ${key}, which went to ${other.client} at QoS 2`,
    );
    if (isOthers) world.counts["given on to another member"] += 1;
  }

  #afterLeave(share: Share): void {
    if (share.members.size === 0) share.due.clear();
    if (!share.isHeard) share.wasEmpty = true;
  }
}

export function keyOf(share: string, filter: string): string {
  return `$share/${share}/${filter}`;
}
