/**
 * Batches into PUBLISH packets, once for all subscribers of a filter set and protocol level. Packet identifiers come from positions, so the very
 * bytes go to everybody; what a subscriber has to keep of each exchange stands in arrays beside them.
 */
import type { StoredMessage } from "../../../state-machine/effects.js";
import type { FilterSet, Grant } from "../../../topics/filter-set.js";
import type { BatchEncoder } from "../../../topics/subscriber.js";
import { packetIdOf } from "./packet-id.js";
import { type AliasUse, PublishPacket, TextFields } from "./publish-packet.js";

/** A batch in wire form. */
export interface EncodedPublishes {
  /** All packets one after the other, in the messages' order. */
  readonly bytes: Buffer;
  /** `ends[i]`: where the packet of message `i` ends; as `ends[i - 1]` for a message that is left out. */
  readonly ends: Uint32Array;
  /** How many packets there are, and the size of the largest. */
  readonly packets: number;
  readonly packetBytesMax: number;
  /** Of the packets of QoS 1 and 2, in order: index of the message, position, packet identifier, QoS. */
  readonly indexes: Uint32Array;
  readonly positions: Float64Array;
  readonly ids: Uint16Array;
  readonly qos: Uint8Array;
  /** From then on an expiry in it is wrong, or a message has expired. */
  readonly staleAtMs: number;
}

/** A Message Expiry Interval counts seconds. */
const EXPIRY_GRAIN_MS = 1_000;

export function isExpired({ expiresAtMs }: StoredMessage, nowMs: number): boolean {
  return expiresAtMs !== 0 && expiresAtMs <= nowMs;
}

/** The formats of one protocol level. */
export class PublishEncoder implements BatchEncoder<EncodedPublishes> {
  readonly #level: 4 | 5;
  readonly #nowMs: () => number;
  readonly #texts = new TextFields();
  readonly #packet: PublishPacket;

  constructor(level: 4 | 5, nowMs: () => number) {
    this.#level = level;
    this.#nowMs = nowMs;
    this.#packet = new PublishPacket(level, this.#texts);
  }

