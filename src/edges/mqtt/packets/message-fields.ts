/** The properties that a message has in common in PUBLISH and in a will (MQTT 5.0, 3.3.2.3 and 3.1.3.2). */
import { isUtf8 } from "node:buffer";
import { limits } from "../../../limits.js";
import { PacketRefused } from "../refusal.js";
import { type Properties, Property } from "./properties.js";

export interface MessageFields {
  /** "" for none. */
  readonly contentType: string;
  /** Message Expiry Interval; `null` for none. */
  readonly expirySeconds: number | null;
  /** As in `OutgoingMessage`; may be a view of the packet. */
  readonly properties: Uint8Array;
}

/** Throws `PacketRefused` `properties_too_large` past our ceilings. */
export function readMessageFields(found: Properties): MessageFields {
  const contentType = found.text(Property.ContentType) ?? "";
  if (Buffer.byteLength(contentType) > limits.contentTypeBytesMax) {
    throw new PacketRefused("properties_too_large", "a content type that is too long");
  }
  if (found.forwarded.length > limits.messagePropertiesBytesMax) {
    throw new PacketRefused("properties_too_large", `${found.forwarded.length} bytes of properties`);
  }
  const expirySeconds = found.number(Property.MessageExpiryInterval) ?? null;
  return { contentType, expirySeconds, properties: found.forwarded };
}

/** Whether the payload is said to be UTF-8 and is not (3.3.2.3.2). NUL is a character like others there. */
export function hasFormatError(found: Properties, payload: Uint8Array): boolean {
  return found.number(Property.PayloadFormatIndicator) === 1 && !isUtf8(payload);
}
