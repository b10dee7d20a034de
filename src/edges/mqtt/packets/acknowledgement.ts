/** PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 3.1.1 and 5.0, 3.4 to 3.7): the same packet four times, in both directions. */
import { uint16At } from "../bytes.js";
import { FieldReader, malformed, protocolError } from "./field-reader.js";
import { PacketWriter } from "./packet-writer.js";
import { PROPERTIES_OF, Property, readProperties } from "./properties.js";
import { LEVEL_3_1_1, PacketType, type ProtocolLevel } from "./protocol.js";
import { ALLOWED_REASONS, Reason } from "./reason-codes.js";

/** Type of an acknowledgement. */
export type AckType =
  | typeof PacketType.Puback
  | typeof PacketType.Pubrec
  | typeof PacketType.Pubrel
  | typeof PacketType.Pubcomp;

export interface Acknowledgement {
  readonly packetId: number;
  /** Below 0x80 it is a good one; always 0 in 3.1.1. */
  readonly reason: number;
}

const ALLOWED: Readonly<Record<AckType, ReadonlySet<number>>> = {
  [PacketType.Puback]: ALLOWED_REASONS.puback,
  [PacketType.Pubrec]: ALLOWED_REASONS.pubrec,
  [PacketType.Pubrel]: ALLOWED_REASONS.pubrel,
  [PacketType.Pubcomp]: ALLOWED_REASONS.pubcomp,
};

/** The longest acknowledgement without properties. */
export const ACK_BYTES_MAX = 5;

/**
 * An acknowledgement whose fixed header was found good. Throws `PacketRefused`: cut short, packet id 0 (MQTT-2.2.1-3), a reason that the packet
 * does not have (MQTT-3.4.2-1, 3.5.2-1, 3.6.2-1, 3.7.2-1), properties that it may not have.
 */
export function decodeAck(
  level: ProtocolLevel,
  type: AckType,
  bytes: Buffer,
  start: number,
  end: number,
): Acknowledgement {
  const length = end - start;
  if (length < 2) throw malformed("an acknowledgement that is cut short");
  const packetId = uint16At(bytes, start);
  if (packetId === 0) throw protocolError("an acknowledgement of packet id 0");
  if (length === 2) return { packetId, reason: Reason.Success };
  if (level === LEVEL_3_1_1) throw malformed("an acknowledgement that is too long");
  const reader = new FieldReader(bytes, start + 2, end);
  const reason = reader.uint8();
  if (!ALLOWED[type].has(reason)) throw protocolError(`an acknowledgement with reason ${reason}`);
  if (!reader.isAtEnd) readProperties(reader, PROPERTIES_OF.acknowledgement);
  if (!reader.isAtEnd) throw malformed("an acknowledgement with bytes after its properties");
  return { packetId, reason };
}

/** Writes an acknowledgement at `at`, where `ACK_BYTES_MAX` bytes have room; returns where it ends. Reason 0 is left out (3.4.2.1). */
export function writeAck(
  target: Buffer,
  at: number,
  level: ProtocolLevel,
  type: AckType,
  packetId: number,
  reason: Reason,
): number {
  const hasReason = reason !== Reason.Success && level !== LEVEL_3_1_1;
  target[at] = firstByte(type);
  target[at + 1] = hasReason ? 3 : 2;
  target[at + 2] = packetId >> 8;
  target[at + 3] = packetId & 255;
  if (!hasReason) return at + 4;
  target[at + 4] = reason;
  return at + 5;
}

/** An acknowledgement by itself. */
export function encodeAck(
  level: ProtocolLevel,
  type: AckType,
  packetId: number,
  reason: Reason = Reason.Success,
): Buffer {
  const bytes = Buffer.allocUnsafe(ACK_BYTES_MAX);
  return bytes.subarray(0, writeAck(bytes, 0, level, type, packetId, reason));
}

/** An acknowledgement of 5.0 that says in words what is wrong (MQTT-3.4.2-2): only to who wants it and takes so much. */
export function encodeAckWithWords(
  type: AckType,
  packetId: number,
  reason: Reason,
  reasonString: string,
): Buffer {
  const properties = new PacketWriter().uint8(Property.ReasonString).text(reasonString);
  return new PacketWriter().uint16(packetId).uint8(reason).section(properties).packet(firstByte(type));
}

/** PUBREL has a flag (MQTT-3.6.1-1). */
function firstByte(type: AckType): number {
  return (type << 4) | (type === PacketType.Pubrel ? 2 : 0);
}
