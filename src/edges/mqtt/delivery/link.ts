/**
 * A client's end of the wire, as all that is sent to it sees it: how much room there is, which exchanges are open, what a packet looks like
 * for this client.
 */
import { limits } from "../../../limits.js";
import type { StoredMessage } from "../../../state-machine/effects.js";
import type { Grant } from "../../../topics/filter-set.js";
import type { DeliveryContext, Outlet } from "./context.js";
import { Exchanges, Stage } from "./exchanges.js";
import type { Ledger } from "./ledger.js";
import { packetIdOf } from "./packet-id.js";
import type { Parts } from "./parts.js";
import type { PublishEncoder } from "./publish-encoder.js";
import { markDuplicate, qosOf } from "./publish-packet.js";
import { TopicAliases } from "./topic-aliases.js";

/** PUBREL (MQTT 5.0, 3.6) with its required flags. */
const PUBREL = 0x62;
const PUBREL_BYTES = 4;
/** Reason code of PUBREL and PUBCOMP. */
const PACKET_IDENTIFIER_NOT_FOUND = 0x92;

export interface LinkOptions {
  readonly outlet: Outlet;
  readonly level: 4 | 5;
  readonly receiveMax: number;
  readonly packetBytesMax: number;
  readonly topicAliasMax: number;
}

/** Packets are gathered up to here before they are written. */
const GATHERED_BYTES_MAX = 65_536;

/** What became of a message that was offered. */
export type Offered = "sent" | "too_large" | "no_room";

export class Link {
  readonly encoder: PublishEncoder;
  readonly exchanges: Exchanges;
  readonly packetBytesMax: number;
  readonly #parts: Parts;
  readonly #metrics: DeliveryContext["metrics"];
  readonly #outlet: Outlet;
  readonly #level: 4 | 5;
  readonly #aliases: TopicAliases | null;
  /** Packets that are gathered for the next write. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #releases: number[] = [];
  #isClosed = false;

  constructor(parts: Parts, { outlet, level, receiveMax, packetBytesMax, topicAliasMax }: LinkOptions) {
    this.#parts = parts;
    this.#metrics = parts.context.metrics;
    this.#outlet = outlet;
    this.#level = level;
    this.packetBytesMax = packetBytesMax;
    this.encoder = parts.context.encoders[level];
    this.exchanges = new Exchanges(Math.min(receiveMax, limits.inflightMax));
    this.#aliases = topicAliasMax > 0 ? new TopicAliases(topicAliasMax) : null;
  }

  get isOpen(): boolean {
    return !this.#isClosed && this.#outlet.isOpen;
  }

  /** Packets are the same for all clients of its level and filters. */
  get takesSharedBytes(): boolean {
    return this.#aliases === null;
  }

  /** The socket takes something. */
  get isWritable(): boolean {
    return this.isOpen && this.#outlet.backlogBytes < limits.subscriberBufferBytesMax;
  }

  /** How many exchanges may be begun; not above 0 when the client has to acknowledge something first, or a commit is waited for. */
  get room(): number {
    return Math.min(this.exchanges.free, limits.unsettledMax - this.exchanges.size);
  }

