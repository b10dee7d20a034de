/**
 * Everything outbound of one client: what it subscribed to, retained messages, its share of shared subscriptions, with the QoS 1 and 2
 * exchanges (MQTT 5.0, 4.3) and, for a session that is kept, the progress that lets any node go on.
 */
import type { SubscriptionOptions } from "../../../commands/command.js";
import type { SharedItem, StoredMessage } from "../../../state-machine/effects.js";
import type { Session } from "../../../state-machine/session-view.js";
import type { FilterSet } from "../../../topics/filter-set.js";
import { PacketRefused } from "../refusal.js";
import type { DeliveryContext, Outlet } from "./context.js";
import { LIVE, Stage } from "./exchanges.js";
import type { Link } from "./link.js";
import { packetIdOf } from "./packet-id.js";
import { Parts } from "./parts.js";
import type { Told } from "./reports.js";

export interface DeliveryOptions {
  readonly context: DeliveryContext;
  readonly outlet: Outlet;
  readonly level: 4 | 5;
  readonly session: { readonly number: number; readonly epoch: number; readonly isKept: boolean };
  readonly clientId: string;
  /** Receive Maximum of CONNECT (MQTT 5.0, 3.1.2.11.3); 65,535 when it does not say. */
  readonly receiveMax: number;
  /** Maximum Packet Size of CONNECT (3.1.2.11.4); Infinity when it does not say. */
  readonly packetBytesMax: number;
  /** Topic Alias Maximum of CONNECT (3.1.2.11.5); 0 when it does not say. */
  readonly topicAliasMax: number;
  /** Delivery cannot go on (the store failed, say): the connection is to be closed. */
  readonly onFailed: (error: unknown) => void;
}

/** From here on a reason code says that something was not accepted (MQTT 5.0, 2.4). */
const FAILURE_MIN = 0x80;

/** Made when the session is open; sends nothing before `resume`. */
export class Delivery {
  readonly #parts: Parts;
  readonly #link: Link;
  /** As the state had them when they were looked at last: another array whenever something changes. */
  #subscriptions: Session["subscriptions"] | null = null;
  #isResumed = false;
  /** Items of shares came in this turn, and are not sent before its end. */
  #holdsShared = false;
  #isClosed = false;

