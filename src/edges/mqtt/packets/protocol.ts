/** What both versions of MQTT have in common: packet types, protocol levels, and the answer that is always the same bytes. */

/** MQTT Control Packet types (MQTT 5.0, 2.1.2). */
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
  /** Of 5.0 alone. */
  Auth: 15,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/** The level byte of 3.1.1 and of 5.0 in CONNECT. */
export const LEVEL_3_1_1 = 4;
export const LEVEL_5 = 5;

/** The protocol levels that are served. */
export type ProtocolLevel = typeof LEVEL_3_1_1 | typeof LEVEL_5;

/** The packet type of a fixed header's first byte. */
export function packetType(first: number): number {
  return first >> 4;
}

/** The QoS bits of a PUBLISH's first byte: 0 to 3. */
export function qosBits(first: number): number {
  return (first >> 1) & 3;
}

/** PINGRESP (3.13). */
export const PINGRESP: Buffer = Buffer.from([0xd0, 0x00]);
