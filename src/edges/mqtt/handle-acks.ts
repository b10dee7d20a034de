/** PUBACK (MQTT 3.1.1, 3.4): the client has a QoS 1 message. */
import { uint16At } from "./bytes.js";
import type { Client } from "./client.js";
import { PacketRefused } from "./refusal.js";

/** Frees the message's place in the window. An id that is not in use is passed over; 0 is malformed (MQTT-2.3.1-1). */
export function handlePuback(client: Client, bytes: Buffer, start: number): void {
  const packetId = uint16At(bytes, start);
  if (packetId === 0) throw new PacketRefused("malformed_packet", "PUBACK with packet id 0");
  client.acknowledged(packetId);
}
