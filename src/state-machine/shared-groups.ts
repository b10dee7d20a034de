/**
 * All shared subscriptions: which groups a message is for, and what sessions do to their memberships. What comes back or finds room is given out
 * when the envelope is over, so that nobody is given what he leaves a moment later.
 */
import type { SubscriptionOptions } from "../commands/command.js";
import { TopicTrie } from "../topics/topic-trie.js";
import type { EffectList } from "./effect-list.js";
import type { StoredMessage } from "./effects.js";
import type { RecordBatch } from "./record-batch.js";
import type { SessionState } from "./session-state.js";
import type { SessionSubscription } from "./session-view.js";
import { SharedGroup, type SharedTally } from "./shared-group.js";

const NO_GROUPS: readonly SharedGroup[] = Object.freeze([]);

/** Ceilings of the groups; all decide results. */
export type SharedCeilings = Pick<SharedTally, "outstandingMax" | "heldMax" | "backlogMax" | "waitingMax">;

export class SharedGroups {
  readonly #tally: SharedTally;
  readonly #takeNumber: () => number;
  readonly #byNumber = new Map<number, SharedGroup>();
  readonly #byKey = new Map<string, SharedGroup>();
  /** Groups with subscribers. */
  readonly #byFilter = new TopicTrie<SharedGroup>();
  /** By topic id, what the trie says; empty after every change of it. */
  readonly #byTopic = new Map<number, readonly SharedGroup[]>();
  readonly #changed = new Set<SharedGroup>();
  /** Groups where somebody may have found room. */
  readonly #toDrain = new Set<SharedGroup>();
  /** Sessions whose connection ended; they may be back before the envelope is over. */
  readonly #left = new Set<SessionState>();
  /** All that may be held was held at a time of this envelope. */
  #wasFull = false;

