/**
 * Judges fixed headers (MQTT 5.0, 2.1): which packets a client may send, with which flags and lengths. Nothing of a packet is buffered
 * before its header was found good.
 */
import { limits } from "../../../limits.js";
import { PacketRefused } from "../refusal.js";
import { malformed, protocolError } from "./field-reader.js";
import { LEVEL_3_1_1, LEVEL_5, PacketType, type ProtocolLevel, packetType, qosBits } from "./protocol.js";
import { Reason } from "./reason-codes.js";

/** The flags of all packets but PUBLISH (MQTT-2.1.3-1). */
const REQUIRED_FLAGS: Readonly<Record<number, number>> = {
  [PacketType.Connect]: 0,
  [PacketType.Connack]: 0,
  [PacketType.Puback]: 0,
  [PacketType.Pubrec]: 0,
  [PacketType.Pubrel]: 2,
  [PacketType.Pubcomp]: 0,
  [PacketType.Subscribe]: 2,
  [PacketType.Suback]: 0,
  [PacketType.Unsubscribe]: 2,
  [PacketType.Unsuback]: 0,
  [PacketType.Pingreq]: 0,
  [PacketType.Pingresp]: 0,
  [PacketType.Disconnect]: 0,
  [PacketType.Auth]: 0,
};

/** The packets whose remaining length can only be one number, in 3.1.1. In 5.0 that is PINGREQ alone. */
const EXACT_LENGTH: Readonly<Record<number, number>> = {
  [PacketType.Puback]: 2,
  [PacketType.Pubrec]: 2,
  [PacketType.Pubrel]: 2,
  [PacketType.Pubcomp]: 2,
  [PacketType.Pingreq]: 0,
  [PacketType.Disconnect]: 0,
};

const SERVER_ONLY: ReadonlySet<number> = new Set([
  PacketType.Connack,
  PacketType.Suback,
  PacketType.Unsuback,
  PacketType.Pingresp,
]);

/** Topic length, packet id; in 5.0 the longest property length. */
const PUBLISH_OVERHEAD_BYTES = 4;
const PROPERTY_LENGTH_BYTES_MAX = 4;
/** Of a variable byte integer (1.5.5). */
const BITS_PER_BYTE = 7;
/** First byte and remaining length. */
const HEADER_BYTES_MAX = 5;

/** Maximum Packet Size of a server that takes payloads of `payloadBytesMax` (3.2.2.3.6): what CONNACK says. */
export function packetBytesMax(payloadBytesMax: number): number {
  return HEADER_BYTES_MAX + publishBytesMax(LEVEL_5, payloadBytesMax);
}

/**
 * Judges a fixed header. Throws `PacketRefused`: reserved types and flags (MQTT-2.1.3-1), QoS 3 (MQTT-3.3.1-4), DUP at QoS 0 (MQTT-3.3.1-2),
 * packets that only servers send, and more bytes than the type's ceiling. Before CONNECT either level will do.
 */
export function checkHeader(
  level: ProtocolLevel,
  first: number,
  remainingLength: number,
  payloadBytesMax: number,
): void {
  if (packetType(first) !== PacketType.Publish) {
    checkOtherHeader(level, first, remainingLength, payloadBytesMax);
    return;
  }
  const qos = qosBits(first);
  if (qos === 3) throw malformed("PUBLISH with QoS 3");
  if (qos === 0 && (first & 8) !== 0) throw malformed("PUBLISH with DUP at QoS 0");
  if (remainingLength > publishBytesMax(level, payloadBytesMax)) {
    throw tooLarge(first, remainingLength, Reason.PacketTooLarge);
  }
}

/** Throws `PacketRefused` for a remaining length in more bytes than it needs (MQTT-1.5.5-1); 3.1.1 does not mind. */
export function checkLength(level: ProtocolLevel, remainingLength: number, lengthBytes: number): void {
  const isPadded = lengthBytes > 1 && remainingLength < 1 << (BITS_PER_BYTE * (lengthBytes - 1));
  if (isPadded && level === LEVEL_5) throw malformed("a remaining length in more bytes than it needs");
}

/** The longest PUBLISH without its fixed header. */
function publishBytesMax(level: ProtocolLevel, payloadBytesMax: number): number {
  const bytes = payloadBytesMax + limits.topicBytesMax + PUBLISH_OVERHEAD_BYTES;
  if (level === LEVEL_3_1_1) return bytes;
  return bytes + PROPERTY_LENGTH_BYTES_MAX + limits.messagePropertiesBytesMax;
}

function checkOtherHeader(
  level: ProtocolLevel,
  first: number,
  remainingLength: number,
  payloadBytesMax: number,
): void {
  const type = packetType(first);
  const flags = REQUIRED_FLAGS[type];
  if (flags === undefined || (type === PacketType.Auth && level === LEVEL_3_1_1)) {
    throw new PacketRefused("malformed_packet", `packet type ${type} is reserved`, Reason.ProtocolError);
  }
  if ((first & 15) !== flags) throw malformed(`packet type ${type} with reserved flags ${first & 15}`);
  if (SERVER_ONLY.has(type)) throw protocolError(`packet type ${type} is sent by servers only`);
  const exact = level === LEVEL_3_1_1 || type === PacketType.Pingreq ? EXACT_LENGTH[type] : undefined;
  if (exact !== undefined && remainingLength !== exact) {
    throw malformed(`packet type ${type} with a length of ${remainingLength}`);
  }
  const ceiling = ceilingOf(type);
  if (remainingLength <= ceiling) return;
  // Within what CONNACK allows, it is another limit that is passed.
  const isWithinPacketSize = remainingLength <= publishBytesMax(level, payloadBytesMax);
  throw tooLarge(first, remainingLength, isWithinPacketSize ? Reason.QuotaExceeded : Reason.PacketTooLarge);
}

function ceilingOf(type: number): number {
  if (type === PacketType.Subscribe || type === PacketType.Unsubscribe) return limits.subscribePacketBytesMax;
  return limits.connectPacketBytesMax;
}

function tooLarge(first: number, remainingLength: number, reason: Reason): PacketRefused {
  const detail = `packet type ${packetType(first)} with a length of ${remainingLength}`;
  return new PacketRefused("packet_too_large", detail, reason);
}
