/** CONNECT (MQTT 3.1.1 and 5.0, 3.1): who is there and what it wants. */
import { isUtf8 } from "node:buffer";
import { SESSION_NEVER_EXPIRES, type Will } from "../../../commands/command.js";
import { limits } from "../../../limits.js";
import { isPrintable, isTopicName } from "../../../topics/topic-name.js";
import { byteAt, uint16At } from "../bytes.js";
import { PacketRefused } from "../refusal.js";
import { FieldReader, malformed, protocolError } from "./field-reader.js";
import { hasFormatError, readMessageFields } from "./message-fields.js";
import {
  NO_PACKET_PROPERTIES,
  PROPERTIES_OF,
  type Properties,
  Property,
  readProperties,
} from "./properties.js";
import { LEVEL_3_1_1, LEVEL_5, type ProtocolLevel } from "./protocol.js";
import { Reason } from "./reason-codes.js";

/** What a client says of itself. Nothing in it is a view of the packet. */
export interface ConnectPacket {
  readonly level: ProtocolLevel;
  /** "" when the server has to assign one (MQTT-3.1.3-6). */
  readonly clientId: string;
  readonly cleanStart: boolean;
  readonly keepAliveSeconds: number;
  /** 3.1.1: 0 with a clean session, else for ever. */
  readonly expirySeconds: number;
  /** How many publishes of QoS 1 and 2 may be on their way to it. */
  readonly receiveMax: number;
  /** The longest packet that it takes; Infinity when it does not say. */
  readonly packetBytesMax: number;
  /** 0 for no aliases. */
  readonly topicAliasMax: number;
  readonly wantsResponseInformation: boolean;
  /** Whether reason strings and user properties may come with every packet (3.1.2.11.7). */
  readonly wantsProblemInformation: boolean;
  readonly authMethod: string | null;
  readonly authData: Uint8Array | null;
  readonly userName: string | null;
  readonly password: Uint8Array | null;
  readonly will: Will | null;
}

/** Connect flags (3.1.2.3). */
const RESERVED_FLAG = 0x01;
const CLEAN_START_FLAG = 0x02;
const WILL_FLAG = 0x04;
const WILL_QOS_SHIFT = 3;
const WILL_RETAIN_FLAG = 0x20;
const PASSWORD_FLAG = 0x40;
const USER_NAME_FLAG = 0x80;
/** All that says something of the will. */
const WILL_FLAGS = 0x3c;

const BRIDGE_BIT = 0x80;

const PROTOCOL_NAME = "MQTT";
/** The name that MQTT 3.1 had. */
const PROTOCOL_NAME_3_1 = "MQIsdp";

/** What a client that says nothing takes (3.1.2.11.3). */
const RECEIVE_MAX_DEFAULT = 0xffff;

/**
 * The level that a CONNECT asks for: one that is served, or that of a version before 3.1.1, or one that is unknown. Throws `PacketRefused` for
 * another protocol (MQTT-3.1.2-1): there is no form to answer it in.
 */
export function readLevel(bytes: Buffer, start: number, end: number): ProtocolLevel | "older" | "unknown" {
  const nameEnd = start + 2 + uint16At(bytes, start);
  if (start + 2 > end || nameEnd >= end) {
    throw new PacketRefused("malformed_packet", "CONNECT is cut short", null);
  }
  const name = bytes.toString("latin1", start + 2, nameEnd);
  if (name === PROTOCOL_NAME_3_1) return "older";
  if (name !== PROTOCOL_NAME) {
    throw new PacketRefused("protocol_violation", "CONNECT of another protocol", null);
  }
  const level = byteAt(bytes, nameEnd);
  if (level === LEVEL_3_1_1 || level === LEVEL_5) return level;
  // Some bridges mark themselves with the highest bit.
  return (level & ~BRIDGE_BIT) <= LEVEL_3_1_1 ? "older" : "unknown";
}

/**
 * A CONNECT whose level was read. Throws `PacketRefused`: the reserved flag (MQTT-3.1.2-3), flags of a will without one (MQTT-3.1.2-11), will
 * QoS 3 (MQTT-3.1.2-12), in 3.1.1 a password without user name (MQTT-3.1.2-22), a client id that is not accepted, a will that could never be
 * published, authentication data without a method (3.1.2.11.10), bad properties and strings, bytes left over.
 */
