/** DISCONNECT (MQTT 3.1.1, 3.14): the client says goodbye. */
import type { Client } from "./client.js";

/** Discards the will (MQTT-3.14.4-3) and closes the connection. */
export function handleDisconnect(client: Client): void {
  client.forgetWill();
  client.connection.close();
}
