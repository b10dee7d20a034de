/** UNSUBSCRIBE and UNSUBACK (MQTT 3.1.1 and 5.0, 3.10 and 3.11). */
import { FieldReader } from "./field-reader.js";
import { checkCount, type FilterName, readFilter, readHead } from "./filter-list.js";
import { PacketWriter } from "./packet-writer.js";
import { PROPERTIES_OF } from "./properties.js";
import { LEVEL_3_1_1, PacketType, type ProtocolLevel } from "./protocol.js";
import type { Reason } from "./reason-codes.js";

export interface UnsubscribePacket {
  readonly packetId: number;
  /** In their order; `null` for one that nobody can have subscribed to (0x8F). */
  readonly filters: readonly (FilterName | null)[];
}

/** UNSUBSCRIBE. Throws `PacketRefused`: packet id 0 (MQTT-2.2.1-3), no filter (MQTT-3.10.3-2), ill-formed filters, bad properties and strings. */
export function decodeUnsubscribe(
  level: ProtocolLevel,
  bytes: Buffer,
  start: number,
  end: number,
): UnsubscribePacket {
  const reader = new FieldReader(bytes, start, end);
  const { packetId } = readHead(level, reader, PROPERTIES_OF.unsubscribe);
  const filters: (FilterName | null)[] = [];
  while (!reader.isAtEnd) {
    filters.push(readFilter(reader));
    checkCount(filters.length);
  }
  return { packetId, filters };
}

/** UNSUBACK: in 5.0 one code a filter, in their order (MQTT-3.11.3-1). */
export function encodeUnsuback(level: ProtocolLevel, packetId: number, codes: readonly Reason[]): Buffer {
  const writer = new PacketWriter().uint16(packetId);
  if (level !== LEVEL_3_1_1) writer.variableInteger(0).bytes(Uint8Array.from(codes));
  return writer.packet(PacketType.Unsuback << 4);
}
