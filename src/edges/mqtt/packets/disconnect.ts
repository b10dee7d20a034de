/** DISCONNECT (MQTT 3.1.1 and 5.0, 3.14): goodbye, in 5.0 from either side and with a reason. */
import { PacketRefused } from "../refusal.js";
import { allowedReason } from "./error-reasons.js";
import { FieldReader, malformed } from "./field-reader.js";
import { PacketWriter } from "./packet-writer.js";
import { PROPERTIES_OF, Property, readProperties } from "./properties.js";
import { LEVEL_3_1_1, PacketType, type ProtocolLevel } from "./protocol.js";
import { ALLOWED_REASONS, Reason } from "./reason-codes.js";

export interface DisconnectPacket {
  /** 0x00: the will is forgotten (MQTT-3.14.4-3). Any other: it is published. */
  readonly reason: number;
  /** `null` leaves the session's expiry as it is. That it may not come up from 0 (3.14.2.2.2) is the caller's to hold. */
  readonly expirySeconds: number | null;
  /** "" for none. */
  readonly reasonString: string;
}

/** Throws `PacketRefused`: a reason that clients do not have (MQTT-3.14.2-1: closed without a word to who has said goodbye), bad properties. */
export function decodeDisconnect(
  level: ProtocolLevel,
  bytes: Buffer,
  start: number,
  end: number,
): DisconnectPacket {
  if (start === end) return { reason: Reason.Success, expirySeconds: null, reasonString: "" };
  if (level === LEVEL_3_1_1) throw malformed("DISCONNECT with a body");
  const reader = new FieldReader(bytes, start, end);
  const reason = reader.uint8();
  if (!ALLOWED_REASONS.clientDisconnect.has(reason)) {
    throw new PacketRefused("protocol_violation", `DISCONNECT with reason ${reason}`, null);
  }
  if (reader.isAtEnd) return { reason, expirySeconds: null, reasonString: "" };
  const properties = readProperties(reader, PROPERTIES_OF.disconnect);
  if (!reader.isAtEnd) throw malformed("DISCONNECT with bytes after its properties");
  return {
    reason,
    expirySeconds: properties.number(Property.SessionExpiryInterval) ?? null,
    reasonString: properties.text(Property.ReasonString) ?? "",
  };
}

/** What the server may add. */
export interface DisconnectDetails {
  readonly reasonString?: string | undefined;
  /** Where to go instead (3.14.2.2.5). */
  readonly serverReference?: string | undefined;
}

/**
 * DISCONNECT of 5.0. The reason string is left out when the packet would be longer than the client takes (MQTT-3.14.2-3); `null` when it is
 * too long even so (MQTT-3.1.2-24).
 */
export function encodeDisconnect(
  reason: Reason,
  { reasonString, serverReference }: DisconnectDetails = {},
  packetBytesMax = Number.POSITIVE_INFINITY,
): Buffer | null {
  const writer = new PacketWriter().uint8(allowedReason("disconnect", reason));
  const properties = new PacketWriter();
  if (serverReference !== undefined) properties.uint8(Property.ServerReference).text(serverReference);
  if (reasonString !== undefined) properties.uint8(Property.ReasonString).text(reasonString);
  // Property length 0 is left out (3.14.2.2.1).
  if (!properties.isEmpty) writer.section(properties);
  const packet = writer.packet(PacketType.Disconnect << 4);
  if (packet.length <= packetBytesMax) return packet;
  return reasonString === undefined ? null : encodeDisconnect(reason, { serverReference }, packetBytesMax);
}