  /** Writes packets that are the same for many clients. */
  send(bytes: Buffer, packets: number): void {
    if (packets === 0 || this.#isClosed) return;
    this.#outlet.send(bytes);
    this.#metrics.messagesOut.inc(packets);
    this.#metrics.bytesOut.inc(bytes.length);
  }

  /**
   * Offers one message; what is taken is written with the next `flush`. `shared` is its packet as others get it. An exchange is begun for
   * what has a QoS.
   */
  offer(
    message: StoredMessage,
    grant: Grant,
    options: {
      readonly source: number;
      readonly retain: boolean;
      readonly again: boolean;
      readonly shared?: Buffer;
    },
  ): Offered {
    const { source, retain, again, shared } = options;
    const { position } = message;
    const qos = qosOf(message, grant);
    if (qos > 0 && (this.room <= 0 || this.exchanges.isUsed(packetIdOf(position)))) return "no_room";
    const packet = this.#packet(message, grant, retain, shared);
    if (packet === null) return "too_large";
    if (qos > 0) this.exchanges.open(packetIdOf(position), position, qos as Stage, source);
    this.#gather(again && qos > 0 ? markDuplicate(packet === shared ? Buffer.from(packet) : packet) : packet);
    return "sent";
  }

  /** Goes on with an exchange of an earlier connection: the client has the message, and PUBREL follows with the next `flush`. */
  resumeRelease(position: number, source: number): void {
    const id = packetIdOf(position);
    if (this.exchanges.open(id, position, Stage.AwaitsPubcomp, source)) this.#releases.push(id);
  }

  /**
   * Passes over a message that would go at QoS 2. Its identifier stands for it until that is committed, so that no node takes another message for it;
   * if the client may have it from an earlier connection, it counts as received, and PUBREL ends the exchange. Either way it is one of those that
   * `ledger` has room for. False when it has to wait.
   */
  passOver(position: number, source: number, mayBeHeld: boolean, ledger: Ledger | null): boolean {
    const { session, reports } = this.#parts;
    if (!session.isKept) return true;
    const stage = mayBeHeld ? Stage.Received : Stage.Settled;
    if (this.exchanges.size >= limits.unsettledMax) return false;
    if (!this.exchanges.open(packetIdOf(position), position, stage, source)) return false;
    ledger?.sent(position);
    if (mayBeHeld) reports.received(source, position);
    else reports.done(source, position);
    return true;
  }

  /** PUBREL goes out with the next `flush`. */
  release(id: number): void {
    this.#releases.push(id);
  }

  /** Answers a PUBREC that belongs to nothing (MQTT 5.0, 3.6.2.1; 3.1.1 has no reason codes). */
  releaseUnknown(id: number): void {
    if (!this.isOpen) return;
    if (this.#level === 4) this.#outlet.send(Buffer.from([PUBREL, 2, id >> 8, id & 255]));
    else this.#outlet.send(Buffer.from([PUBREL, 3, id >> 8, id & 255, PACKET_IDENTIFIER_NOT_FOUND]));
  }

  /** Writes what was gathered. */
  flush(): void {
    this.#flushReleases();
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#waitingBytes = 0;
    const [only, second] = waiting;
    const bytes = only !== undefined && second === undefined ? only : Buffer.concat(waiting);
    this.send(bytes, waiting.length);
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#releases = [];
  }

  #gather(packet: Buffer): void {
    this.#waiting.push(packet);
    this.#waitingBytes += packet.length;
    if (this.#waitingBytes >= GATHERED_BYTES_MAX) this.flush();
  }

  #flushReleases(): void {
    const releases = this.#releases;
    if (releases.length === 0 || !this.isOpen) return;
    this.#releases = [];
    const bytes = Buffer.allocUnsafe(PUBREL_BYTES * releases.length);
    for (const [index, id] of releases.entries()) {
      const at = PUBREL_BYTES * index;
      bytes[at] = PUBREL;
      bytes[at + 1] = 2;
      bytes.writeUInt16BE(id, at + 2);
    }
    this.#outlet.send(bytes);
  }

  /** The message for this client; `null` when it is larger than it takes (MQTT-3.1.2-24). */
  #packet(message: StoredMessage, grant: Grant, retain: boolean, shared?: Buffer): Buffer | null {
    const aliases = this.#aliases;
    if (aliases === null) {
      const packet = shared ?? this.encoder.single(message, grant, retain, null);
      return packet.length > this.packetBytesMax ? null : packet;
    }
    const topic = message.topic.name;
    const use = aliases.use(topic);
    const packet = this.encoder.single(message, grant, retain, use);
    if (packet.length <= this.packetBytesMax) {
      if (use !== null) aliases.sent(topic, use);
      return packet;
    }
    if (use === null || use.isKnown) return null;
    const plain = this.encoder.single(message, grant, retain, null);
    return plain.length > this.packetBytesMax ? null : plain;
  }
}
