/**
 * One PUBLISH packet into bytes (MQTT 5.0, 3.3; MQTT 3.1.1, 3.3 is the same without properties): its length is known before it is
 * written, so that a whole batch goes into one buffer.
 */
import type { StoredMessage } from "../../../state-machine/effects.js";
import type { Grant } from "../../../topics/filter-set.js";
import { packetIdOf } from "./packet-id.js";

const PUBLISH = 0x30;
const DUP = 0x08;
const RETAIN = 0x01;

/** Identifiers of the properties that are written here (MQTT 5.0, 2.2.2.2). */
const MESSAGE_EXPIRY_INTERVAL = 0x02;
const CONTENT_TYPE = 0x03;
const SUBSCRIPTION_IDENTIFIER = 0x0b;
const TOPIC_ALIAS = 0x23;

/** First byte and at most four of remaining length. */
const FIXED_HEADER_BYTES_MAX = 5;
const PACKET_ID_BYTES = 2;
const EXPIRY_BYTES = 5;
const ALIAS_BYTES = 3;

const EMPTY_TOPIC = Buffer.alloc(2);
const NO_IDS: readonly number[] = [];

/** Texts with their length in front, as packets have them; forgotten all at once when there are too many. */
export class TextFields {
  readonly #known = new Map<string, Buffer>();

  of(text: string): Buffer {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const bytes = Buffer.allocUnsafe(2 + Buffer.byteLength(text));
    bytes.writeUInt16BE(bytes.length - 2, 0);
    bytes.write(text, 2, "utf8");
    if (this.#known.size === TEXTS_KEPT_MAX) this.#known.clear();
    this.#known.set(text, bytes);
    return bytes;
  }
}

const TEXTS_KEPT_MAX = 4_096;

/** A topic alias in a packet (MQTT 5.0, 3.3.2.3.4). */
export interface AliasUse {
  readonly alias: number;
  /** The client knows it already: the topic name is left out. */
  readonly isKnown: boolean;
}

/** What a packet is made of. Reused from packet to packet: `plan` fills it, `write` writes it. */
export class PublishPacket {
  readonly #level: 4 | 5;
  readonly #texts: TextFields;
  #message: StoredMessage | null = null;
  #flags = 0;
  #qos: 0 | 1 | 2 = 0;
  #topic: Buffer = EMPTY_TOPIC;
  #alias = 0;
  #contentType: Buffer | null = null;
  #expirySeconds = 0;
  #subscriptionIds = NO_IDS;
  #propertyBytes = 0;
  #remaining = 0;

  constructor(level: 4 | 5, texts: TextFields) {
    this.#level = level;
    this.#texts = texts;
  }

  get qos(): 0 | 1 | 2 {
    return this.#qos;
  }

  /** Of a message that has not expired. Gives a length that the packet does not exceed. */
  plan(
    message: StoredMessage,
    grant: Grant,
    retain: boolean,
    nowMs: number,
    alias: AliasUse | null = null,
  ): number {
    this.#message = message;
    this.#qos = qosOf(message, grant);
    this.#flags = PUBLISH | (this.#qos << 1) | (retain ? RETAIN : 0);
    this.#topic = alias?.isKnown === true ? EMPTY_TOPIC : this.#texts.of(message.topic.name);
    this.#alias = alias?.alias ?? 0;
    this.#remaining = this.#topic.length + (this.#qos > 0 ? PACKET_ID_BYTES : 0) + message.payload.length;
    if (this.#level === 5) {
      this.#propertyBytes = this.#planProperties(message, grant, nowMs);
      this.#remaining += varintBytes(this.#propertyBytes) + this.#propertyBytes;
    }
    return FIXED_HEADER_BYTES_MAX + this.#remaining;
  }

  /** Writes what was planned; gives where it ends. */
  write(bytes: Buffer, start: number): number {
    const message = this.#message;
    if (message === null) return start;
    bytes[start] = this.#flags;
    let at = writeVarint(bytes, start + 1, this.#remaining);
    bytes.set(this.#topic, at);
    at += this.#topic.length;
    if (this.#qos > 0) {
      const id = packetIdOf(message.position);
      bytes[at] = id >> 8;
      bytes[at + 1] = id & 255;
      at += PACKET_ID_BYTES;
    }
    if (this.#level === 5) at = this.#writeProperties(message, bytes, at);
    bytes.set(message.payload, at);
    return at + message.payload.length;
  }

  #planProperties(message: StoredMessage, grant: Grant, nowMs: number): number {
    this.#contentType = message.contentType === "" ? null : this.#texts.of(message.contentType);
    // What is left of a second counts as one: 0 would say that it has expired.
    this.#expirySeconds = message.expiresAtMs === 0 ? 0 : Math.ceil((message.expiresAtMs - nowMs) / 1000);
    this.#subscriptionIds = grant.subscriptionIds;
    let bytes = message.properties.length;
    if (this.#contentType !== null) bytes += 1 + this.#contentType.length;
    if (this.#expirySeconds > 0) bytes += EXPIRY_BYTES;
    if (this.#alias !== 0) bytes += ALIAS_BYTES;
    for (const id of this.#subscriptionIds) bytes += 1 + varintBytes(id);
    return bytes;
  }

  #writeProperties({ properties }: StoredMessage, bytes: Buffer, start: number): number {
    let at = writeVarint(bytes, start, this.#propertyBytes);
    if (this.#propertyBytes === 0) return at;
    if (this.#expirySeconds > 0) {
      bytes[at] = MESSAGE_EXPIRY_INTERVAL;
      bytes.writeUInt32BE(this.#expirySeconds, at + 1);
      at += EXPIRY_BYTES;
    }
    if (this.#alias !== 0) {
      bytes[at] = TOPIC_ALIAS;
      bytes.writeUInt16BE(this.#alias, at + 1);
      at += ALIAS_BYTES;
    }
    if (this.#contentType !== null) {
      bytes[at] = CONTENT_TYPE;
      bytes.set(this.#contentType, at + 1);
      at += 1 + this.#contentType.length;
    }
    for (const id of this.#subscriptionIds) {
      bytes[at] = SUBSCRIPTION_IDENTIFIER;
      at = writeVarint(bytes, at + 1, id);
    }
    bytes.set(properties, at);
    return at + properties.length;
  }
}

/** At which QoS a message goes out: the lower of its own and the granted one (MQTT 5.0, 3.8.4). */
export function qosOf(message: StoredMessage, grant: Grant): 0 | 1 | 2 {
  return Math.min(message.qos, grant.qos) as 0 | 1 | 2;
}

/** Marks a packet as sent before (MQTT-3.3.1-1): of bytes that nobody else has. */
export function markDuplicate(packet: Buffer): Buffer {
  packet[0] = (packet[0] ?? PUBLISH) | DUP;
  return packet;
}

/** Variable Byte Integer (MQTT 5.0, 1.5.5). */
function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest > 127; rest >>= 7) {
    bytes[at] = (rest & 127) | 128;
    at += 1;
  }
  bytes[at] = rest;
  return at + 1;
}

function varintBytes(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : 4;
}
