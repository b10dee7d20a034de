/**
 * A connected client: what exists between its CONNECT and the end of its connection. Everything here is lost with the connection:
 * sessions are clean.
 */
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { CommandResult } from "../../state-machine/effects.js";
import type { ClientView } from "../edge.js";
import { ClientSubscriptions } from "./client-subscriptions.js";
import type { Connection } from "./connection.js";
import type { EdgeContext } from "./context.js";
import { Hold } from "./hold.js";
import { Inflight } from "./inflight.js";
import { KeepAlive } from "./keep-alive.js";
import { PublishWindow } from "./publish-window.js";
import { ClientSink } from "./sink.js";
import { publishWill, type Will } from "./will.js";

export interface ClientOptions {
  readonly context: EdgeContext;
  readonly connection: Connection;
  readonly id: string;
  readonly keepAliveSeconds: number;
  readonly will: Will | null;
}

export class Client {
  readonly id: string;
  readonly context: EdgeContext;
  readonly connection: Connection;
  readonly publishes: PublishWindow;
  readonly subscriptions: ClientSubscriptions;
  readonly sink: ClientSink;
  readonly #inflight = new Inflight(limits.inflightMax);
  readonly #keepAlive: KeepAlive;
  readonly #connectedAtMs: number;
  #will: Will | null;
  #isFlushAsked = false;
  #hasAcknowledged = false;
  #isClosed = false;

  constructor(options: ClientOptions) {
    const { context, connection, id, keepAliveSeconds, will } = options;
    this.id = id;
    this.context = context;
    this.connection = connection;
    this.#will = will;
    this.#connectedAtMs = context.clock.nowMs();
    this.publishes = this.#createWindow();
    this.sink = this.#createSink();
    this.subscriptions = new ClientSubscriptions(context.broker, this.sink);
    this.#keepAlive = new KeepAlive({
      clock: context.clock,
      keepAliveSeconds,
      isHeld: () => connection.isHeldBy(Hold.Publishes | Hold.Saturated | Hold.Retained),
      onSilent: () => connection.refuse("keep_alive_timeout", "no packet within 1.5 times the keep-alive"),
    });
  }

  view(): ClientView {
    return {
      id: this.id,
      edge: "mqtt",
      address: this.connection.address,
      connectedAtMs: this.#connectedAtMs,
      subscriptions: this.subscriptions.filters.filters.map(({ filter }) => filter),
      lag: this.subscriptions.lag,
      behind: this.subscriptions.isBehind,
    };
  }

  /** DISCONNECT: the will is discarded (MQTT-3.14.4-3). */
  forgetWill(): void {
    this.#will = null;
  }

  /** PUBACK of a packet that was sent to it; an unknown id changes nothing. */
  acknowledged(packetId: number): void {
    if (this.#inflight.release(packetId)) this.#hasAcknowledged = true;
  }

  /** A received chunk was handled: what was heard in it takes effect once. */
  afterRead(): void {
    const { connection, context } = this;
    this.#keepAlive.heard();
    if (this.subscriptions.apply()) this.#filtersChanged();
    if (this.#hasAcknowledged) {
      this.#hasAcknowledged = false;
      this.sink.pump();
    }
    if (this.publishes.isFull) connection.hold(Hold.Publishes);
    if (context.broker.saturated && !connection.isHeldBy(Hold.Saturated)) {
      connection.hold(Hold.Saturated);
      context.broker.onceDrained(() => this.#release(Hold.Saturated));
    }
  }

  /** Writes the acknowledgements of what was settled. */
  flush(): void {
    this.#isFlushAsked = false;
    const { acknowledgements, messages, bytes } = this.publishes.flush();
    if (acknowledgements !== null && !this.#isClosed) this.connection.reply(acknowledgements);
    if (messages > 0) {
      this.context.metrics.messagesIn.inc(messages);
      this.context.metrics.bytesIn.inc(bytes);
    }
    if (this.#isClosed) return;
    if (this.connection.isHeldBy(Hold.Publishes) && this.publishes.hasRoom) this.#release(Hold.Publishes);
    if (this.publishes.isEmpty) this.connection.idle();
  }

  /** The connection is ending: nothing of the client remains but its will, which is published unless it said goodbye. */
  close(): void {
    if (this.#isClosed) return;
    if (this.#isFlushAsked) this.flush();
    this.#isClosed = true;
    this.#keepAlive.stop();
    this.subscriptions.close();
    this.sink.close();
    this.context.clients.remove(this);
    if (this.#will !== null) publishWill(this.context, this.id, this.#will);
    this.#will = null;
  }

  /** While retained messages are looked for, the client is not read: what it asks next comes after them. */
  #filtersChanged(): void {
    let isLooking = true;
    this.sink.filtersChanged(this.subscriptions.filters, () => {
      isLooking = false;
      this.#release(Hold.Retained);
    });
    if (isLooking) this.connection.hold(Hold.Retained);
  }

  #release(hold: Hold): void {
    this.#keepAlive.heard();
    this.connection.release(hold);
  }

  #createWindow(): PublishWindow {
    return new PublishWindow({
      publishesMax: limits.publishesInFlightMax,
      bytesMax: limits.publishBytesInFlightMax,
      onSettled: () => {
        if (this.#isFlushAsked) return;
        this.#isFlushAsked = true;
        this.context.flusher.add(this);
      },
      onRefused: (packetId, result) => this.#publishRefused(packetId, result),
    });
  }

  /** 3.1.1 cannot say no to a publish: at QoS 1 the connection ends without PUBACK, so that the client knows to try again. */
  #publishRefused(packetId: number, result: Extract<CommandResult, { kind: "failed" }>): void {
    if (packetId === 0) this.context.metrics.dropped(result.code, 1);
    else this.connection.refuse(result.code, result.detail ?? "a QoS 1 publish was refused");
  }

  #createSink(): ClientSink {
    const { context, connection, id } = this;
    return new ClientSink({
      context,
      outlet: connection,
      inflight: this.#inflight,
      clientId: id,
      onWritable: () => this.subscriptions.resume(),
      onTopicDeleted: () => this.subscriptions.ended(),
      onFailed: (error) => {
        context.logger.error({ clientId: id, err: error }, "a subscription failed");
        connection.refuse(error instanceof JangadaError ? error.code : "internal", "its subscription failed");
      },
    });
  }
}
