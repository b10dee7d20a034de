/**
 * Topic names that were decoded and judged before, found again by their bytes: publishers name the same few topics over and
 * over, and neither the UTF-8 nor the string need to be made twice. One cache for all connections of an edge.
 */
import { isUtf8 } from "node:buffer";
import { isPrintable, isTopicName } from "../../topics/topic-name.js";
import { byteAt } from "./bytes.js";
import { PacketRefused } from "./refusal.js";

/** Slots; a power of two. Two topics that share a slot displace each other. */
const SLOTS = 4_096;

interface CachedTopic {
  readonly bytes: Buffer;
  readonly name: string;
}

export class TopicCache {
  readonly #slots: (CachedTopic | undefined)[] = new Array<CachedTopic | undefined>(SLOTS).fill(undefined);

  /**
   * The topic name in `bytes[start, end)`. `null`: well-formed, but not one that messages may be published to here (too long, too
   * deep, `$`). Throws `PacketRefused` `malformed_packet` for what no PUBLISH may carry: not UTF-8 (MQTT-1.5.3-1), control characters (1.5.3),
   * empty (MQTT-4.7.3-1) or with a wildcard (MQTT-3.3.2-2).
   */
  read(bytes: Buffer, start: number, end: number): string | null {
    let hash = end - start;
    for (let i = start; i < end; i += 1) hash = (Math.imul(hash, 31) + byteAt(bytes, i)) | 0;
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const cached = this.#slots[slot];
    if (cached !== undefined && isSame(cached.bytes, bytes, start, end)) return cached.name;
    const name = decodeTopic(bytes.subarray(start, end));
    if (!isTopicName(name)) return null;
    this.#slots[slot] = { bytes: Buffer.from(bytes.subarray(start, end)), name };
    return name;
  }
}

function isSame(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i += 1) {
    if (known[i] !== bytes[start + i]) return false;
  }
  return true;
}

function decodeTopic(bytes: Buffer): string {
  if (bytes.length === 0) throw new PacketRefused("malformed_packet", "PUBLISH without a topic name");
  if (!isUtf8(bytes)) throw new PacketRefused("malformed_packet", "topic name that is not UTF-8");
  const name = bytes.toString("utf8");
  if (!isPrintable(name)) throw new PacketRefused("malformed_packet", "topic name with a control character");
  if (name.includes("+") || name.includes("#")) {
    throw new PacketRefused("malformed_packet", "PUBLISH to a topic name with a wildcard");
  }
  return name;
}