  constructor(options: DeliveryOptions) {
    const whole = { pump: () => this.pump(), applied: (told: readonly Told[]) => this.#applied(told) };
    this.#parts = new Parts(options, whole);
    this.#link = this.#parts.link;
  }

  /** Positions between the client and the head; 0 without a subscription. */
  get lag(): number {
    return this.#parts.own.lag;
  }

  /** Served from memory or the store instead of live. */
  get isBehind(): boolean {
    return this.#parts.own.isBehind;
  }

  /** Once, when CONNACK was written: goes on with what the replicated state has of the session. Until then nothing is sent. */
  resume(session: Session): void {
    this.#isResumed = true;
    this.#subscriptions = session.subscriptions;
    if (this.#parts.session.isKept) this.#resumeKept(session);
    const isMember = session.subscriptions.some(({ share }) => share !== "");
    if (isMember || session.shared.length > 0) this.#parts.ensureShared().resume(session);
    this.pump();
  }

  /**
   * Of a session that is not kept: from the present head on these are its filters (all of them, without shared ones), and the retained
   * messages that match `wanted` are sent, before what comes live.
   */
  setFilters(filters: readonly SubscriptionOptions[], wanted: readonly SubscriptionOptions[]): void {
    this.#parts.own.set(filters);
    if (wanted.length > 0) this.#parts.ensureRetained().want(wanted, this.#parts.context.broker.head);
    this.pump();
  }

  /** A `subscribe` or `unsubscribe` of the session was applied. To be called from within `done` of that command. */
  subscriptionsChanged(): void {
    const session = this.#present();
    if (session === undefined || !this.#isResumed) return;
    // Several commands of one log entry are seen at once, by whoever is told first.
    if (session.subscriptions !== this.#subscriptions) {
      this.#subscriptions = session.subscriptions;
      this.#parts.shared?.changed(session);
      if (session.isKept) this.#parts.own.changed(session);
    }
    this.#addPasses(session, false);
    this.pump();
  }

  /**
   * PUBACK (MQTT-4.3.2-3), whatever its reason: false when it belongs to nothing. `pump` is to be called when the chunk is read. Throws
   * `PacketRefused` for the identifier of an exchange that waits for another packet (MQTT 5.0, 4.13), as the two below do.
   */
  puback(packetId: number, _reason: number): boolean {
    return this.#end(packetId, Stage.AwaitsPuback);
  }

  /**
   * PUBREC (MQTT-4.3.3-4): PUBREL follows, of a kept session when it is committed; a reason of failure ends the exchange. False when it belongs
   * to nothing, which is answered with PUBREL 0x92 (MQTT 5.0, 3.6.2.1).
   */
  pubrec(packetId: number, reason: number): boolean {
    const { exchanges } = this.#link;
    const slot = exchanges.find(packetId);
    const stage = slot < 0 ? null : exchanges.stageAt(slot);
    if (stage === Stage.AwaitsPubrec) {
      if (reason >= FAILURE_MIN) this.#settle(slot);
      else this.#received(slot, packetId);
    } else if (stage === Stage.AwaitsPubcomp) {
      this.#link.release(packetId);
    } else if (stage === Stage.AwaitsPuback) {
      throw outOfTurn(packetId);
    } else if (stage !== Stage.Received) {
      // With a failure the client has nothing that could be let go of. What it has from an earlier connection it is asked about when its
      // turn comes: let go of now, it would be taken for another message then.
      if (reason < FAILURE_MIN && !this.#comesAgain(packetId)) this.#link.releaseUnknown(packetId);
      return false;
    }
    return true;
  }

  /** PUBCOMP, as `puback`. */
  pubcomp(packetId: number, _reason: number): boolean {
    return this.#end(packetId, Stage.AwaitsPubcomp);
  }

  /** Messages of shares were given to this session (the effect `shared-assigned` with its epoch). */
  assigned(items: readonly SharedItem[]): void {
    this.#parts.ensureShared().add(items);
    if (this.#holdsShared) return;
    // What else was applied with them is told of later in this turn: a SUBSCRIBE whose retained messages go first.
    this.#holdsShared = true;
    this.#parts.context.clock.soon(() => {
      this.#holdsShared = false;
      this.subscriptionsChanged();
    });
  }

  /**
   * Messages of no stream (`$SYS`), at QoS 0: those that `filters` match are sent now, or, to a client that is slow, not at all. As retained ones, or
   * with RETAIN only where that was asked for (MQTT-3.3.1-12).
   */
  announce(messages: readonly StoredMessage[], filters: FilterSet, isRetained: boolean): void {
    if (!this.#isResumed || this.#isClosed) return;
    const { metrics } = this.#parts.context;
    for (const message of messages) {
      const grant = filters.grantFor(message.topic.name);
      if (grant === null) continue;
      if (!this.#link.isWritable) {
        metrics.dropped("slow_watcher", 1);
        continue;
      }
      const retain = isRetained || grant.retainAsPublished;
      const offered = this.#link.offer(message, grant, { source: LIVE, retain, again: false });
      if (offered === "too_large") metrics.dropped("packet_too_large", 1);
    }
    this.#link.flush();
  }

  /** A chunk with acknowledgements was read, or the socket has drained. */
  pump(): void {
    if (!this.#isResumed || this.#isClosed) return;
    const { link, live, retained, shared } = this.#parts;
    link.flush();
    retained?.pump();
    if (!this.#holdsShared) shared?.pump();
    live.pump();
  }

  /** The connection is over; nothing more is sent. What it says goes into `close-session`, which is to be submitted after this. */
  close(): { readonly sentThrough: number } {
    const { context, reports, link, live, own, retained, shared } = this.#parts;
    // Of QoS 0 nothing else says that it was sent.
    const sentThrough = Math.max(live.sentThrough, own.walked);
    if (this.#isClosed) return { sentThrough };
    this.#isClosed = true;
    context.progress.leave(reports);
    own.close();
    retained?.close();
    shared?.close();
    link.close();
    return { sentThrough };
  }

  /** Whether a message of this identifier that the client may have is still to be sent again. */
  #comesAgain(packetId: number): boolean {
    const { live, retained, shared } = this.#parts;
    return (
      live.comesAgain(packetId) ||
      retained?.comesAgain(packetId) === true ||
      shared?.comesAgain(packetId) === true
    );
  }

  /** The last packet of an exchange that is at `stage`. */
  #end(packetId: number, stage: Stage): boolean {
    const { exchanges } = this.#link;
    const slot = exchanges.find(packetId);
    if (slot < 0 || exchanges.stageAt(slot) === Stage.Settled) return false;
    if (exchanges.stageAt(slot) !== stage) throw outOfTurn(packetId);
    this.#settle(slot);
    return true;
  }

  #resumeKept(session: Session): void {
    const { context, reports, link, live, own } = this.#parts;
    // First of all, and in the order of the PUBRECs (MQTT-4.6.0-4).
    for (const position of session.live.received) link.resumeRelease(position, LIVE);
    for (const { source, received } of session.passes) {
      for (const position of received) link.resumeRelease(position, source);
    }
    this.#addPasses(session, true);
    live.resume(session);
    own.resume(session);
    context.progress.join(reports);
  }

  /** Those that are not known. */
  #addPasses({ isKept, passes }: Session, isResumed: boolean): void {
    if (!isKept) return;
    for (const pass of passes) {
      if (!this.#parts.reports.isWatched(pass.source)) this.#parts.ensureRetained().add(pass, isResumed);
    }
  }

  #received(slot: number, packetId: number): void {
    const { exchanges } = this.#link;
    if (this.#parts.session.isKept) {
      exchanges.advance(slot, Stage.Received);
      this.#parts.reports.received(exchanges.sourceAt(slot), exchanges.positionAt(slot));
    } else {
      exchanges.advance(slot, Stage.AwaitsPubcomp);
      this.#link.release(packetId);
    }
  }

  /** An exchange is over for the client; the identifier of a kept session's is free when that is committed. */
  #settle(slot: number): void {
    const { exchanges } = this.#link;
    const position = exchanges.positionAt(slot);
    const source = exchanges.sourceAt(slot);
    if (this.#parts.session.isKept) {
      exchanges.advance(slot, Stage.Settled);
      this.#parts.reports.done(source, position);
    } else {
      exchanges.remove(slot);
      if (source > LIVE) this.#parts.reports.done(source, position);
    }
  }

  /** A report was applied; unless another connection has the session by now, what it said counts. */
  #applied(told: readonly Told[]): void {
    if (this.#present() === undefined) return;
    for (const { source, received, done } of told) {
      for (const position of done) this.#free(source, position);
      for (const position of received) this.#release(source, position);
    }
    this.pump();
  }

  #free(source: number, position: number): void {
    const slot = this.#slotOf(source, position);
    if (slot >= 0 && this.#link.exchanges.stageAt(slot) === Stage.Settled) this.#link.exchanges.remove(slot);
  }

  #release(source: number, position: number): void {
    const slot = this.#slotOf(source, position);
    if (slot < 0 || this.#link.exchanges.stageAt(slot) !== Stage.Received) return;
    this.#link.exchanges.advance(slot, Stage.AwaitsPubcomp);
    this.#link.release(packetIdOf(position));
  }

  #slotOf(source: number, position: number): number {
    const { exchanges } = this.#link;
    const slot = exchanges.find(packetIdOf(position));
    const isIt = slot >= 0 && exchanges.positionAt(slot) === position && exchanges.sourceAt(slot) === source;
    return isIt ? slot : -1;
  }

  /** The session as it is now, while it is this connection's. */
  #present(): Session | undefined {
    const { context, session } = this.#parts;
    const present = context.broker.session(session.number);
    return present?.epoch === session.epoch ? present : undefined;
  }
}

function outOfTurn(packetId: number): PacketRefused {
  return new PacketRefused(
    "protocol_violation",
    `packet id ${packetId} is acknowledged in another way than it should be now`,
  );
}
