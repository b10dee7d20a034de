/** CONNECT (MQTT 3.1.1, 3.1): who is there, and whether it may stay. */

import type { IConnectPacket } from "mqtt-packet";
import { NO_PROPERTIES } from "../../commands/command.js";
import { limits } from "../../limits.js";
import { isTopicName } from "../../topics/topic-name.js";
import { byteAt, uint16At } from "./bytes.js";
import { Client } from "./client.js";
import type { Connection } from "./connection.js";
import { decodeConnect } from "./decode.js";
import { CONNACK_5_UNSUPPORTED, ConnackCode, connack, LEVEL_3_1_1, LEVEL_5 } from "./protocol.js";
import { PacketRefused } from "./refusal.js";
import type { Will } from "./will.js";

/** What follows "jangada-" in an id that the server assigns. */
const ASSIGNED_ID_CHARACTERS = 20;

const PROTOCOL_NAME = "MQTT";
/** The name that MQTT 3.1 had. */
const PROTOCOL_NAME_3_1 = "MQIsdp";

/**
 * Accepts the client with CONNACK 0, or refuses it with the CONNACK that fits and closes. A session is always clean: CONNECT with
 * Clean Session 0 is accepted and told that no session is present. User name and password are not looked at: there is no
 * authentication. Throws `PacketRefused` for what gets no CONNACK.
 */
export function handleConnect(connection: Connection, bytes: Buffer, start: number, end: number): void {
  const level = readLevel(bytes, start, end);
  if (level !== LEVEL_3_1_1) {
    const answer =
      level === LEVEL_5 ? CONNACK_5_UNSUPPORTED : connack(ConnackCode.UnacceptableProtocolVersion);
    connection.reply(answer);
    connection.refuse("unsupported_protocol_version", `protocol level ${level}`);
    return;
  }
  const packet = decodeConnect(bytes, start, end);
  const id = clientId(connection, packet);
  if (id === null) {
    connection.reply(connack(ConnackCode.IdentifierRejected));
    connection.refuse(
      "identifier_rejected",
      "the client id is empty without a clean session, too long or unprintable",
    );
    return;
  }
  const { context } = connection;
  const will = willOf(packet, context.payloadBytesMax);
  const present = context.clients.get(id);
  if (present === undefined && context.clients.size >= context.connectionsMax) {
    connection.reply(connack(ConnackCode.ServerUnavailable));
    connection.refuse("too_many_connections", `${context.connectionsMax} clients are connected`);
    return;
  }
  present?.connection.refuse("taken_over", "another connection has the same client id");
  const client = new Client({ context, connection, id, keepAliveSeconds: packet.keepalive ?? 0, will });
  context.clients.add(client);
  connection.accepted(client);
  connection.reply(connack(ConnackCode.Accepted));
}

/** The protocol level, when the protocol is MQTT at all. Throws `PacketRefused` `protocol_violation` otherwise (MQTT-3.1.2-1). */
function readLevel(bytes: Buffer, start: number, end: number): number {
  const nameEnd = start + 2 + uint16At(bytes, start);
  if (nameEnd >= end) throw new PacketRefused("malformed_packet", "CONNECT is cut short");
  const name = bytes.toString("latin1", start + 2, nameEnd);
  if (name !== PROTOCOL_NAME && name !== PROTOCOL_NAME_3_1) {
    throw new PacketRefused("protocol_violation", "CONNECT of another protocol");
  }
  const level = byteAt(bytes, nameEnd);
  if (name === PROTOCOL_NAME_3_1 && level === LEVEL_3_1_1) {
    throw new PacketRefused("protocol_violation", "level 4 under the protocol name of 3.1");
  }
  return level;
}

/** The client's id or one assigned to it (MQTT-3.1.3-6); `null` when it has to be rejected. */
function clientId(connection: Connection, packet: IConnectPacket): string | null {
  const { clientId: id, clean } = packet;
  if (id === "") {
    return clean === true ? `jangada-${connection.context.random.tag(ASSIGNED_ID_CHARACTERS)}` : null;
  }
  const isPrintable = !/\p{Cc}/u.test(id);
  return isPrintable && Buffer.byteLength(id) <= limits.clientIdBytesMax ? id : null;
}

/** Throws `PacketRefused` for a will that could never be published. */
function willOf(packet: IConnectPacket, payloadBytesMax: number): Will | null {
  if (packet.will === undefined) return null;
  const { topic, payload, qos, retain } = packet.will;
  if (!isTopicName(topic)) throw new PacketRefused("invalid_topic", "the will's topic is not a topic name");
  // A copy: the packet is a view of what was received.
  const bytes = Buffer.from(payload);
  if (bytes.length > payloadBytesMax) throw new PacketRefused("payload_too_large", "the will's payload");
  const message = {
    payload: bytes,
    contentType: "",
    qos: qos ?? 0,
    retain: retain ?? false,
    expiresAtMs: 0,
    properties: NO_PROPERTIES,
  };
  return { topic, message };
}
