/** Every packet of a client but PUBLISH finds its handler here. */
import type { Client } from "../client.js";
import { PacketType, PINGRESP } from "../packets/protocol.js";
import { PacketRefused } from "../refusal.js";
import { handlePuback, handlePubcomp, handlePubrec, handlePubrel } from "./handle-acks.js";
import { handleAuth } from "./handle-auth.js";
import { handleDisconnect } from "./handle-disconnect.js";
import { handleSubscribe } from "./handle-subscribe.js";
import { handleUnsubscribe } from "./handle-unsubscribe.js";

/** Throws `PacketRefused` as the handlers do, and for a second CONNECT (MQTT-3.1.0-2). */
export function handlePacket(client: Client, type: number, bytes: Buffer, start: number, end: number): void {
  switch (type) {
    case PacketType.Puback:
      handlePuback(client, bytes, start, end);
      break;
    case PacketType.Pubrec:
      handlePubrec(client, bytes, start, end);
      break;
    case PacketType.Pubrel:
      handlePubrel(client, bytes, start, end);
      break;
    case PacketType.Pubcomp:
      handlePubcomp(client, bytes, start, end);
      break;
    case PacketType.Subscribe:
      handleSubscribe(client, bytes, start, end);
      break;
    case PacketType.Unsubscribe:
      handleUnsubscribe(client, bytes, start, end);
      break;
    case PacketType.Pingreq:
      // MQTT-3.12.4-1
      client.connection.reply(PINGRESP);
      break;
    case PacketType.Disconnect:
      handleDisconnect(client, bytes, start, end);
      break;
    case PacketType.Auth:
      handleAuth(client, bytes, start, end);
      break;
    default:
      throw new PacketRefused("protocol_violation", "a second CONNECT (MQTT-3.1.0-2)");
  }
}
