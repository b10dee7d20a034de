/** PINGREQ (MQTT 3.1.1, 3.12): the client is alive and asks whether the server is. */
import type { Client } from "./client.js";
import { PINGRESP } from "./packets/protocol.js";

/** Answers with PINGRESP (MQTT-3.12.4-1). */
export function handlePingreq(client: Client): void {
  client.connection.reply(PINGRESP);
}
