/**
 * The fixed parts of MQTT 3.1.1: packet types, which of them a client may send, with which flags and lengths, and the
 * answers that are always the same bytes.
 */
import { limits } from "../../limits.js";
import { PacketRefused } from "./refusal.js";

/** MQTT Control Packet types (MQTT 3.1.1, 2.2.1). */
export const PacketType = {
  Connect: 1,
  Connack: 2,
  Publish: 3,
  Puback: 4,
  Pubrec: 5,
  Pubrel: 6,
  Pubcomp: 7,
  Subscribe: 8,
  Suback: 9,
  Unsubscribe: 10,
  Unsuback: 11,
  Pingreq: 12,
  Pingresp: 13,
  Disconnect: 14,
} as const;

/** The level byte of 3.1.1 and of 5.0 in CONNECT. */
export const LEVEL_3_1_1 = 4;
export const LEVEL_5 = 5;

/** CONNACK return codes (MQTT 3.1.1, 3.2.2.3). */
export const ConnackCode = {
  Accepted: 0,
  UnacceptableProtocolVersion: 1,
  IdentifierRejected: 2,
  ServerUnavailable: 3,
} as const;
export type ConnackCode = (typeof ConnackCode)[keyof typeof ConnackCode];

/** SUBACK's "failure" (MQTT 3.1.1, 3.9.3). */
export const SUBACK_FAILURE = 0x80;

/** The flags of the packets that a client may send, except PUBLISH (MQTT-2.2.2-1). */
const REQUIRED_FLAGS: Readonly<Record<number, number>> = {
  [PacketType.Connect]: 0,
  [PacketType.Puback]: 0,
  [PacketType.Pubrec]: 0,
  [PacketType.Pubrel]: 2,
  [PacketType.Pubcomp]: 0,
  [PacketType.Subscribe]: 2,
  [PacketType.Unsubscribe]: 2,
  [PacketType.Pingreq]: 0,
  [PacketType.Disconnect]: 0,
};

/** The packets whose remaining length can only be one number. */
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

/** The packet type of a fixed header's first byte. */
export function packetType(first: number): number {
  return first >> 4;
}

/** The QoS bits of a PUBLISH's first byte: 0 to 3. */
export function qosBits(first: number): number {
  return (first >> 1) & 3;
}

/**
 * Judges a fixed header before anything of the packet is buffered. Throws `PacketRefused`: reserved types and flags
 * (MQTT-2.2.2-2), QoS 3 (MQTT-3.3.1-4), DUP at QoS 0 (MQTT-3.3.1-2), packets that only servers send, and more bytes than the type's ceiling.
 */
export function checkHeader(first: number, remainingLength: number, payloadBytesMax: number): void {
  if (packetType(first) === PacketType.Publish) {
    const qos = qosBits(first);
    if (qos === 3) throw new PacketRefused("malformed_packet", "PUBLISH with QoS 3");
    if (qos === 0 && (first & 8) !== 0)
      throw new PacketRefused("malformed_packet", "PUBLISH with DUP at QoS 0");
    // Topic with its length, packet id, payload.
    if (remainingLength > payloadBytesMax + limits.topicBytesMax + 4) throw tooLarge(first, remainingLength);
    return;
  }
  checkOtherHeader(first, remainingLength);
}

function checkOtherHeader(first: number, remainingLength: number): void {
  const type = packetType(first);
  if (SERVER_ONLY.has(type)) {
    throw new PacketRefused("protocol_violation", `packet type ${type} is sent by servers only`);
  }
  const flags = REQUIRED_FLAGS[type];
  if (flags === undefined) throw new PacketRefused("malformed_packet", `packet type ${type} is reserved`);
  if ((first & 15) !== flags) {
    throw new PacketRefused("malformed_packet", `packet type ${type} with reserved flags ${first & 15}`);
  }
  const exact = EXACT_LENGTH[type];
  if (exact !== undefined && remainingLength !== exact) {
    throw new PacketRefused("malformed_packet", `packet type ${type} with a length of ${remainingLength}`);
  }
  const ceiling = type === PacketType.Connect ? limits.connectPacketBytesMax : limits.subscribePacketBytesMax;
  if (remainingLength > ceiling) throw tooLarge(first, remainingLength);
}

function tooLarge(first: number, remainingLength: number): PacketRefused {
  return new PacketRefused(
    "packet_too_large",
    `packet type ${packetType(first)} with a length of ${remainingLength}`,
  );
}

/** PINGRESP (3.13). */
export const PINGRESP: Buffer = Buffer.from([0xd0, 0x00]);

/** CONNACK in the form of MQTT 5 with reason 0x84, unsupported protocol version, and no properties (MQTT 5.0, 3.2). */
export const CONNACK_5_UNSUPPORTED: Buffer = Buffer.from([0x20, 0x03, 0x00, 0x84, 0x00]);

/** CONNACK (3.2) without a present session. */
export function connack(code: ConnackCode): Buffer {
  return Buffer.from([0x20, 0x02, 0x00, code]);
}
