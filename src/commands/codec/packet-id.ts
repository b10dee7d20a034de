/** Packet identifiers in commands: 16 bits and never 0 (MQTT 5.0, 2.2.1), checked going out so that nobody has to refuse them coming in. */
import { FatalError } from "../../errors.js";
import type { ByteReader } from "./byte-reader.js";
import type { ByteWriter } from "./byte-writer.js";

const PACKET_ID_MAX = 0xffff;

/** Throws `FatalError` `invalid_command` for what is no packet identifier. */
export function writePacketId(writer: ByteWriter, packetId: number): void {
  if (!isPacketId(packetId)) throw new FatalError("invalid_command", `not a packet identifier: ${packetId}`);
  writer.varint(packetId);
}

export function readPacketId(reader: ByteReader): number {
  const packetId = reader.varint();
  if (!isPacketId(packetId)) throw reader.malformed("no packet identifier");
  return packetId;
}

function isPacketId(value: number): boolean {
  return Number.isInteger(value) && value > 0 && value <= PACKET_ID_MAX;
}
