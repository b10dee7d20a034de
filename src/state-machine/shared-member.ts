/** A session in a share, with what it was given and has not dealt with. It stays until that is over, also after it has unsubscribed. */
import type { RecordBatch } from "./record-batch.js";
import type { SessionState } from "./session-state.js";
import type { SharedGroup } from "./shared-group.js";
import { encodeHeld, type HeldItem, memberKey } from "./shared-records.js";

const NO_ITEMS: readonly HeldItem[] = Object.freeze([]);

/** What a session holds of all its shares. */
export function sharedItems(memberships: readonly SharedMember[]): readonly HeldItem[] {
  if (memberships.length === 0) return NO_ITEMS;
  return memberships.flatMap((member) => [...member.items()]);
}

export class SharedMember {
  readonly session: SessionState;
  readonly group: SharedGroup;
  /** Granted QoS of its subscription. */
  qos: 0 | 1 | 2 = 0;
  /** False after it unsubscribed: it is given nothing more. */
  isSubscribed = false;
  /** Its record is out of date; the group has it in its list. */
  isChanged = false;
  /** By position, in the order in which they were given. */
  readonly #sent = new Map<number, HeldItem>();
  /** PUBREC came, in the order in which they came. */
  readonly #received = new Map<number, HeldItem>();

  constructor(session: SessionState, group: SharedGroup) {
    this.session = session;
    this.group = group;
  }

  /** Messages that it holds. */
  get count(): number {
    return this.#sent.size + this.#received.size;
  }

  /** Received ones first, in the order of their PUBRECs; then in the order in which they were given. */
  *items(): Iterable<HeldItem> {
    yield* this.#received.values();
    yield* this.#sent.values();
  }

  hold(item: HeldItem): void {
    (item.received ? this.#received : this.#sent).set(item.position, item);
  }

  /** PUBREC: only PUBREL is sent from now on, to this session and to no other (MQTT-4.8.2-4). Returns whether that is news. */
  receive(position: number): boolean {
    const item = this.#sent.get(position);
    if (item?.qos !== 2) return false;
    this.#sent.delete(position);
    this.hold({ ...item, received: true });
    return true;
  }

  /** Returns whether it was there. */
  drop(position: number): boolean {
    return this.#sent.delete(position) || this.#received.delete(position);
  }

  /** A new connection of the session: what it holds was given before. */
  markAgain(): boolean {
    let isNews = false;
    for (const items of [this.#sent, this.#received]) {
      for (const [position, item] of items) {
        if (item.again) continue;
        items.set(position, { ...item, again: true });
        isNews = true;
      }
    }
    return isNews;
  }

  /** Takes out what others may get: of QoS 2 nothing ever (MQTT-4.8.2-4). */
  takeReturnable(): HeldItem[] {
    const items = [...this.#sent.values()].filter(({ qos }) => qos === 1);
    for (const { position } of items) this.#sent.delete(position);
    return items;
  }

  /** The lowest position that it holds; Infinity for none. */
  lowest(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { position } of this.items()) lowest = Math.min(lowest, position);
    return lowest;
  }

  write(out: RecordBatch): void {
    encodeHeld(out.writer, this.count, this.items());
    out.put(memberKey(this.group.number, this.session.number));
  }
}
