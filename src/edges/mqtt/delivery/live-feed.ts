/**
 * What comes to a client from the live stream, or from the store while it is behind. The usual batch goes out as the very bytes that all its
 * subscribers get; where an earlier connection may have sent something, message by message.
 */
import type { StoredMessage } from "../../../state-machine/effects.js";
import type { Session } from "../../../state-machine/session-view.js";
import type { FilterSet, Grant } from "../../../topics/filter-set.js";
import type { DeliveryBatch, SubscriberSink } from "../../../topics/subscriber.js";
import { LIVE, Stage } from "./exchanges.js";
import type { Ledger } from "./ledger.js";
import type { Link } from "./link.js";
import { packetIdOf, positionAbove } from "./packet-id.js";
import type { Parts } from "./parts.js";
import { type EncodedPublishes, packetsIn } from "./publish-encoder.js";
import { qosOf } from "./publish-packet.js";
import { Resumption } from "./resumption.js";

export class LiveFeed implements SubscriberSink {
  /** Live messages above this have to wait for retained ones. */
  ceiling = Number.POSITIVE_INFINITY;
  /** Items of shares wait to be sent. */
  hasItems = false;
  readonly #parts: Parts;
  readonly #link: Link;
  readonly #ledger: Ledger | null;
  /** What is known of messages that may have been sent before. */
  #resumption: Resumption | null = null;
  #sentThrough = 0;
  /** Something was not taken, and whether it was for want of a place in the window. */
  #isBlocked = false;
  #awaitsWindow = false;

  constructor(parts: Parts, link: Link, ledger: Ledger | null) {
    this.#parts = parts;
    this.#link = link;
    this.#ledger = ledger;
  }

  /** Highest position that was sent or passed over, whatever its QoS; 0 for none. */
  get sentThrough(): number {
    return this.#sentThrough;
  }

