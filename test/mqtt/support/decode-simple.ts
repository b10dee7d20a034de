/** Packets that one decoder each reads whole, as the connection picks it: all but CONNECT and PUBLISH. */
import { type AckType, decodeAck } from "../../../src/edges/mqtt/packets/acknowledgement.js";
import { decodeAuth } from "../../../src/edges/mqtt/packets/auth.js";
import { decodeDisconnect } from "../../../src/edges/mqtt/packets/disconnect.js";
import { PacketType } from "../../../src/edges/mqtt/packets/protocol.js";
import { decodeSubscribe } from "../../../src/edges/mqtt/packets/subscribe.js";
import { decodeUnsubscribe } from "../../../src/edges/mqtt/packets/unsubscribe.js";

/** The body of a packet of this type lies from `start` to `end`. Throws `PacketRefused`. */
export function decodeSimple(level: 4 | 5, type: number, chunk: Buffer, start: number, end: number): unknown {
  switch (type) {
    case PacketType.Subscribe:
      return decodeSubscribe(level, chunk, start, end);
    case PacketType.Unsubscribe:
      return decodeUnsubscribe(level, chunk, start, end);
    case PacketType.Disconnect:
      return decodeDisconnect(level, chunk, start, end);
    case PacketType.Auth:
      return decodeAuth(chunk, start, end);
    case PacketType.Pingreq:
      return "pingreq";
    default:
      return decodeAck(level, type as AckType, chunk, start, end);
  }
}