  /** `takeNumber` gives each group a number that no other source of a session has. */
  constructor(ceilings: SharedCeilings, takeNumber: () => number) {
    this.#tally = { ...ceilings, held: 0, waiting: 0, lost: 0, ended: 0, unheard: 0 };
    this.#takeNumber = takeNumber;
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** Messages that members hold and that wait; what was lost, in this process. */
  get counts(): Omit<SharedTally, keyof SharedCeilings> {
    const { held, waiting, lost, ended, unheard } = this.#tally;
    return { held, waiting, lost, ended, unheard };
  }

  /** The session becomes a member, or is one with other options from now on. Returns the number of the share. */
  join(session: SessionState, options: SubscriptionOptions): number {
    const group = this.#ensureGroup(options.share, options.filter);
    const hadSubscribers = group.hasSubscribers;
    group.subscribe(session, options);
    if (!hadSubscribers) this.#listen(group, true);
    this.#changed.add(group);
    this.#toDrain.add(group);
    return group.number;
  }

  leave(session: SessionState, filter: string, share: string): void {
    const group = this.#byKey.get(keyOf(share, filter));
    const member = group?.memberOf(session);
    if (group === undefined || member === undefined) return;
    group.unsubscribe(member);
    if (!group.hasSubscribers) this.#listen(group, false);
    this.#tidy(group);
  }

  /** The session has a connection: it has an owner and its present epoch. */
  online(session: SessionState): void {
    this.#left.delete(session);
    for (const member of session.memberships) {
      const { group } = member;
      group.reconnect(member);
      this.#changed.add(group);
      this.#toDrain.add(group);
    }
  }

  /** Its connection ended; with `ended` the session is over, whether or not it was connected. */
  offline(session: SessionState, ended: boolean): void {
    this.#noteFull();
    if (ended) this.#left.delete(session);
    else if (session.memberships.length > 0) this.#left.add(session);
    for (const member of session.memberships) {
      const { group } = member;
      if (ended) {
        const hadSubscribers = group.hasSubscribers;
        group.end(member);
        if (hadSubscribers && !group.hasSubscribers) this.#listen(group, false);
        this.#tidy(group);
      } else group.updateTurn(member);
    }
  }

  /** A message was appended. */
  assign(message: StoredMessage, effects: EffectList): void {
    if (this.#byNumber.size === 0) return;
    for (const group of this.#groupsOf(message)) {
      this.#changed.add(group);
      group.offer(message, effects);
    }
  }

  /** What a member dealt with; positions that it does not hold say nothing. */
  progress(
    session: SessionState,
    source: number,
    received: readonly number[],
    done: readonly number[],
  ): void {
    const group = this.#byNumber.get(source);
    const member = group?.memberOf(session);
    if (group === undefined || member === undefined) return;
    this.#noteFull();
    group.progress(member, received, done);
    this.#tidy(group);
  }

  /** The envelope is over: `head` is the stream's. What came back, and what waited for room, is given out. */
  settle(head: number, effects: EffectList): void {
    if (this.#left.size + this.#toDrain.size === 0) return;
    this.#noteFull();
    for (const session of this.#left) {
      for (const member of session.memberships) {
        const { group } = member;
        group.giveBack(member);
        this.#tidy(group);
      }
    }
    this.#left.clear();
    const { held, heldMax } = this.#tally;
    if (this.#wasFull && held < heldMax) {
      for (const group of this.#byNumber.values()) if (group.backlog.size > 0) this.#toDrain.add(group);
    }
    for (const group of this.#toDrain) {
      if (group.backlog.size === 0) continue;
      this.#changed.add(group);
      group.drain(head, effects);
    }
    this.#toDrain.clear();
    this.#wasFull = false;
  }

  /** The topic is gone; its id comes never again. */
  forgetTopic(topicId: number): void {
    this.#byTopic.delete(topicId);
  }

  /** What a node has to keep for the groups: of each the lowest position that somebody may still ask for. */
  *holds(): Iterable<{ readonly filter: string; readonly position: number }> {
    for (const group of this.#byNumber.values()) {
      const position = group.lowest();
      if (position !== Number.POSITIVE_INFINITY) yield { filter: group.filter, position };
    }
  }

  writeChanges(out: RecordBatch): void {
    for (const group of this.#changed) group.writeChanges(out);
    this.#changed.clear();
  }

  writeAll(out: RecordBatch): void {
    for (const group of this.#byNumber.values()) group.writeAll(out);
  }

  /** Takes a group as it was stored; they come in the order of their numbers, before their members and what waits. */
  loadGroup(group: SharedGroup): boolean {
    const key = keyOf(group.share, group.filter);
    if (this.#byKey.has(key)) return false;
    this.#byNumber.set(group.number, group);
    this.#byKey.set(key, group);
    return true;
  }

  /** Takes a subscription as a session has it. Returns whether there is such a group. */
  loadSubscription(session: SessionState, subscription: SessionSubscription): boolean {
    const { share, filter, source } = subscription;
    const group = this.#byNumber.get(source);
    if (group === undefined || group !== this.#byKey.get(keyOf(share, filter))) return false;
    if (!group.hasSubscribers) this.#listen(group, true);
    group.subscribe(session, subscription);
    return true;
  }

  /** An empty group of that number, which is not among the others yet. */
  newGroup(number: number, share: string, filter: string): SharedGroup {
    return new SharedGroup(number, share, filter, this.#tally);
  }

  #ensureGroup(share: string, filter: string): SharedGroup {
    const present = this.#byKey.get(keyOf(share, filter));
    if (present !== undefined) return present;
    const group = this.newGroup(this.#takeNumber(), share, filter);
    this.loadGroup(group);
    return group;
  }

  /** The group has subscribers now, or has no longer. */
  #listen(group: SharedGroup, listens: boolean): void {
    if (listens) this.#byFilter.add(group.filter, group);
    else this.#byFilter.remove(group.filter, group);
    this.#byTopic.clear();
  }

  #groupsOf({ topic }: StoredMessage): readonly SharedGroup[] {
    const known = this.#byTopic.get(topic.id);
    if (known !== undefined) return known;
    const found = [...this.#byFilter.match(topic.name)].sort((a, b) => a.number - b.number);
    const groups = found.length === 0 ? NO_GROUPS : found;
    this.#byTopic.set(topic.id, groups);
    return groups;
  }

  /** Something of the group changed, and perhaps its last member left. */
  #tidy(group: SharedGroup): void {
    this.#changed.add(group);
    this.#toDrain.add(group);
    if (!group.isOver) return;
    this.#toDrain.delete(group);
    this.#byNumber.delete(group.number);
    this.#byKey.delete(keyOf(group.share, group.filter));
  }

  #noteFull(): void {
    if (this.#tally.held >= this.#tally.heldMax) this.#wasFull = true;
  }
}

/** A share has no slash (MQTT-4.8.2-1). */
function keyOf(share: string, filter: string): string {
  return `${share}/${filter}`;
}
