/** CONNECT (MQTT 3.1.1, 3.1): who is there, and whether it may stay. */
import type { Will as PacketWill } from "../../commands/command.js";
import { Client } from "./client.js";
import type { Connection } from "./connection.js";
import { encodeConnack, unsupportedVersionConnack } from "./packets/connack.js";
import { type ConnectPacket, decodeConnect, readLevel } from "./packets/connect.js";
import { LEVEL_3_1_1, LEVEL_5 } from "./packets/protocol.js";
import { Reason } from "./packets/reason-codes.js";
import { PacketRefused } from "./refusal.js";
import type { Will } from "./will.js";

/** What follows "jangada-" in an id that the server assigns. */
const ASSIGNED_ID_CHARACTERS = 20;

/**
 * Accepts the client with CONNACK 0, or refuses it with the CONNACK that fits and closes. A session is always clean: CONNECT with
 * Clean Session 0 is accepted and told that no session is present. User name and password are not looked at: there is no
 * authentication. Throws `PacketRefused` for what gets no CONNACK.
 */
export function handleConnect(connection: Connection, bytes: Buffer, start: number, end: number): void {
  const level = readLevel(bytes, start, end);
  if (level !== LEVEL_3_1_1) {
    connection.reply(unsupportedVersionConnack(level === LEVEL_5 ? "unknown" : level));
    connection.refuse("unsupported_protocol_version", `protocol level ${level}`);
    return;
  }
  const packet = decoded(connection, bytes, start, end);
  const { context } = connection;
  const id =
    packet.clientId === "" ? `jangada-${context.random.tag(ASSIGNED_ID_CHARACTERS)}` : packet.clientId;
  const will = willOf(packet.will, context.payloadBytesMax);
  const present = context.clients.get(id);
  if (present === undefined && context.clients.size >= context.connectionsMax) {
    answer(connection, Reason.ServerBusy);
    connection.refuse("too_many_connections", `${context.connectionsMax} clients are connected`);
    return;
  }
  present?.connection.refuse("taken_over", "another connection has the same client id");
  const { keepAliveSeconds } = packet;
  const client = new Client({ context, connection, id, keepAliveSeconds, will });
  context.clients.add(client);
  connection.accepted(client);
  answer(connection, Reason.Success);
}

/** A refusal that CONNACK can say is said in it. */
function decoded(connection: Connection, bytes: Buffer, start: number, end: number): ConnectPacket {
  try {
    return decodeConnect(LEVEL_3_1_1, bytes, start, end);
  } catch (error) {
    if (error instanceof PacketRefused && error.reason !== null) answer(connection, error.reason);
    throw error;
  }
}

function answer(connection: Connection, reason: Reason): void {
  const connack = encodeConnack(LEVEL_3_1_1, { sessionPresent: false, reason });
  if (connack !== null) connection.reply(connack);
}

function willOf(will: PacketWill | null, payloadBytesMax: number): Will | null {
  if (will === null) return null;
  const { topic, payload, contentType, qos, retain, properties } = will;
  if (payload.length > payloadBytesMax) throw new PacketRefused("payload_too_large", "the will's payload");
  return { topic, message: { payload, contentType, qos, retain, expiresAtMs: 0, properties } };
}