  /**
   * Live messages, each as `filters` grant it (3.3.4): RETAIN only as published and if it was asked for (MQTT-3.3.1-12, 3.3.1-13; never in 3.1.1:
   * MQTT-3.3.1-9). Expired messages (MQTT-3.3.2-5) and those that do not match are left out.
   */
  encode(messages: readonly StoredMessage[], filters: FilterSet): EncodedPublishes {
    const nowMs = this.#nowMs();
    const encoded = new Encoding(messages.length, this.#bytesMax(messages, filters));
    const packet = this.#packet;
    for (const [index, message] of messages.entries()) {
      const grant = isExpired(message, nowMs) ? null : grantOf(filters, message);
      if (grant === null) {
        encoded.leaveOut(index);
        continue;
      }
      packet.plan(message, grant, message.retain && grant.retainAsPublished, nowMs);
      encoded.add(index, message, packet);
      if (message.expiresAtMs !== 0) encoded.expires(this.#staleAtMs(message, nowMs));
    }
    return encoded.finish();
  }

  /** Views of the same bytes. */
  slice(encoded: EncodedPublishes, from: number, to: number): EncodedPublishes {
    const start = from === 0 ? 0 : (encoded.ends[from - 1] ?? 0);
    const end = to === 0 ? 0 : (encoded.ends[to - 1] ?? 0);
    const ends = encoded.ends.slice(from, to).map((at) => at - start);
    const first = lowerBound(encoded.indexes, from);
    const last = lowerBound(encoded.indexes, to);
    return {
      bytes: encoded.bytes.subarray(start, end),
      ends,
      packets: packetsIn(ends),
      packetBytesMax: encoded.packetBytesMax,
      indexes: encoded.indexes.slice(first, last).map((index) => index - from),
      positions: encoded.positions.subarray(first, last),
      ids: encoded.ids.subarray(first, last),
      qos: encoded.qos.subarray(first, last),
      staleAtMs: encoded.staleAtMs,
    };
  }

  /** One message that has not expired, for one client. */
  single(message: StoredMessage, grant: Grant, retain: boolean, alias: AliasUse | null): Buffer {
    const bytes = Buffer.allocUnsafe(this.#packet.plan(message, grant, retain, this.#nowMs(), alias));
    return bytes.subarray(0, this.#packet.write(bytes, 0));
  }

  #bytesMax(messages: readonly StoredMessage[], filters: FilterSet): number {
    let bytes = 0;
    for (const message of messages) {
      const grant = grantOf(filters, message);
      if (grant !== null) bytes += this.#packet.plan(message, grant, false, 0);
    }
    return bytes;
  }

  #staleAtMs({ expiresAtMs }: StoredMessage, nowMs: number): number {
    return this.#level === 4 ? expiresAtMs : Math.min(expiresAtMs, nowMs + EXPIRY_GRAIN_MS);
  }
}

/** The batch holds what some filter matches. */
function grantOf(filters: FilterSet, { topic, publisher }: StoredMessage): Grant | null {
  return filters.grantOfMatch(topic.name, publisher);
}

/** The arrays while they are filled. Those about exchanges are made for the first: most batches of QoS 0 have none. */
class Encoding {
  readonly #bytes: Buffer;
  readonly #ends: Uint32Array;
  #exchanges: Pick<EncodedPublishes, "indexes" | "positions" | "ids" | "qos"> = NO_EXCHANGES;
  #exchangeCount = 0;
  #packets = 0;
  #packetBytesMax = 0;
  #staleAtMs = Number.POSITIVE_INFINITY;
  #at = 0;

  constructor(messages: number, bytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(bytesMax);
    this.#ends = new Uint32Array(messages);
  }

  leaveOut(index: number): void {
    this.#ends[index] = this.#at;
  }

  add(index: number, { position }: StoredMessage, packet: PublishPacket): void {
    const end = packet.write(this.#bytes, this.#at);
    this.#packetBytesMax = Math.max(this.#packetBytesMax, end - this.#at);
    this.#packets += 1;
    this.#at = end;
    this.#ends[index] = end;
    if (packet.qos > 0) this.#addExchange(index, position, packet.qos);
  }

  expires(staleAtMs: number): void {
    this.#staleAtMs = Math.min(this.#staleAtMs, staleAtMs);
  }

  finish(): EncodedPublishes {
    const { indexes, positions, ids, qos } = this.#exchanges;
    const count = this.#exchangeCount;
    const isFull = count === indexes.length;
    return {
      bytes: this.#bytes.subarray(0, this.#at),
      ends: this.#ends,
      packets: this.#packets,
      packetBytesMax: this.#packetBytesMax,
      indexes: isFull ? indexes : indexes.subarray(0, count),
      positions: isFull ? positions : positions.subarray(0, count),
      ids: isFull ? ids : ids.subarray(0, count),
      qos: isFull ? qos : qos.subarray(0, count),
      staleAtMs: this.#staleAtMs,
    };
  }

  #addExchange(index: number, position: number, qos: number): void {
    if (this.#exchangeCount === 0) this.#exchanges = exchangeArrays(this.#ends.length);
    const at = this.#exchangeCount;
    this.#exchangeCount += 1;
    this.#exchanges.indexes[at] = index;
    this.#exchanges.positions[at] = position;
    this.#exchanges.ids[at] = packetIdOf(position);
    this.#exchanges.qos[at] = qos;
  }
}

function exchangeArrays(length: number): Pick<EncodedPublishes, "indexes" | "positions" | "ids" | "qos"> {
  return {
    indexes: new Uint32Array(length),
    positions: new Float64Array(length),
    ids: new Uint16Array(length),
    qos: new Uint8Array(length),
  };
}

const NO_EXCHANGES = exchangeArrays(0);

/** How many packets end in `ends`: a message that is left out ends where the one before it does. */
export function packetsIn(ends: Uint32Array): number {
  let packets = 0;
  let before = 0;
  for (const end of ends) {
    if (end > before) packets += 1;
    before = end;
  }
  return packets;
}

/** Index of the first that is not below `value`. */
function lowerBound(ascending: Uint32Array, value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
