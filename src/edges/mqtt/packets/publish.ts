/**
 * PUBLISH as clients send it (MQTT 3.1.1 and 5.0, 3.3), by hand and without copies: this is the path that every message takes.
 */
import { NO_PROPERTIES } from "../../../commands/command.js";
import { byteAt, uint16At } from "../bytes.js";
import { FieldReader, malformed, protocolError } from "./field-reader.js";
import { hasFormatError, readMessageFields } from "./message-fields.js";
import { PROPERTIES_OF, Property, readProperties } from "./properties.js";
import { LEVEL_3_1_1, type ProtocolLevel, qosBits } from "./protocol.js";

/** Views and ranges of the received bytes: good until the handler returns. */
export interface PublishPacket {
  readonly qos: 0 | 1 | 2;
  readonly isDup: boolean;
  readonly retain: boolean;
  /** 0 at QoS 0. */
  readonly packetId: number;
  /** The topic name is `bytes[topicStart, topicEnd)`: for `TopicCache`. Empty when the alias stands for it. */
  readonly topicStart: number;
  readonly topicEnd: number;
  /** 0 for none. Topic Alias Maximum is the caller's to hold. */
  readonly topicAlias: number;
  readonly payload: Buffer;
  /** "" for none. */
  readonly contentType: string;
  /** Message Expiry Interval; `null` for none. */
  readonly expirySeconds: number | null;
  /** As in `OutgoingMessage`: a view, unless other properties stood between. */
  readonly properties: Uint8Array;
  /** The payload is said to be UTF-8 and is not: PUBACK, PUBREC or DISCONNECT say 0x99 (3.3.2.3.2). */
  readonly hasFormatError: boolean;
}

const DUP_FLAG = 8;
const RETAIN_FLAG = 1;

/**
 * A PUBLISH whose fixed header was found good. Throws `PacketRefused`: cut short, packet id 0 (MQTT-2.2.1-3), neither topic nor alias
 * (3.3.2.3.4), properties that it may not have. The topic name is not judged.
 */
export function readPublish(
  level: ProtocolLevel,
  first: number,
  bytes: Buffer,
  start: number,
  end: number,
): PublishPacket {
  const bits = qosBits(first);
  const qos = bits === 2 ? 2 : bits === 1 ? 1 : 0;
  const topicStart = start + 2;
  const topicEnd = topicStart + uint16At(bytes, start);
  const bodyStart = qos === 0 ? topicEnd : topicEnd + 2;
  if (topicStart > end || bodyStart > end) throw malformed("PUBLISH is cut short");
  const packetId = qos === 0 ? 0 : uint16At(bytes, topicEnd);
  if (qos > 0 && packetId === 0) throw protocolError("PUBLISH with packet id 0");
  const isDup = (first & DUP_FLAG) !== 0;
  const retain = (first & RETAIN_FLAG) !== 0;
  let payloadStart = bodyStart;
  if (level !== LEVEL_3_1_1) {
    if (bodyStart === end) throw malformed("PUBLISH without a property length");
    if (byteAt(bytes, bodyStart) !== 0) {
      const head = { qos, isDup, retain, packetId, topicStart, topicEnd } as const;
      return withProperties(head, bytes, bodyStart, end);
    }
    if (topicStart === topicEnd) throw protocolError("PUBLISH with neither topic nor alias");
    payloadStart += 1;
  }
  return {
    qos,
    isDup,
    retain,
    packetId,
    topicStart,
    topicEnd,
    topicAlias: 0,
    payload: bytes.subarray(payloadStart, end),
    contentType: "",
    expirySeconds: null,
    properties: NO_PROPERTIES,
    hasFormatError: false,
  };
}

/** What comes before the properties. */
type Head = Pick<PublishPacket, "qos" | "isDup" | "retain" | "packetId" | "topicStart" | "topicEnd">;

function withProperties(head: Head, bytes: Buffer, start: number, end: number): PublishPacket {
  const { qos, isDup, retain, packetId, topicStart, topicEnd } = head;
  const reader = new FieldReader(bytes, start, end);
  const found = readProperties(reader, PROPERTIES_OF.publish);
  const topicAlias = found.number(Property.TopicAlias) ?? 0;
  if (topicAlias === 0 && topicStart === topicEnd) {
    throw protocolError("PUBLISH with neither topic nor alias");
  }
  const payload = bytes.subarray(reader.at, end);
  const { contentType, expirySeconds, properties } = readMessageFields(found);
  return {
    qos,
    isDup,
    retain,
    packetId,
    topicStart,
    topicEnd,
    topicAlias,
    payload,
    contentType,
    expirySeconds,
    properties,
    hasFormatError: hasFormatError(found, payload),
  };
}