export function decodeConnect(
  level: ProtocolLevel,
  bytes: Buffer,
  start: number,
  end: number,
): ConnectPacket {
  const reader = new FieldReader(bytes, start, end);
  reader.section(reader.uint16() + 1);
  const flags = reader.uint8();
  checkFlags(level, flags);
  const keepAliveSeconds = reader.uint16();
  const properties = level === LEVEL_5 ? readProperties(reader, PROPERTIES_OF.connect) : NO_PACKET_PROPERTIES;
  const cleanStart = (flags & CLEAN_START_FLAG) !== 0;
  const clientId = readClientId(level, reader, cleanStart);
  const will = (flags & WILL_FLAG) === 0 ? null : readWill(level, reader, flags);
  const userName = (flags & USER_NAME_FLAG) === 0 ? null : reader.name();
  const password = (flags & PASSWORD_FLAG) === 0 ? null : Buffer.from(reader.binary());
  if (!reader.isAtEnd) throw malformed("CONNECT with bytes after its last field");
  return {
    level,
    clientId,
    cleanStart,
    keepAliveSeconds,
    ...wishes(level, cleanStart, properties),
    userName,
    password,
    will,
  };
}

function checkFlags(level: ProtocolLevel, flags: number): void {
  if ((flags & RESERVED_FLAG) !== 0) throw malformed("CONNECT with its reserved flag set");
  if ((flags & WILL_FLAG) === 0 && (flags & WILL_FLAGS) !== 0) {
    throw malformed("CONNECT with flags of a will and none");
  }
  if (willQos(flags) === 3) throw malformed("CONNECT with will QoS 3");
  const isNameless = (flags & PASSWORD_FLAG) !== 0 && (flags & USER_NAME_FLAG) === 0;
  if (level === LEVEL_3_1_1 && isNameless) throw malformed("CONNECT with a password and no user name");
}

function willQos(flags: number): number {
  return (flags >> WILL_QOS_SHIFT) & 3;
}

/** An id that is missing, too long, or no name. */
function readClientId(level: ProtocolLevel, reader: FieldReader, cleanStart: boolean): string {
  const bytes = reader.binary();
  if (!isUtf8(bytes) || bytes.includes(0)) {
    const reason = level === LEVEL_5 ? Reason.ClientIdentifierNotValid : Reason.MalformedPacket;
    throw new PacketRefused("malformed_packet", "a client id that is not UTF-8 or has NUL", reason);
  }
  const id = bytes.toString("utf8");
  if (bytes.length > limits.clientIdBytesMax || !isPrintable(id)) {
    throw new PacketRefused("identifier_rejected", "a client id that is too long or unprintable");
  }
  if (id === "" && level === LEVEL_3_1_1 && !cleanStart) {
    throw new PacketRefused("identifier_rejected", "no client id without a clean session (MQTT-3.1.3-8)");
  }
  return id;
}

/** Will properties, topic and payload (3.1.3.2 to 3.1.3.4). The payload's ceiling is the caller's to hold. */
function readWill(level: ProtocolLevel, reader: FieldReader, flags: number): Will {
  const found = level === LEVEL_5 ? readProperties(reader, PROPERTIES_OF.will) : NO_PACKET_PROPERTIES;
  const { contentType, expirySeconds, properties } = readMessageFields(found);
  const topic = reader.name();
  if (!isTopicName(topic)) throw new PacketRefused("invalid_topic", "the will's topic is not a topic name");
  const payload = Buffer.from(reader.binary());
  const qos = willQos(flags);
  const will = {
    topic,
    payload,
    contentType,
    qos: qos === 2 ? 2 : qos === 1 ? 1 : 0,
    retain: (flags & WILL_RETAIN_FLAG) !== 0,
    properties: Uint8Array.from(properties),
    // No expiry is written as 0; the shortest there is comes next.
    expirySeconds: expirySeconds === null ? 0 : Math.max(expirySeconds, 1),
    delaySeconds: found.number(Property.WillDelayInterval) ?? 0,
  } as const;
  if (hasFormatError(found, payload)) {
    throw new PacketRefused("payload_format_invalid", "a will's payload that is said to be UTF-8 and is not");
  }
  return will;
}

/** What the properties say (3.1.2.11), or what 3.1.1 means without them. */
function wishes(level: ProtocolLevel, cleanStart: boolean, properties: Properties) {
  const authMethod = properties.text(Property.AuthenticationMethod) ?? null;
  const authData = properties.binary(Property.AuthenticationData);
  if (authMethod === null && authData !== undefined) {
    throw protocolError("authentication data without a method");
  }
  const keepsSession = level === LEVEL_3_1_1 && !cleanStart;
  return {
    expirySeconds: keepsSession
      ? SESSION_NEVER_EXPIRES
      : (properties.number(Property.SessionExpiryInterval) ?? 0),
    receiveMax: properties.number(Property.ReceiveMaximum) ?? RECEIVE_MAX_DEFAULT,
    packetBytesMax: properties.number(Property.MaximumPacketSize) ?? Number.POSITIVE_INFINITY,
    topicAliasMax: properties.number(Property.TopicAliasMaximum) ?? 0,
    wantsResponseInformation: properties.number(Property.RequestResponseInformation) === 1,
    wantsProblemInformation: properties.number(Property.RequestProblemInformation) !== 0,
    authMethod,
    authData: authData === undefined ? null : Buffer.from(authData),
  };
}
