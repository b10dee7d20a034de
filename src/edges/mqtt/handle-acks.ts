/** PUBACK (MQTT 3.1.1, 3.4): the client has a QoS 1 message. */
import type { Client } from "./client.js";
import { decodeAck } from "./packets/acknowledgement.js";
import { LEVEL_3_1_1, PacketType } from "./packets/protocol.js";

/** Frees the message's place in the window. An id that is not in use is passed over. */
export function handlePuback(client: Client, bytes: Buffer, start: number, end: number): void {
  client.acknowledged(decodeAck(LEVEL_3_1_1, PacketType.Puback, bytes, start, end).packetId);
}
