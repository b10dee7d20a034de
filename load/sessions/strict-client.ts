/**
 * One connection of an MQTT client that does what the standard asks of a client and nothing else, on a store that outlives the
 * connection, and that complains of whatever a server must not do.
 */
import { connect, type Socket } from "node:net";
import {
  generate,
  type IConnackPacket,
  type IPublishPacket,
  type ISubackPacket,
  type Packet,
  parser,
  type QoS,
} from "mqtt-packet";
import type { Address } from "../lib/server.js";
import type { ClientStore, Outbound } from "./client-store.js";

/** 4 is MQTT 3.1.1, 5 is MQTT 5.0. */
export type Level = 4 | 5;

export interface Will {
  readonly topic: string;
  readonly payload: string;
  readonly qos: QoS;
}

export interface ClientOptions {
  readonly clientId: string;
  readonly level: Level;
  /** Throws away what the server has of an earlier session. */
  readonly clean: boolean;
  /** Whether the session outlives the connection. */
  readonly kept: boolean;
  /** How long, in 5.0, where it does; an hour when left out. */
  readonly expirySeconds?: number;
  readonly will?: Will;
  /** Between a message and its acknowledgement; 0 acknowledges at once. */
  readonly ackDelayMs?: () => number;
}

export interface ClientEvents {
  /** A message for the application; at QoS 2 once, however often it comes. */
  readonly onMessage?: (payload: string, packet: IPublishPacket) => void;
  /** A publish is done: acknowledged, or refused with a reason (5.0). */
  readonly onDone?: (publish: Outbound, reason: number) => void;
  /** The server did what it must not. */
  readonly onComplaint?: (what: string) => void;
  /** The connection is gone; nothing follows. */
  readonly onClose?: () => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const SESSION_SECONDS = 3_600;
const REFUSED_FROM = 0x80;

export class StrictClient {
  readonly #options: ClientOptions;
  readonly #store: ClientStore;
  readonly #events: ClientEvents;
  readonly #socket: Socket;
  readonly #subscribing = new Map<number, (granted: readonly number[]) => void>();
  #isOpen = false;
  #lastSubscribeId = 0;
  #connack: (packet: IConnackPacket) => void = () => undefined;

  private constructor(socket: Socket, options: ClientOptions, store: ClientStore, events: ClientEvents) {
    this.#socket = socket;
    this.#options = options;
    this.#store = store;
    this.#events = events;
    const packets = parser({ protocolVersion: options.level });
    packets.on("packet", (packet) => this.#take(packet));
    packets.on("error", (error) => {
      this.#complain(`sent bytes that are no packet: ${error.message}`);
      socket.destroy();
    });
    socket.on("data", (bytes) => packets.parse(bytes));
  }

  /**
   * Connects, and sends again what the store has under way. Resolves with the client and whether the server knew the session; rejects
   * when it refuses or does not answer.
   */
  static open(
    { host, port }: Address,
    options: ClientOptions,
    store: ClientStore,
    events: ClientEvents = {},
  ): Promise<{ readonly client: StrictClient; readonly sessionPresent: boolean }> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      const client = new StrictClient(socket, options, store, events);
      const timer = setTimeout(() => socket.destroy(new Error("no CONNACK")), CONNECT_TIMEOUT_MS);
      socket.once("error", reject);
      socket.once("close", () => {
        clearTimeout(timer);
        if (client.#isOpen) events.onClose?.();
        else reject(new Error("closed before CONNACK"));
        client.#isOpen = false;
      });
      client.#connack = ({ returnCode = 0, reasonCode = returnCode, sessionPresent }) => {
        clearTimeout(timer);
        if (reasonCode !== 0) {
          socket.destroy(new Error(`CONNACK refused with ${reasonCode}`));
          return;
        }
        client.#isOpen = true;
        client.#resume(sessionPresent);
        resolve({ client, sessionPresent });
      };
      client.#send(client.#connectPacket());
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  #connectPacket(): Packet {
    const { level, clientId, clean, kept, will, expirySeconds = SESSION_SECONDS } = this.#options;
    return {
      ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: level, clientId, keepalive: 0 },
      // 3.1.1 knows one flag for both: a session that is not kept begins clean.
      clean: level === 5 ? clean : !kept,
      ...(level === 5 && kept ? { properties: { sessionExpiryInterval: expirySeconds } } : {}),
      ...(will === undefined ? {} : { will: { ...will, payload: Buffer.from(will.payload), retain: false } }),
    };
  }

  /** MQTT-4.4.0-1: with the session there, everything that is not done is sent again, in its order. */
  #resume(sessionPresent: boolean): void {
    if (!sessionPresent) {
      this.#store.inbound.clear();
      // The server has forgotten what it received: released or not, a publish begins anew.
      for (const outbound of this.#store.outbound) outbound.isReceived = false;
    }
    for (const outbound of this.#store.outbound) {
      if (outbound.isReceived) this.#send({ cmd: "pubrel", messageId: outbound.packetId });
      else this.#sendPublish(outbound, sessionPresent);
    }
  }

