/**
 * A connected client: what exists between CONNACK and the end of its connection. What outlives that is in the replicated session; this
 * is one connection of it, told from the others by its epoch.
 */
import type { SubscriptionOptions } from "../../commands/command.js";
import { ERROR_CODES, JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { CommandResult, DisplacedReason } from "../../state-machine/effects.js";
import type { Session } from "../../state-machine/session-view.js";
import type { ClientView, ConnectedClient } from "../edge.js";
import type { Authentication } from "./connect/authentication.js";
import { goodbye } from "./connect/farewells.js";
import type { Connection } from "./connection.js";
import type { EdgeContext } from "./context.js";
import { Delivery } from "./delivery/delivery.js";
import { handlePacket } from "./handlers/handle-packet.js";
import { handlePublish } from "./handlers/handle-publish.js";
import { Hold } from "./hold.js";
import { KeepAlive } from "./keep-alive.js";
import { LocalSubscriptions } from "./local-subscriptions.js";
import type { AckType } from "./packets/acknowledgement.js";
import type { ConnectPacket } from "./packets/connect.js";
import { reasonFor } from "./packets/error-reasons.js";
import { checkHeader, checkLength } from "./packets/fixed-header.js";
import { LEVEL_3_1_1, PacketType, type ProtocolLevel, packetType } from "./packets/protocol.js";
import { Reason } from "./packets/reason-codes.js";
import { type PublishAnswer, PublishWindow } from "./publish-window.js";
import { isNoAnswer, type RefusalCode } from "./refusal.js";
import type { Refusal, Speaker } from "./speaker.js";
import { isSysFilter, type SysWatcher } from "./sys/sys-board.js";
import { TopicAliases } from "./topic-aliases.js";

/** What is remembered of CONNECT. Its will is the session's, its password was for once. */
export type KnownOfClient = Omit<ConnectPacket, "will" | "password">;

export interface ClientOptions {
  readonly connection: Connection;
  readonly connect: KnownOfClient;
  /** Its own or the assigned one. */
  readonly id: string;
  /** As granted. */
  readonly keepAliveSeconds: number;
  readonly session: Session;
  /** Session Present. */
  readonly wasPresent: boolean;
}

/** A connection of a session. */
interface SessionPart {
  readonly number: number;
  readonly epoch: number;
  readonly isKept: boolean;
  /** It was there before this connection. */
  readonly wasPresent: boolean;
}

type Failed = Extract<CommandResult, { kind: "failed" }>;

/** Why the group ended a connection, as it is counted and told. */
const DISPLACED: Readonly<Record<DisplacedReason, readonly [RefusalCode, string]>> = {
  taken_over: ["taken_over", "another connection has the same client id"],
  administrative: ["kicked", "disconnected by an operator"],
  node_down: ["node_down", "the group had not heard of this node"],
};

const RECEIVED: PublishAnswer = Object.freeze({ reason: Reason.Success, words: "" });

/** What an acknowledgement has beside its reason string, and then some. */
const ACK_OVERHEAD_BYTES = 16;

/** A client is not silent while the server does not listen. It is while it does not take its answers. */
const NOT_HEARD = Hold.Publishes | Hold.Saturated | Hold.Subscriptions | Hold.Authentication | Hold.Opening;

export class Client implements Speaker, SysWatcher, ConnectedClient {
  readonly id: string;
  readonly context: EdgeContext;
  readonly connection: Connection;
  readonly connect: KnownOfClient;
  readonly level: ProtocolLevel;
  /** This connection of the session: what every command that speaks for it carries. */
  readonly session: SessionPart;
  readonly publishes: PublishWindow;
  readonly aliases = new TopicAliases(limits.topicAliasesMax);
  /** Those of a session that is not kept; they end with the connection. */
  readonly subscriptions = new LocalSubscriptions();
  readonly delivery: Delivery;
  /** The client is proving itself once more (MQTT 5.0, 4.12.1). */
  reauthentication: Authentication | null = null;
  readonly #keepAlive: KeepAlive;
  readonly #connectedAtMs: number;
  #receipts: Set<number> | null = null;
  /** SUBSCRIBEs and UNSUBSCRIBEs that wait for commit. */
  #unanswered = 0;
  #isPumpAsked = false;
  #isDisplaced = false;
  #isEnded = false;
  #withWill = true;
  /** From DISCONNECT. */
  #expirySeconds: number | null = null;

  constructor({ connection, connect, id, keepAliveSeconds, session, wasPresent }: ClientOptions) {
    const { context } = connection;
    this.id = id;
    this.context = context;
    this.connection = connection;
    this.connect = connect;
    this.level = connect.level;
    const { number, epoch, isKept } = session;
    this.session = { number, epoch, isKept, wasPresent };
    this.#connectedAtMs = context.clock.nowMs();
    this.publishes = new PublishWindow({
      level: connect.level,
      publishesMax: limits.publishesInFlightMax,
      bytesMax: limits.publishBytesInFlightMax,
      onSettled: () => connection.wake(),
      onRefused: (type, packetId, failed) => this.#refused(type, packetId, failed),
    });
    this.delivery = this.#createDelivery();
    this.#keepAlive = new KeepAlive({
      clock: context.clock,
      keepAliveSeconds,
      isHeld: () => connection.isHeldBy(NOT_HEARD),
      onSilent: () => connection.refuse("keep_alive_timeout", "no packet within 1.5 times the keep-alive"),
    });
  }

  get edge(): "mqtt" {
    return "mqtt";
  }

  get clientId(): string {
    return this.id;
  }

  /** Packet identifiers of QoS 2 that came in on this connection and are not released. */
  get receipts(): Set<number> {
    this.#receipts ??= new Set();
    return this.#receipts;
  }

  get isIdle(): boolean {
    return this.publishes.isEmpty && this.#unanswered === 0;
  }

  view(): ClientView {
    return {
      id: this.id,
      edge: this.edge,
      address: this.connection.address,
      connectedAtMs: this.#connectedAtMs,
      subscriptions: this.#filters(),
      lag: this.delivery.lag,
      behind: this.delivery.isBehind,
    };
  }

  header(first: number, remainingLength: number, lengthBytes: number): void {
    checkLength(this.level, remainingLength, lengthBytes);
    checkHeader(this.level, first, remainingLength, this.context.payloadBytesMax);
  }

  frame(first: number, bytes: Buffer, start: number, end: number): void {
    const type = packetType(first);
    if (type === PacketType.Publish) handlePublish(this, first, bytes, start, end);
    else handlePacket(this, type, bytes, start, end);
  }

  /** What was heard takes effect once for all packets of a chunk. */
  afterRead(): void {
    const { connection, context } = this;
    this.#keepAlive.heard();
    const changes = this.subscriptions.takeChanges();
    if (changes !== null) this.delivery.setFilters(changes.all, changes.wanted);
    this.#pump();
    if (context.broker.saturated && !connection.isHeldBy(Hold.Saturated)) {
      connection.hold(Hold.Saturated);
      context.broker.onceDrained(() => this.#release(Hold.Saturated));
    }
  }

  flush(): void {
    const { acknowledgements, messages, bytes } = this.publishes.flush();
    if (acknowledgements !== null) this.connection.reply(acknowledgements);
    if (messages > 0) {
      this.context.metrics.messagesIn.inc(messages);
      this.context.metrics.bytesIn.inc(bytes);
    }
    if (this.#isEnded) return;
    this.#pump();
    if (this.connection.isHeldBy(Hold.Publishes) && this.publishes.hasRoom) this.#release(Hold.Publishes);
    if (this.isIdle) this.connection.idle();
  }

  drained(): void {
    this.delivery.pump();
  }

  /** Answers with a packet that may be too long for the client: then it is left out (MQTT-3.1.2-24, 3.1.2-25). */
  answer(packet: Buffer): void {
    if (packet.length <= this.connect.packetBytesMax) this.connection.reply(packet);
  }

  /** What was acknowledged makes room: more is sent when the chunk was read. */
  pumpSoon(): void {
    this.#isPumpAsked = true;
  }

  /** A SUBSCRIBE or UNSUBSCRIBE waits for commit. */
  awaitAnswer(): void {
    this.#unanswered += 1;
    if (this.#unanswered >= limits.subscribesInFlightMax) this.connection.hold(Hold.Subscriptions);
  }

  /** It was committed, or refused. */
  answered(): void {
    this.#unanswered -= 1;
    this.#isPumpAsked = true;
    this.connection.wake();
    if (this.#unanswered <= limits.subscribesInFlightMax / 2) this.#release(Hold.Subscriptions);
  }

  /** Its subscriptions to `$SYS` have changed, or are known again; of those in `wanted` it gets what there is now. */
  watchSys(wanted: readonly SubscriptionOptions[]): void {
    this.context.sysBoard.watch(this, this.#standing().filter(isSysFilter), wanted);
  }

  announce(...args: Parameters<SysWatcher["announce"]>): void {
    this.delivery.announce(...args);
  }

  /** DISCONNECT: only without `withWill` the will is forgotten (MQTT-3.14.4-3). */
  leave(withWill: boolean, expirySeconds: number | null): void {
    this.#withWill = withWill;
    this.#expirySeconds = expirySeconds;
    this.connection.close();
  }

  /** The session is another connection's now, or nobody's. */
  displaced(reason: DisplacedReason): void {
    this.#isDisplaced = true;
    this.connection.refuse(...DISPLACED[reason]);
  }

  /** A command that the client was to be answered for came to nothing, and its protocol has no way to say so. */
  fail(code: RefusalCode, detail: string): void {
    if (code === "session_displaced") this.displaced("taken_over");
    else this.connection.refuse(code, detail);
  }

  farewell(refusal: Refusal): Buffer | null {
    return goodbye(this.context, this.connect, refusal);
  }

  ended(): void {
    this.flush();
    this.#isEnded = true;
    this.#keepAlive.stop();
    const { sentThrough } = this.delivery.close();
    this.context.clients.remove(this);
    this.context.sysBoard.leave(this);
    if (this.#isDisplaced) return;
    const { number: session, epoch } = this.session;
    this.context.closer.close({
      kind: "close-session",
      session,
      epoch,
      withWill: this.#withWill,
      expirySeconds: this.#expirySeconds,
      sentThrough,
    });
  }

  #pump(): void {
    if (!this.#isPumpAsked) return;
    this.#isPumpAsked = false;
    this.delivery.pump();
  }

  #release(hold: Hold): void {
    this.#keepAlive.heard();
    this.connection.release(hold);
  }

  /**
   * 3.1.1 cannot say no to a publish: above QoS 0 the connection ends without an answer, so that the client knows to try again. So it does
   * in 5.0 when nobody knows whether the message was taken.
   */
  #refused(type: AckType | 0, packetId: number, { code, detail }: Failed): PublishAnswer | null {
    if (type === 0) {
      this.context.metrics.dropped(code, 1);
      return null;
    }
    if (this.level === LEVEL_3_1_1 || type === PacketType.Pubcomp || isNoAnswer(code)) {
      this.fail(code, detail ?? "a publish above QoS 0 was refused");
      return null;
    }
    // A refusal would free an identifier that still stands for the message (MQTT-4.3.3-9): the next one under it would be lost.
    if (type === PacketType.Pubrec && this.hasReceived(packetId)) return RECEIVED;
    this.context.metrics.refused(code);
    if (type === PacketType.Pubrec) this.receipts.delete(packetId);
    const words = detail ?? ERROR_CODES[code];
    const reason = reasonFor(type === PacketType.Puback ? "puback" : "pubrec", code);
    return { reason, words: this.#takesWords(words) ? words : "" };
  }

  /** The session has a message of QoS 2 under this identifier that is not released (4.3.3). */
  hasReceived(packetId: number): boolean {
    const { number, isKept } = this.session;
    return isKept && this.context.broker.session(number)?.incoming.has(packetId) === true;
  }

  /** Reason strings come only to who wants them (MQTT-3.1.2-29) and takes so much (MQTT-3.4.2-2). */
  #takesWords(words: string): boolean {
    const { wantsProblemInformation, packetBytesMax } = this.connect;
    return wantsProblemInformation && Buffer.byteLength(words) + ACK_OVERHEAD_BYTES <= packetBytesMax;
  }

  /** As they were written in SUBSCRIBE. */
  #filters(): readonly string[] {
    return this.#standing()
      .map(({ filter, share }) => (share === "" ? filter : `$share/${share}/${filter}`))
      .sort();
  }

  /** Its subscriptions, wherever they are. */
  #standing(): readonly SubscriptionOptions[] {
    const replicated = this.context.broker.session(this.session.number)?.subscriptions ?? [];
    return [
      ...this.subscriptions.all(),
      ...replicated.filter(({ until }) => until === Number.POSITIVE_INFINITY),
    ];
  }

  #createDelivery(): Delivery {
    const { context, connection, connect, id: clientId, session, level } = this;
    const { receiveMax, packetBytesMax, topicAliasMax } = connect;
    return new Delivery({
      context: context.delivery,
      outlet: connection,
      level,
      session,
      clientId,
      receiveMax,
      packetBytesMax,
      topicAliasMax,
      onFailed: (error) => {
        context.logger.error({ clientId, err: error }, "a subscription failed");
        connection.refuse(error instanceof JangadaError ? error.code : "internal", "its subscription failed");
      },
    });
  }
}
