/**
 * Messages of shares that were given to this client (MQTT 5.0, 4.8.2), in the order in which they were given. The state machine has decided who gets
 * what; here they are fetched, sent, and told to be done.
 */
import { limits } from "../../../limits.js";
import type { Cancel } from "../../../runtime/clock.js";
import { asGiven, itemsBeyond, type SharedItem, type StoredMessage } from "../../../state-machine/effects.js";
import type { Session } from "../../../state-machine/session-view.js";
import type { Grant } from "../../../topics/filter-set.js";
import { isSharedWithin, packetIdOf } from "./packet-id.js";
import type { Parts } from "./parts.js";
import { isExpired } from "./publish-encoder.js";

/** How often is looked whether the live stream has come to where an item can go. */
const LOOK_AGAIN_MS = 20;

export class SharedFeed {
  readonly #parts: Parts;
  /** Not sent yet, in order, and how many of them have each packet identifier. */
  #waiting: SharedItem[] = [];
  readonly #ids = new Map<number, number>();
  /** What the client asked for, by source. What it was given before it unsubscribed goes on as it was asked for. */
  readonly #terms = new Map<number, Omit<Grant, "qos">>();
  /** The message of the first, when it had to be read. */
  #fetched: { readonly message: StoredMessage | null } | null = null;
  #isFetching = false;
  #cancelLook: Cancel | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Whether an item that was given below the head `before` waits, and is to have the packet identifier of this position first: of another message, or
   * the share's copy of the same one.
   */
  isAwaited(position: number, before: number): boolean {
    const id = packetIdOf(position);
    if (!this.#ids.has(id)) return false;
    return this.#waiting.some((item) => item.asOf < before && packetIdOf(item.position) === id);
  }

  /** As of the live stream. */
  comesAgain(packetId: number): boolean {
    if (!this.#ids.has(packetId)) return false;
    return this.#waiting.some(({ again, position }) => again && packetIdOf(position) === packetId);
  }

  /** What the session was given before; of items that came by `add` meanwhile, those of QoS 0 are not in its state. */
  resume(session: Session): void {
    this.changed(session);
    const { link, session: own } = this.#parts;
    const late = itemsBeyond(this.#waiting, session.shared);
    this.#waiting = [];
    this.#ids.clear();
    for (const item of asGiven(session.shared)) {
      if (!item.received || !own.isKept) this.#enqueue(item);
    }
    for (const item of late) this.#enqueue(item);
    if (!own.isKept) return;
    for (const { position, source, received } of session.shared) {
      if (received) link.resumeRelease(position, source);
    }
  }

  /** Its memberships may be others now. */
  changed({ subscriptions }: Session): void {
    for (const { share, source, retainAsPublished, subscriptionId } of subscriptions) {
      if (share === "") continue;
      const subscriptionIds = subscriptionId === 0 ? [] : [subscriptionId];
      this.#terms.set(source, { retainAsPublished, subscriptionIds });
    }
    if (this.#terms.size <= subscriptions.length || this.#waiting.length > 0) return;
    const sources = new Set(subscriptions.map(({ source }) => source));
    for (const source of this.#terms.keys()) if (!sources.has(source)) this.#terms.delete(source);
  }

  add(items: readonly SharedItem[]): void {
    for (const item of items) {
      const isMany = item.qos === 0 && this.#waiting.length >= limits.sharedWaitingMax;
      if (isMany) this.#parts.context.metrics.dropped("slow_member", 1);
      else this.#enqueue(item);
    }
  }

  /** As many as there is room for. */
  pump(): void {
    if (this.#waiting.length === 0) return;
    const { link } = this.#parts;
    while (this.#waiting.length > 0 && link.isWritable) {
      const [item] = this.#waiting;
      if (item !== undefined && !this.#take(item)) break;
      this.#dequeue();
    }
    link.flush();
  }

  close(): void {
    this.#waiting = [];
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  #enqueue(item: SharedItem): void {
    const id = packetIdOf(item.position);
    this.#waiting.push(item);
    this.#ids.set(id, 1 + (this.#ids.get(id) ?? 0));
    if (this.#waiting.length === 1 && this.#parts.session.isKept) this.#parts.live.hasItems = true;
  }

  #dequeue(): void {
    const item = this.#waiting.shift();
    this.#fetched = null;
    if (item === undefined) return;
    if (this.#waiting.length === 0) this.#parts.live.hasItems = false;
    const id = packetIdOf(item.position);
    const left = (this.#ids.get(id) ?? 0) - 1;
    if (left > 0) this.#ids.set(id, left);
    else this.#ids.delete(id);
  }

  #termsOf(source: number): Omit<Grant, "qos"> {
    if (!this.#terms.has(source)) {
      const { context, session } = this.#parts;
      const present = context.broker.session(session.number);
      if (present !== undefined) this.changed(present);
    }
    return this.#terms.get(source) ?? NO_TERMS;
  }

  /** False when it has to wait. */
  #take(item: SharedItem): boolean {
    const message = this.#message(item);
    if (message === undefined) return false;
    const { context, link } = this.#parts;
    const { source, again, qos } = item;
    if (qos > 0 && !this.#isItsTurn(item)) return false;
    if (message === null || isExpired(message, context.broker.nowMs())) return this.#giveUp(item);
    const terms = this.#termsOf(source);
    const retain = message.retain && terms.retainAsPublished;
    const offered = link.offer(message, { qos, ...terms }, { source, retain, again });
    if (offered === "no_room") return false;
    if (offered === "sent") return true;
    if (!this.#giveUp(item)) return false;
    context.metrics.dropped("packet_too_large", 1);
    return true;
  }

  /** It cannot be sent. False when that has to wait. */
  #giveUp({ source, position, again, qos }: SharedItem): boolean {
    const { link, session, reports } = this.#parts;
    if (qos === 2 && session.isKept) return link.passOver(position, source, again, null);
    if (qos > 0) reports.done(source, position);
    return true;
  }

  /**
   * Two deliveries that would have one packet identifier go in one order on every node: what of the live stream and of retained messages was
   * there before the item was given goes first.
   */
  #isItsTurn(item: SharedItem): boolean {
    const { own, session, retained, context } = this.#parts;
    if (!session.isKept) return true;
    if (retained?.isBefore(item.asOf) === true) return false;
    if (!isSharedWithin(item.position, own.cursor, item.asOf)) return true;
    this.#cancelLook ??= context.clock.after(LOOK_AGAIN_MS, () => {
      this.#cancelLook = null;
      this.#parts.pump();
    });
    return false;
  }

  /** The message of the first item; `null` when it is gone, `undefined` while it is being read. */
  #message({ topicId, position }: SharedItem): StoredMessage | null | undefined {
    if (this.#fetched !== null) return this.#fetched.message;
    if (this.#isFetching) return undefined;
    const found = this.#parts.context.broker.messageAt(topicId, position);
    if (!(found instanceof Promise)) return found;
    this.#isFetching = true;
    void found.then(
      (message) => this.#arrived(position, message),
      (error: unknown) => this.#parts.failed(error),
    );
    return undefined;
  }

  #arrived(position: number, message: StoredMessage | null): void {
    this.#isFetching = false;
    if (this.#waiting[0]?.position === position) this.#fetched = { message };
    this.#parts.pump();
  }
}

const NO_TERMS: Omit<Grant, "qos"> = { retainAsPublished: false, subscriptionIds: [] };
