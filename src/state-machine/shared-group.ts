/**
 * One shared subscription (MQTT 5.0, 4.8.2): its members, whose turn it is, and what waits because nobody had room. Each message is with one
 * member at a time, or waits.
 */
import type { SubscriptionOptions } from "../commands/command.js";
import type { EffectList } from "./effect-list.js";
import type { StoredMessage } from "./effects.js";
import type { RecordBatch } from "./record-batch.js";
import { recordKey } from "./records.js";
import type { SessionState } from "./session-state.js";
import { SharedBacklog, type Waiting } from "./shared-backlog.js";
import { SharedMember } from "./shared-member.js";
import { chunkKey, encodeShare, type HeldItem, memberKey } from "./shared-records.js";
import { SharedRing } from "./shared-ring.js";

/** What the groups have in common. */
export interface SharedTally {
  /** Messages that one member may hold, and that all may hold together. */
  readonly outstandingMax: number;
  readonly heldMax: number;
  /** Messages that may wait in one group, and in all together. */
  readonly backlogMax: number;
  readonly waitingMax: number;
  held: number;
  waiting: number;
  /** What follows is counted by this process, and no part of the state. Messages of QoS 1 and 2 for which there was no room. */
  lost: number;
  /** Messages of QoS 1 and 2 that went with the session or the subscription that they were for (MQTT-4.8.2-5). */
  ended: number;
  /** Messages that nobody could be given and that need not wait, since they or all subscriptions are of QoS 0. */
  unheard: number;
}

export class SharedGroup {
  readonly number: number;
  readonly share: string;
  readonly filter: string;
  readonly backlog = new SharedBacklog();
  readonly ring = new SharedRing();
  readonly #tally: SharedTally;
  readonly #members = new Map<number, SharedMember>();
  #subscribers = 0;
  /** Those of them that acknowledge: messages wait for these only. */
  #acknowledging = 0;
  /** Sessions whose record as a member is out of date. */
  readonly #changedMembers = new Set<number>();

  constructor(number: number, share: string, filter: string, tally: SharedTally) {
    this.number = number;
    this.share = share;
    this.filter = filter;
    this.#tally = tally;
  }

  get hasSubscribers(): boolean {
    return this.#subscribers > 0;
  }

  /** Nobody is left, not even one that has to finish. */
  get isOver(): boolean {
    return this.#members.size === 0;
  }

  memberOf(session: SessionState): SharedMember | undefined {
    return this.#members.get(session.number);
  }

  /** The session as a member, which it may not be yet; then it is not subscribed and holds nothing. */
  ensureMember(session: SessionState): SharedMember {
    const present = this.#members.get(session.number);
    if (present !== undefined) return present;
    const member = new SharedMember(session, this);
    this.#members.set(session.number, member);
    session.memberships = [...session.memberships, member];
    return member;
  }

  /** Subscribes, or takes other options. */
  subscribe(session: SessionState, { qos }: Pick<SubscriptionOptions, "qos">): void {
    const member = this.ensureMember(session);
    this.#setTerms(member, true, qos);
  }

  /** What it holds it goes on with (MQTT-3.10.4-3); nothing new comes (MQTT-3.10.4-2). */
  unsubscribe(member: SharedMember): void {
    this.#setTerms(member, false, 0);
    this.#removeIfDone(member);
    this.#afterLeave();
  }

  /** The member's session has, or has no longer, a connection. */
  updateTurn(member: SharedMember): void {
    const { qos, isSubscribed, session } = member;
    const hasRoom = qos === 0 || member.count < this.#tally.outstandingMax;
    this.ring.set(member, isSubscribed && hasRoom && session.owner !== null);
  }

  /** Another connection of the member's session. */
  reconnect(member: SharedMember): void {
    if (member.markAgain()) this.#changed(member);
    this.updateTurn(member);
  }

  /**
   * The session of the member is not connected: what went with QoS 1 waits for others, unless nobody else is subscribed. What went
   * with QoS 2 stays (MQTT-4.8.2-4).
   */
  giveBack(member: SharedMember): void {
    if (!this.hasSubscribers) return;
    const items = member.takeReturnable();
    if (items.length === 0) return;
    this.#changed(member);
    for (const item of items) this.backlog.add(waitingOf(item, member.session.number));
    this.#tally.held -= items.length;
    this.#tally.waiting += items.length;
    this.#removeIfDone(member);
  }

  /** The session of the member is over: what went with QoS 2 goes to nobody else (MQTT-4.8.2-5). */
  end(member: SharedMember): void {
    this.#setTerms(member, false, 0);
    this.giveBack(member);
    this.#tally.held -= member.count;
    this.#tally.ended += member.count;
    this.#remove(member);
    this.#afterLeave();
  }

