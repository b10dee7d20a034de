/** CONNACK (MQTT 3.1.1 and 5.0, 3.2): what the server makes of a CONNECT. */
import { allowedReason, returnCodeOf } from "./error-reasons.js";
import { PacketWriter } from "./packet-writer.js";
import { Property } from "./properties.js";
import { LEVEL_3_1_1, PacketType, type ProtocolLevel } from "./protocol.js";
import { Reason } from "./reason-codes.js";

/** What is left out is as the standard has it without (3.2.2.3). 3.1.1 has nothing but `sessionPresent` and `reason`. */
export interface Connack {
  readonly sessionPresent: boolean;
  readonly reason: Reason;
  /** When it is another than the client asked for. */
  readonly expirySeconds?: number | undefined;
  readonly receiveMax?: number | undefined;
  readonly packetBytesMax?: number | undefined;
  readonly assignedClientId?: string | undefined;
  readonly topicAliasMax?: number | undefined;
  /** When it is another than the client asked for (Server Keep Alive). */
  readonly keepAliveSeconds?: number | undefined;
  readonly responseInformation?: string | undefined;
  readonly serverReference?: string | undefined;
  readonly authMethod?: string | undefined;
  readonly authData?: Uint8Array | undefined;
  /** Left out, as user properties are, when the packet would be longer than the client takes (MQTT-3.2.2-19, 3.2.2-20). */
  readonly reasonString?: string | undefined;
  readonly userProperties?: readonly (readonly [name: string, value: string])[] | undefined;
}

/** `null` when 3.1.1 has no code for the reason, or the client takes no packet of that length: it is closed without a word (MQTT-3.1.2-24). */
export function encodeConnack(
  level: ProtocolLevel,
  connack: Connack,
  packetBytesMax = Number.POSITIVE_INFINITY,
): Buffer | null {
  // Session Present goes with success alone (MQTT-3.2.2-6).
  const flags = connack.sessionPresent && connack.reason === Reason.Success ? 1 : 0;
  if (level === LEVEL_3_1_1) {
    const code = returnCodeOf(connack.reason);
    return code === null ? null : Buffer.from([PacketType.Connack << 4, 2, flags, code]);
  }
  const { reasonString, userProperties } = connack;
  const packet = new PacketWriter()
    .uint8(flags)
    .uint8(allowedReason("connack", connack.reason))
    .section(propertiesOf(connack))
    .packet(PacketType.Connack << 4);
  if (packet.length <= packetBytesMax) return packet;
  if (reasonString === undefined && userProperties === undefined) return null;
  return encodeConnack(
    level,
    { ...connack, reasonString: undefined, userProperties: undefined },
    packetBytesMax,
  );
}

/** CONNACK for who asks for a level that is not served (MQTT-3.1.2-2; 5.0, 3.1.2.2): in the form of 3.1.1 for the older, of 5.0 for the newer. */
export function unsupportedVersionConnack(level: "older" | "unknown"): Buffer {
  return level === "older" ? Buffer.from([0x20, 2, 0, 1]) : Buffer.from([0x20, 3, 0, 0x84, 0]);
}

function propertiesOf(connack: Connack): PacketWriter {
  const writer = new PacketWriter();
  const uint16 = (id: Property, value: number | undefined): void => {
    if (value !== undefined) writer.uint8(id).uint16(value);
  };
  const uint32 = (id: Property, value: number | undefined): void => {
    if (value !== undefined) writer.uint8(id).uint32(value);
  };
  const text = (id: Property, value: string | undefined): void => {
    if (value !== undefined) writer.uint8(id).text(value);
  };
  uint32(Property.SessionExpiryInterval, connack.expirySeconds);
  uint16(Property.ReceiveMaximum, connack.receiveMax);
  uint32(Property.MaximumPacketSize, connack.packetBytesMax);
  text(Property.AssignedClientIdentifier, connack.assignedClientId);
  uint16(Property.TopicAliasMaximum, connack.topicAliasMax);
  uint16(Property.ServerKeepAlive, connack.keepAliveSeconds);
  text(Property.ResponseInformation, connack.responseInformation);
  text(Property.ServerReference, connack.serverReference);
  text(Property.AuthenticationMethod, connack.authMethod);
  if (connack.authData !== undefined) writer.uint8(Property.AuthenticationData).binary(connack.authData);
  text(Property.ReasonString, connack.reasonString);
  for (const [name, value] of connack.userProperties ?? []) {
    writer.uint8(Property.UserProperty).text(name).text(value);
  }
  return writer;
}
