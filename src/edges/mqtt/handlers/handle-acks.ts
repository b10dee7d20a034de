/**
 * PUBACK, PUBREC, PUBREL and PUBCOMP of a client (MQTT 3.1.1 and 5.0, 3.4 to 3.7): the client has what it was sent, or lets go of an
 * identifier that it used itself.
 */
import type { Client } from "../client.js";
import { decodeAck, encodeAck } from "../packets/acknowledgement.js";
import { PacketType } from "../packets/protocol.js";
import { Reason } from "../packets/reason-codes.js";

/** The client has a QoS 1 message. One that is not waited for is passed over. */
export function handlePuback(client: Client, bytes: Buffer, start: number, end: number): void {
  const { packetId, reason } = decodeAck(client.level, PacketType.Puback, bytes, start, end);
  client.delivery.puback(packetId, reason);
  client.pumpSoon();
}

/** The client has a QoS 2 message. One that is not waited for is let go of all the same, with 0x92 in 5.0 (3.6.2.1). */
export function handlePubrec(client: Client, bytes: Buffer, start: number, end: number): void {
  const { packetId, reason } = decodeAck(client.level, PacketType.Pubrec, bytes, start, end);
  client.delivery.pubrec(packetId, reason);
  client.pumpSoon();
}

/** The exchange of a QoS 2 message is over. */
export function handlePubcomp(client: Client, bytes: Buffer, start: number, end: number): void {
  const { packetId, reason } = decodeAck(client.level, PacketType.Pubcomp, bytes, start, end);
  client.delivery.pubcomp(packetId, reason);
  client.pumpSoon();
}

/**
 * The client lets go of an identifier of its own (MQTT-4.3.3-10 to 4.3.3-12). For a session that is kept the group has to forget it before
 * PUBCOMP says so. One that is not known gets 0x92 in 5.0, unless the client goes on with a session that was there before: it repeats what it
 * has no answer to, and is right to (3.7.2.1).
 */
export function handlePubrel(client: Client, bytes: Buffer, start: number, end: number): void {
  const { level, session, receipts, publishes, connection } = client;
  const { broker } = client.context;
  const { packetId } = decodeAck(level, PacketType.Pubrel, bytes, start, end);
  const { number, epoch, isKept, wasPresent } = session;
  const isKnown = receipts.has(packetId) || client.hasReceived(packetId);
  if (isKept && isKnown) {
    const settle = publishes.open(PacketType.Pubcomp, packetId, 0);
    broker.submit({ kind: "release", session: number, epoch, packetId }, (result) => {
      receipts.delete(packetId);
      settle(result);
    });
    return;
  }
  receipts.delete(packetId);
  const reason = isKnown || wasPresent ? Reason.Success : Reason.PacketIdentifierNotFound;
  connection.reply(encodeAck(level, PacketType.Pubcomp, packetId, reason));
}
