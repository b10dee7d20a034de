/** Shares from their records, after the sessions: who is subscribed stands in the sessions, what was given and what waits here. */
import { corrupt, type StateRecord } from "./records.js";
import type { Waiting } from "./shared-backlog.js";
import type { SharedGroup } from "./shared-group.js";
import {
  decodeHeld,
  decodeShare,
  decodeWaiting,
  type HeldItem,
  parseShareKey,
  SHARE_PREFIX,
} from "./shared-records.js";
import type { State } from "./state.js";

/** Of one share. */
interface Held {
  readonly session: number;
  readonly items: readonly HeldItem[];
}

interface Chunk {
  readonly number: number;
  readonly items: Waiting[];
}

export class SharedLoader {
  readonly #state: State;
  readonly #groups: SharedGroup[] = [];
  readonly #held = new Map<number, Held[]>();
  readonly #chunks = new Map<number, Chunk[]>();

  constructor(state: State) {
    this.#state = state;
  }

  /** Returns whether the record is one of these. */
  take({ key, value }: StateRecord): boolean {
    if (!key.startsWith(SHARE_PREFIX)) return false;
    const { share, part, number } = parseShareKey(key);
    if (part === "share") {
      const record = decodeShare(value);
      const group = this.#state.shares.newGroup(share, record.share, record.filter);
      group.ring.last = record.lastGiven;
      group.backlog.nextChunk = record.nextChunk;
      this.#groups.push(group);
    } else if (part === "member") {
      listOf(this.#held, share).push({ session: number, items: decodeHeld(value, share) });
    } else listOf(this.#chunks, share).push({ number, items: decodeWaiting(value) });
    return true;
  }

  /** After the sessions are there. Throws `FatalError` `store_corrupt`. */
  finish(): void {
    const { shares, nextSource } = this.#state;
    this.#groups.sort((a, b) => a.number - b.number);
    for (const group of this.#groups) {
      if (group.number >= nextSource) throw corrupt("a share is newer than the state");
      if (!shares.loadGroup(group)) throw corrupt(`two shares of one name, ${group.number} among them`);
    }
    this.#joinAll();
    for (const group of this.#groups) {
      const { number } = group;
      for (const held of this.#held.get(number) ?? []) this.#loadHeld(group, held);
      this.#loadChunks(group, this.#chunks.get(number) ?? []);
      if (group.isOver) throw corrupt(`share ${number} has no members`);
      this.#held.delete(number);
      this.#chunks.delete(number);
    }
    if (this.#held.size + this.#chunks.size > 0) throw corrupt("a share is missing whose messages are there");
  }

  #joinAll(): void {
    const { sessions, shares } = this.#state;
    for (const session of sessions.all()) {
      for (const subscription of session.subscriptions) {
        if (subscription.share === "") continue;
        if (!shares.loadSubscription(session, subscription)) {
          throw corrupt(`session ${session.number} is in share ${subscription.source}, which does not fit`);
        }
      }
    }
  }

  #loadHeld(group: SharedGroup, { session, items }: Held): void {
    const of = this.#state.sessions.byNumber(session);
    const isNewer = items.some(({ asOf }) => asOf > this.#state.head);
    if (of === undefined || isNewer) throw corrupt(`session ${session} cannot hold what it does`);
    group.loadHeld(of, items);
  }

  #loadChunks(group: SharedGroup, chunks: readonly Chunk[]): void {
    const isNewer = chunks.some(({ items }) => (items.at(-1)?.position ?? 0) > this.#state.head);
    if (isNewer || !group.loadWaiting(chunks))
      throw corrupt(`what waits in share ${group.number} does not fit`);
  }
}

function listOf<Item>(lists: Map<number, Item[]>, number: number): Item[] {
  const present = lists.get(number);
  if (present !== undefined) return present;
  const list: Item[] = [];
  lists.set(number, list);
  return list;
}
