/**
 * Messages into PUBLISH packets (MQTT 3.1.1, 3.3), a whole batch into one buffer. Subscribers at QoS 0 share the very bytes; for
 * QoS 1 the buffer is a template whose packet ids are filled into a copy.
 */
import type { StoredMessage } from "../../state-machine/effects.js";
import type { FilterSet } from "../../topics/filter-set.js";
import type { BatchEncoder } from "../../topics/subscriber.js";

/** A batch in wire form. */
export interface EncodedPublishes {
  /** All packets one after the other, in the messages' order. */
  readonly bytes: Buffer;
  /** `ends[i]`: where the packet of message `i` ends; as `ends[i - 1]` for a message that is left out. */
  readonly ends: Uint32Array;
  /** Where the packet ids go, in order; empty when all is QoS 0. */
  readonly idOffsets: Uint32Array;
  /** How many packets there are. */
  readonly packets: number;
}

/** First byte and at most four of remaining length, topic length, packet id. */
const OVERHEAD_BYTES_MAX = 9;
const PUBLISH_FLAGS = 0x30;
const RETAIN_FLAG = 0x01;

/** Topic names as bytes with their length in front; forgotten all at once when there are too many. */
const TOPICS_KEPT_MAX = 4_096;

/** Encodes for one edge. `retain` is the flag of every packet: 0 live (MQTT-3.3.1-9), 1 for retained ones (MQTT-3.3.1-8). */
export class PublishEncoder implements BatchEncoder<EncodedPublishes> {
  readonly #flags: number;
  readonly #nowMs: () => number;
  readonly #topics = new Map<string, Buffer>();

  constructor(retain: 0 | 1, nowMs: () => number) {
    this.#flags = PUBLISH_FLAGS | (retain === 1 ? RETAIN_FLAG : 0);
    this.#nowMs = nowMs;
  }

  /**
   * Each message at the lower of its own QoS and the one granted by `filters` (3.3.5), and at 1 at most. Expired messages and those
   * that no filter matches are left out.
   */
  encode(messages: readonly StoredMessage[], filters: FilterSet): EncodedPublishes {
    const nowMs = this.#nowMs();
    const bytes = Buffer.allocUnsafe(this.#bytesMax(messages));
    const ends = new Uint32Array(messages.length);
    const idOffsets: number[] = [];
    let packets = 0;
    let at = 0;
    for (let i = 0; i < messages.length; i += 1) {
      const message = messages[i];
      if (message === undefined) continue;
      const granted = filters.grantOfMatch(message.topic.name, message.publisher)?.qos ?? -1;
      if (granted >= 0 && (message.expiresAtMs === 0 || message.expiresAtMs > nowMs)) {
        const qos = message.qos > 0 && granted > 0 ? 1 : 0;
        const topic = this.#topic(message.topic.name);
        at = this.#header(bytes, at, qos, topic.length + 2 * qos + message.payload.length);
        bytes.set(topic, at);
        at += topic.length;
        if (qos === 1) {
          idOffsets.push(at);
          at += 2;
        }
        bytes.set(message.payload, at);
        at += message.payload.length;
        packets += 1;
      }
      ends[i] = at;
    }
    return { bytes: bytes.subarray(0, at), ends, idOffsets: Uint32Array.from(idOffsets), packets };
  }

  /** Views of the same bytes. */
  slice(encoded: EncodedPublishes, from: number, to: number): EncodedPublishes {
    const start = from === 0 ? 0 : (encoded.ends[from - 1] ?? 0);
    const end = to === 0 ? 0 : (encoded.ends[to - 1] ?? 0);
    const ends = encoded.ends.slice(from, to).map((at) => at - start);
    const idOffsets = encoded.idOffsets.filter((at) => at >= start && at < end).map((at) => at - start);
    return { bytes: encoded.bytes.subarray(start, end), ends, idOffsets, packets: packetsIn(ends) };
  }

  #header(bytes: Buffer, start: number, qos: 0 | 1, remainingLength: number): number {
    let at = start;
    bytes[at] = this.#flags | (qos << 1);
    at += 1;
    let rest = remainingLength;
    while (rest > 127) {
      bytes[at] = (rest & 127) | 128;
      at += 1;
      rest >>= 7;
    }
    bytes[at] = rest;
    return at + 1;
  }

  #bytesMax(messages: readonly StoredMessage[]): number {
    let bytes = 0;
    for (const { topic, payload } of messages) {
      bytes += OVERHEAD_BYTES_MAX + this.#topic(topic.name).length + payload.length;
    }
    return bytes;
  }

  #topic(name: string): Buffer {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const bytes = Buffer.allocUnsafe(2 + Buffer.byteLength(name));
    bytes.writeUInt16BE(bytes.length - 2, 0);
    bytes.write(name, 2, "utf8");
    if (this.#topics.size === TOPICS_KEPT_MAX) this.#topics.clear();
    this.#topics.set(name, bytes);
    return bytes;
  }
}

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

/** The leading messages of a batch that need at most `ids` packet ids. */
export function headWithin(encoded: EncodedPublishes, ids: number): { messages: number; bytes: number } {
  const { ends, idOffsets } = encoded;
  const firstTooMany = idOffsets[ids];
  if (firstTooMany === undefined) return { messages: ends.length, bytes: encoded.bytes.length };
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ends[middle] ?? 0) > firstTooMany) high = middle;
    else low = middle + 1;
  }
  return { messages: low, bytes: low === 0 ? 0 : (ends[low - 1] ?? 0) };
}