  /** QoS 1 or 2; `onDone` tells when it is done, on this connection or on a later one. */
  publish(topic: string, payload: string, qos: 1 | 2): Outbound {
    const outbound = this.#store.begin(topic, payload, qos);
    if (this.#isOpen) this.#sendPublish(outbound, false);
    return outbound;
  }

  /** QoS 0: nobody hears of it again. */
  publishLoose(topic: string, payload: string): void {
    this.#send({ cmd: "publish", topic, payload, qos: 0, dup: false, retain: false });
  }

  #sendPublish({ packetId, topic, payload, qos }: Outbound, dup: boolean): void {
    this.#send({ cmd: "publish", messageId: packetId, topic, payload, qos, dup, retain: false });
  }

  /** Resolves with what was granted. */
  subscribe(filters: readonly string[], qos: QoS): Promise<readonly number[]> {
    this.#lastSubscribeId += 1;
    const messageId = this.#lastSubscribeId;
    return new Promise((resolve) => {
      this.#subscribing.set(messageId, resolve);
      const subscriptions = filters.map((topic) => ({ topic, qos }));
      this.#send({ cmd: "subscribe", messageId, subscriptions });
    });
  }

  /** Says goodbye (no will), and closes. */
  disconnect(): void {
    this.#send({ cmd: "disconnect" });
    this.#socket.destroySoon();
  }

  /** Stops reading, so that what is sent waits at the other end; and goes on. */
  stall(isStalled: boolean): void {
    if (isStalled) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Breaks the connection off. */
  breakOff(): void {
    this.#socket.destroy();
  }

  #send(packet: Packet): void {
    if (this.#socket.writable) this.#socket.write(generate(packet, { protocolVersion: this.#options.level }));
  }

  #complain(what: string): void {
    this.#events.onComplaint?.(what);
  }

  #take(packet: Packet): void {
    switch (packet.cmd) {
      case "connack":
        this.#connack(packet);
        return;
      case "publish":
        this.#takePublish(packet);
        return;
      case "puback":
      case "pubrec":
      case "pubcomp":
        this.#takeAnswer(packet.cmd, packet.messageId ?? 0, packet.reasonCode ?? 0);
        return;
      case "pubrel":
        this.#store.inbound.delete(packet.messageId ?? 0);
        this.#acknowledge({ cmd: "pubcomp", messageId: packet.messageId ?? 0 });
        return;
      case "suback":
        this.#takeSuback(packet);
        return;
      case "disconnect":
      case "pingresp":
        return;
      default:
        this.#complain(`sent ${packet.cmd}, which no server sends`);
    }
  }

  #takePublish(packet: IPublishPacket): void {
    const { qos, messageId = 0, payload, dup } = packet;
    if (qos === 2) {
      if (this.#store.inbound.has(messageId)) {
        // MQTT-2.2.1-4: an identifier is in use until PUBCOMP; what comes again is marked.
        if (!dup) this.#complain(`used identifier ${messageId} again before its exchange was over`);
      } else {
        this.#store.inbound.add(messageId);
        this.#events.onMessage?.(payload.toString(), packet);
      }
      this.#acknowledge({ cmd: "pubrec", messageId });
      return;
    }
    this.#events.onMessage?.(payload.toString(), packet);
    if (qos === 1) this.#acknowledge({ cmd: "puback", messageId });
  }

  #acknowledge(packet: Packet): void {
    const delayMs = this.#options.ackDelayMs?.() ?? 0;
    if (delayMs > 0) setTimeout(() => this.#send(packet), delayMs);
    else this.#send(packet);
  }

  #takeAnswer(cmd: "puback" | "pubrec" | "pubcomp", packetId: number, reason: number): void {
    const outbound = this.#store.underWay(packetId);
    const isDue =
      outbound !== undefined &&
      (cmd === "puback"
        ? outbound.qos === 1
        : outbound.qos === 2 && (cmd === "pubcomp") === outbound.isReceived);
    if (outbound === undefined || !isDue) {
      this.#complain(`sent ${cmd} for identifier ${packetId}, for which none was due`);
      return;
    }
    if (cmd === "pubrec" && reason < REFUSED_FROM) {
      outbound.isReceived = true;
      this.#send({ cmd: "pubrel", messageId: packetId });
      return;
    }
    this.#store.end(packetId);
    // An identifier that is not known any more was released before: that is no error when a session goes on.
    this.#events.onDone?.(outbound, cmd === "pubcomp" ? 0 : reason);
  }

  #takeSuback({ messageId = 0, granted }: ISubackPacket): void {
    this.#subscribing.get(messageId)?.(granted.map(Number));
    this.#subscribing.delete(messageId);
  }
}
