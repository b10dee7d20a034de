/** AUTH (MQTT 5.0, 3.15): the steps of an enhanced authentication (4.12). */
import { FieldReader, malformed, protocolError } from "./field-reader.js";
import { PacketWriter } from "./packet-writer.js";
import { PROPERTIES_OF, Property, readProperties } from "./properties.js";
import { PacketType } from "./protocol.js";
import { ALLOWED_REASONS, type Reason } from "./reason-codes.js";

export interface AuthPacket {
  /** 0x18 (it goes on) or 0x19 (once more, from the beginning). */
  readonly reason: number;
  readonly method: string;
  /** A copy; `null` for none. */
  readonly data: Uint8Array | null;
}

/** Throws `PacketRefused`: a reason that clients do not have (MQTT-3.15.2-1), no method (3.15.2.2.2), bad properties. */
export function decodeAuth(bytes: Buffer, start: number, end: number): AuthPacket {
  if (start === end) throw protocolError("AUTH of success, which servers send");
  const reader = new FieldReader(bytes, start, end);
  const reason = reader.uint8();
  if (!ALLOWED_REASONS.clientAuth.has(reason)) throw protocolError(`AUTH with reason ${reason}`);
  const properties = readProperties(reader, PROPERTIES_OF.auth);
  if (!reader.isAtEnd) throw malformed("AUTH with bytes after its properties");
  const method = properties.text(Property.AuthenticationMethod);
  if (method === undefined) throw protocolError("AUTH without a method");
  const data = properties.binary(Property.AuthenticationData);
  return { reason, method, data: data === undefined ? null : Buffer.from(data) };
}

/** AUTH from the server: 0x18 or 0x00. */
export function encodeAuth(reason: Reason, method: string, data: Uint8Array | null): Buffer {
  const properties = new PacketWriter().uint8(Property.AuthenticationMethod).text(method);
  if (data !== null) properties.uint8(Property.AuthenticationData).binary(data);
  return new PacketWriter()
    .uint8(reason)
    .section(properties)
    .packet(PacketType.Auth << 4);
}