  /** A new message, whose topic matches. */
  offer(message: StoredMessage, effects: EffectList): void {
    const { position, qos } = message;
    if (this.backlog.size > 0) this.drain(position, effects);
    const item = { position, topicId: message.topic.id, qos, holder: 0 };
    if (this.#give(item, position, false, effects)) return;
    if (qos === 0 || this.#acknowledging === 0) this.#tally.unheard += 1;
    else this.#wait({ ...item, qos });
  }

  /** Gives what waits to those that have room. */
  drain(head: number, effects: EffectList): void {
    for (let item = this.backlog.first; item !== undefined; item = this.backlog.first) {
      if (!this.#give(item, head, this.#acknowledging > 0, effects)) return;
      this.backlog.shift();
      this.#tally.waiting -= 1;
    }
  }

  progress(member: SharedMember, received: readonly number[], done: readonly number[]): void {
    let isNews = false;
    for (const position of received) isNews = member.receive(position) || isNews;
    for (const position of done) {
      if (!member.drop(position)) continue;
      this.#tally.held -= 1;
      isNews = true;
    }
    if (!isNews) return;
    this.#changed(member);
    this.updateTurn(member);
    this.#removeIfDone(member);
  }

  /** The lowest position that somebody may still ask for; Infinity for none. */
  lowest(): number {
    let lowest = this.backlog.first?.position ?? Number.POSITIVE_INFINITY;
    for (const member of this.#members.values()) lowest = Math.min(lowest, member.lowest());
    return lowest;
  }

  /** Takes what a member held. */
  loadHeld(session: SessionState, items: readonly HeldItem[]): void {
    const member = this.ensureMember(session);
    for (const item of items) member.hold(item);
    this.#tally.held += member.count;
    this.updateTurn(member);
  }

  /** Takes what waited. Returns whether it fits together. */
  loadWaiting(chunks: readonly { readonly number: number; readonly items: Waiting[] }[]): boolean {
    const fits = this.backlog.load(chunks);
    this.#tally.waiting += this.backlog.size;
    return fits;
  }

  writeChanges(out: RecordBatch): void {
    for (const session of this.#changedMembers) {
      const member = this.#members.get(session);
      if (member !== undefined && member.count > 0) member.write(out);
      else out.remove(memberKey(this.number, session));
      if (member !== undefined) member.isChanged = false;
    }
    this.#changedMembers.clear();
    this.backlog.writeChanges(out, (chunk) => chunkKey(this.number, chunk));
    if (this.isOver) out.remove(recordKey("g", this.number));
    else this.#write(out);
  }

  writeAll(out: RecordBatch): void {
    for (const member of this.#members.values()) if (member.count > 0) member.write(out);
    this.backlog.writeAll(out, (chunk) => chunkKey(this.number, chunk));
    this.#write(out);
  }

  /** Gives the message to the next member. Returns false when there is none. */
  #give(
    item: Omit<Waiting, "qos"> & { readonly qos: 0 | 1 | 2 },
    asOf: number,
    acknowledges: boolean,
    effects: EffectList,
  ): boolean {
    const tally = this.#tally;
    if (tally.held >= tally.heldMax && item.qos > 0) return false;
    const member = this.ring.next(acknowledges);
    if (member === undefined) return false;
    const { position, topicId } = item;
    const { session } = member;
    const again = item.holder === session.number;
    const given = { source: this.number, topicId, position, asOf, received: false, again };
    const qos = Math.min(item.qos, member.qos);
    const messageQos = item.qos;
    if (qos === 0 || messageQos === 0) {
      effects.assigned(session, { ...given, qos: 0 });
      return true;
    }
    const held: HeldItem = { ...given, qos: qos === 2 ? 2 : 1, messageQos };
    member.hold(held);
    tally.held += 1;
    this.#changed(member);
    if (member.count >= tally.outstandingMax) this.updateTurn(member);
    effects.assigned(session, held);
    return true;
  }

  /** Nobody has room. Past a ceiling the oldest that waits is lost, as it is with retention. */
  #wait(item: Waiting): void {
    const tally = this.#tally;
    if (this.backlog.size >= tally.backlogMax || tally.waiting >= tally.waitingMax) {
      tally.lost += 1;
      if (this.backlog.shift() === undefined) return;
      tally.waiting -= 1;
    }
    this.backlog.add(item);
    tally.waiting += 1;
  }

  #setTerms(member: SharedMember, isSubscribed: boolean, qos: 0 | 1 | 2): void {
    this.ring.set(member, false);
    this.#subscribers += Number(isSubscribed) - Number(member.isSubscribed);
    this.#acknowledging += Number(isSubscribed && qos > 0) - Number(member.isSubscribed && member.qos > 0);
    member.isSubscribed = isSubscribed;
    member.qos = qos;
    this.updateTurn(member);
  }

  /** Without subscribers nothing is kept for them. */
  #afterLeave(): void {
    if (this.hasSubscribers) return;
    this.#tally.waiting -= this.backlog.size;
    this.#tally.ended += this.backlog.size;
    this.backlog.clear();
  }

  #removeIfDone(member: SharedMember): void {
    if (!member.isSubscribed && member.count === 0) this.#remove(member);
  }

  #remove(member: SharedMember): void {
    const { session } = member;
    this.#changed(member);
    this.#members.delete(session.number);
    session.memberships = session.memberships.filter((it) => it !== member);
  }

  #changed(member: SharedMember): void {
    if (member.isChanged) return;
    member.isChanged = true;
    this.#changedMembers.add(member.session.number);
  }

  #write(out: RecordBatch): void {
    const { share, filter, backlog, ring } = this;
    encodeShare(out.writer, { share, filter, lastGiven: ring.last, nextChunk: backlog.nextChunk });
    out.put(recordKey("g", this.number));
  }
}

function waitingOf({ position, topicId, messageQos }: HeldItem, holder: number): Waiting {
  return { position, topicId, qos: messageQos, holder };
}
