/** UNSUBSCRIBE (MQTT 3.1.1, 3.10). */
import type { Client } from "./client.js";
import { LEVEL_3_1_1 } from "./packets/protocol.js";
import { decodeUnsubscribe, encodeUnsuback } from "./packets/unsubscribe.js";

/** Takes the filters out, compared character by character (MQTT-3.10.4-1), and answers with UNSUBACK in any case (MQTT-3.10.4-5). */
export function handleUnsubscribe(client: Client, bytes: Buffer, start: number, end: number): void {
  const { packetId, filters } = decodeUnsubscribe(LEVEL_3_1_1, bytes, start, end);
  client.subscriptions.remove(filters.flatMap((one) => (one === null ? [] : [one.filter])));
  client.connection.reply(encodeUnsuback(LEVEL_3_1_1, packetId, []));
}