  /** Begins with what the session went through before. */
  resume({ live, sentThrough, openedAt, closedAt }: Session): void {
    const { reports, own } = this.#parts;
    if (this.#ledger !== null) {
      this.#ledger.expect(live.received);
      reports.watch(LIVE, this.#ledger, live.through, () => own.walked);
    }
    const known = new Resumption({
      state: live,
      sentThrough,
      quietThrough: openedAt,
      // What lies above was not sent before the connection ended; where that is not known `sentThrough` is the head of then.
      offlineAbove: Math.min(closedAt, Math.max(live.through, sentThrough)),
    });
    this.#resumption = known.through > live.through ? known : null;
  }

  /** Some of what was taken comes once more. */
  rewound({ live }: Session): void {
    const nothing = { sentThrough: 0, quietThrough: 0, offlineAbove: this.#sentThrough };
    this.#resumption ??= new Resumption({ state: live, ...nothing });
    this.#resumption = this.#resumption.rewound(this.#sentThrough, live);
  }

  deliver(batch: DeliveryBatch): number {
    if (!this.isWritable()) return batch.after;
    const encoded = this.#encoded(batch);
    const { ceiling } = this;
    const taken = this.#isPlain(batch, encoded)
      ? this.#deliverShared(encoded)
      : this.#deliverEach(batch, encoded);
    const last = batch.messages[taken - 1];
    if (last !== undefined) this.#sentThrough = Math.max(this.#sentThrough, last.position);
    if (taken === batch.messages.length && batch.through <= ceiling) return batch.through;
    this.#isBlocked = true;
    const next = batch.messages[taken];
    if (next === undefined || next.position > ceiling) return Math.min(ceiling, batch.through);
    this.#awaitsWindow = true;
    // Not only up to the last: what waits for the cursor may be what this message waits for.
    return next.position - 1;
  }

  /** The window is not looked at: what has no QoS may go on while it is full (MQTT 5.0, 4.9). */
  isWritable(): boolean {
    const { ceiling } = this;
    const isWritable =
      this.#link.isWritable && (ceiling === Number.POSITIVE_INFINITY || this.#parts.own.cursor < ceiling);
    if (!isWritable) this.#isBlocked = true;
    return isWritable;
  }

  /** Asks for what was not taken, if it would be taken now. */
  pump(): void {
    if (!this.#isBlocked || (this.#awaitsWindow && this.#room <= 0) || !this.isWritable()) return;
    this.#isBlocked = false;
    this.#awaitsWindow = false;
    this.#parts.own.proceed();
  }

  /** Whether the client may have a message of this identifier from an earlier connection, which is to be sent again and was not yet. */
  comesAgain(packetId: number): boolean {
    return this.#resumption?.mayBeSent(positionAbove(this.#parts.own.cursor, packetId)) === true;
  }

  gap(after: number, resumedAt: number): void {
    const { context, clientId } = this.#parts;
    // Positions count all topics: this many at most were for the client.
    context.metrics.dropped("trimmed", resumedAt - after);
    context.logger.warn(
      { clientId, after, resumedAt },
      "a subscriber missed messages that retention dropped",
    );
  }

  topicDeleted(): void {
    this.#parts.own.ended();
  }

  failed(error: unknown): void {
    this.#parts.failed(error);
  }

  get #room(): number {
    return this.#ledger === null ? this.#link.room : Math.min(this.#link.room, this.#ledger.room);
  }

  #encoded(batch: DeliveryBatch): EncodedPublishes {
    const { encoder } = this.#link;
    const encoded = batch.encodedBy(encoder);
    const { staleAtMs } = encoded;
    if (staleAtMs === Number.POSITIVE_INFINITY || this.#parts.context.broker.nowMs() < staleAtMs) {
      return encoded;
    }
    return encoder.encode(batch.messages, batch.filters);
  }

  /** Whether it can go out as it is, or a head of it. */
  #isPlain(batch: DeliveryBatch, encoded: EncodedPublishes): boolean {
    const link = this.#link;
    if (batch.through > this.ceiling || this.hasItems) return false;
    // What is left out is to be told of.
    if (this.#ledger !== null && encoded.packets < encoded.ends.length) return false;
    if (!link.takesSharedBytes || encoded.packetBytesMax > link.packetBytesMax) return false;
    if (this.#resumption === null) return true;
    if (!this.#resumption.isOver(batch.after, encoded.packets > encoded.ids.length)) return false;
    if (batch.after >= this.#resumption.through) this.#resumption = null;
    return true;
  }

  /** As much as the window takes. Returns the number of messages that are dealt with. */
  #deliverShared(encoded: EncodedPublishes): number {
    const { bytes, ends, ids, indexes, packets } = encoded;
    const opened = ids.length === 0 ? 0 : this.#open(encoded);
    if (opened === ids.length) {
      this.#link.send(bytes, packets);
      return ends.length;
    }
    const messages = indexes[opened] ?? 0;
    const end = messages === 0 ? 0 : (ends[messages - 1] ?? 0);
    this.#link.send(bytes.subarray(0, end), packetsIn(ends.subarray(0, messages)));
    return messages;
  }

  /** Begins exchanges, one after the other; returns how many could be begun. */
  #open({ ids, positions, qos }: EncodedPublishes): number {
    const { exchanges } = this.#link;
    const ledger = this.#ledger;
    const count = Math.min(ids.length, this.#room);
    for (let i = 0; i < count; i += 1) {
      const position = positions[i] ?? 0;
      const stage = qos[i] === 1 ? Stage.AwaitsPuback : Stage.AwaitsPubrec;
      if (!exchanges.open(ids[i] ?? 0, position, stage, LIVE)) return i;
      ledger?.sent(position);
    }
    return Math.max(0, count);
  }

  /** One by one, with a look at what was sent before, at the size and at aliases. Returns the number of messages that are dealt with. */
  #deliverEach(batch: DeliveryBatch, encoded: EncodedPublishes): number {
    const { messages, filters } = batch;
    let taken = 0;
    for (const message of messages) {
      const start = taken === 0 ? 0 : (encoded.ends[taken - 1] ?? 0);
      const packet = encoded.bytes.subarray(start, encoded.ends[taken]);
      if (message.position > this.ceiling || !this.#take(message, packet, filters)) break;
      taken += 1;
    }
    this.#link.flush();
    return taken;
  }

  /** False when there is no room for it. */
  #take(message: StoredMessage, packet: Buffer, filters: FilterSet): boolean {
    const { position } = message;
    const grant = filters.grantOfMatch(message.topic.name, message.publisher);
    if (grant === null || this.#isUnderWay(position)) return true;
    const qos = qosOf(message, grant);
    if (qos === 0) {
      if (packet.length === 0 || this.#isQuiet(position)) return true;
    } else {
      if (this.#resumption?.isDealtWith(position) === true) return true;
      if (this.#room <= 0 || (this.hasItems && this.#parts.shared?.isAwaited(position, position) === true))
        return false;
    }
    return this.#offer(message, packet, grant);
  }

  /** False when there is no room for it. */
  #offer(message: StoredMessage, packet: Buffer, grant: Grant): boolean {
    const { position } = message;
    const qos = qosOf(message, grant);
    const again = qos > 0 && this.#resumption?.mayBeSent(position) === true;
    // Left out: it has expired.
    if (packet.length === 0) return this.#passOver(position, qos, again);
    const retain = message.retain && grant.retainAsPublished;
    const offered = this.#link.offer(message, grant, { source: LIVE, retain, again, shared: packet });
    if (offered === "no_room") return false;
    if (offered === "too_large") {
      if (!this.#passOver(position, qos, again)) return false;
      this.#parts.context.metrics.dropped("packet_too_large", 1);
      return true;
    }
    if (again) this.#resumption?.sentAgain();
    if (qos > 0) this.#ledger?.sent(position);
    return true;
  }

  /** It is not sent. False when that has to wait. */
  #passOver(position: number, qos: 0 | 1 | 2, again: boolean): boolean {
    if (qos < 2) return true;
    if (!this.#link.passOver(position, LIVE, again, this.#ledger)) return false;
    if (again) this.#resumption?.sentAgain();
    return true;
  }

  /** QoS 0 goes out once, and not to a client that was away. */
  #isQuiet(position: number): boolean {
    const quiet = this.#resumption?.quiet(position) ?? "no";
    if (quiet === "offline") this.#parts.context.metrics.dropped("offline", 1);
    return quiet !== "no";
  }

  /** Was sent at this connection, which has begun again further back. */
  #isUnderWay(position: number): boolean {
    const { exchanges } = this.#link;
    const slot = exchanges.find(packetIdOf(position));
    return slot >= 0 && exchanges.positionAt(slot) === position && exchanges.sourceAt(slot) === LIVE;
  }
}
