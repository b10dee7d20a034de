/** UNSUBSCRIBE (MQTT 3.1.1, 3.10). */
import { uint16At } from "./bytes.js";
import type { Client } from "./client.js";
import { decodeUnsubscribe } from "./decode.js";
import { PacketType } from "./protocol.js";

/** Takes the filters out, compared character by character (MQTT-3.10.4-1), and answers with UNSUBACK in any case (MQTT-3.10.4-5). */
export function handleUnsubscribe(client: Client, bytes: Buffer, start: number, end: number): void {
  const { unsubscriptions } = decodeUnsubscribe(bytes, start, end);
  client.subscriptions.remove(unsubscriptions);
  const packetId = uint16At(bytes, start);
  client.connection.reply(Buffer.from([PacketType.Unsuback << 4, 2, packetId >> 8, packetId & 255]));
}
