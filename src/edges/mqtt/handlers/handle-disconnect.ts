/** DISCONNECT (MQTT 3.1.1 and 5.0, 3.14): the client says goodbye. */
import type { Client } from "../client.js";
import { decodeDisconnect } from "../packets/disconnect.js";
import { Reason } from "../packets/reason-codes.js";
import { PacketRefused } from "../refusal.js";

/**
 * Closes the connection; with 0x00 the will is forgotten (MQTT-3.14.4-3). Throws `PacketRefused`: a session that was to end with its connection
 * cannot be kept afterwards (3.14.2.2.2).
 */
export function handleDisconnect(client: Client, bytes: Buffer, start: number, end: number): void {
  const { reason, expirySeconds } = decodeDisconnect(client.level, bytes, start, end);
  if (expirySeconds !== null && expirySeconds > 0 && client.connect.expirySeconds === 0) {
    throw new PacketRefused("protocol_violation", "DISCONNECT keeps a session that was to end (3.14.2.2.2)");
  }
  const { sessionExpirySecondsMax } = client.context;
  const granted = expirySeconds === null ? null : Math.min(expirySeconds, sessionExpirySecondsMax);
  client.leave(reason !== Reason.Success, granted);
}
