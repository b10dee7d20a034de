/** SUBSCRIBE and SUBACK (MQTT 3.1.1 and 5.0, 3.8 and 3.9). */
import type { SubscriptionOptions } from "../../../commands/command.js";
import { FieldReader, malformed, protocolError } from "./field-reader.js";
import { checkCount, readFilter, readHead } from "./filter-list.js";
import { PacketWriter } from "./packet-writer.js";
import { PROPERTIES_OF, Property } from "./properties.js";
import { LEVEL_3_1_1, PacketType, type ProtocolLevel } from "./protocol.js";
import { Reason } from "./reason-codes.js";

export interface SubscribePacket {
  readonly packetId: number;
  /** One a filter, in their order; `null` for a filter that is well-formed and not accepted (0x8F). */
  readonly subscriptions: readonly (SubscriptionOptions | null)[];
}

/** Subscription options (3.8.3.1). In 3.1.1 all but the QoS are reserved. */
const QOS_BITS = 0x03;
const NO_LOCAL_FLAG = 0x04;
const RETAIN_AS_PUBLISHED_FLAG = 0x08;
const RETAIN_HANDLING_SHIFT = 4;
const RESERVED_BITS = 0xc0;
const RESERVED_BITS_3_1_1 = 0xfc;

/** SUBACK's "failure" of 3.1.1 (3.9.3), which in 5.0 is an unspecified error. */
const FAILURE = Reason.UnspecifiedError;

/**
 * SUBSCRIBE. Throws `PacketRefused`: packet id 0 (MQTT-2.2.1-3), no filter (MQTT-3.8.3-2), an ill-formed filter (MQTT-4.7.1-1, 4.7.1-2, 4.7.3-1), QoS 3,
 * reserved option bits (MQTT-3.8.3-5), retain handling 3 (3.8.3.1), no local on a shared subscription (MQTT-3.8.3-4), subscription id 0
 * (3.8.2.1.2), bad properties and strings, more filters than a connection may have.
 */
export function decodeSubscribe(
  level: ProtocolLevel,
  bytes: Buffer,
  start: number,
  end: number,
): SubscribePacket {
  const reader = new FieldReader(bytes, start, end);
  const { packetId, properties } = readHead(level, reader, PROPERTIES_OF.subscribe);
  const subscriptionId = properties.number(Property.SubscriptionIdentifier) ?? 0;
  const subscriptions: (SubscriptionOptions | null)[] = [];
  while (!reader.isAtEnd) {
    const filter = readFilter(reader);
    const bits = reader.uint8();
    const options = readOptions(level, bits);
    if (filter !== null && filter.share !== "" && options.noLocal) {
      throw protocolError("no local on a shared subscription");
    }
    subscriptions.push(filter === null ? null : { ...filter, ...options, subscriptionId });
    checkCount(subscriptions.length);
  }
  return { packetId, subscriptions };
}

type Options = Pick<SubscriptionOptions, "qos" | "noLocal" | "retainAsPublished" | "retainHandling">;

function readOptions(level: ProtocolLevel, bits: number): Options {
  const reserved = level === LEVEL_3_1_1 ? RESERVED_BITS_3_1_1 : RESERVED_BITS;
  if ((bits & reserved) !== 0) throw malformed(`reserved bits in subscription options ${bits}`);
  return {
    qos: upToTwo(bits & QOS_BITS, "QoS"),
    noLocal: (bits & NO_LOCAL_FLAG) !== 0,
    retainAsPublished: (bits & RETAIN_AS_PUBLISHED_FLAG) !== 0,
    retainHandling: upToTwo((bits >> RETAIN_HANDLING_SHIFT) & 3, "retain handling"),
  };
}

function upToTwo(value: number, what: string): 0 | 1 | 2 {
  if (value !== 0 && value !== 1 && value !== 2) throw malformed(`${what} ${value}`);
  return value;
}

/** SUBACK: one code a filter, in their order (MQTT-3.8.4-6): the granted QoS or what forbids it. 3.1.1 knows one failure. */
export function encodeSuback(level: ProtocolLevel, packetId: number, codes: readonly Reason[]): Buffer {
  const writer = new PacketWriter().uint16(packetId);
  if (level !== LEVEL_3_1_1) writer.variableInteger(0);
  const said = level === LEVEL_3_1_1 ? codes.map((code) => Math.min(code, FAILURE)) : codes;
  return writer.bytes(Uint8Array.from(said)).packet(PacketType.Suback << 4);
}
