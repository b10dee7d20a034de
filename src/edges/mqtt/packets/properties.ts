/**
 * Properties (MQTT 5.0, 2.2.2): one table of what they are and which packet a client sends may have which, one reader that holds
 * packets to it.
 */
import { NO_PROPERTIES } from "../../../commands/command.js";
import { isWildcard } from "../../../topics/topic-name.js";
import { PacketRefused } from "../refusal.js";
import { type FieldReader, malformed, protocolError } from "./field-reader.js";
import { Reason } from "./reason-codes.js";

/** Property identifiers (2.2.2.2). */
export const Property = {
  PayloadFormatIndicator: 0x01,
  MessageExpiryInterval: 0x02,
  ContentType: 0x03,
  ResponseTopic: 0x08,
  CorrelationData: 0x09,
  SubscriptionIdentifier: 0x0b,
  SessionExpiryInterval: 0x11,
  AssignedClientIdentifier: 0x12,
  ServerKeepAlive: 0x13,
  AuthenticationMethod: 0x15,
  AuthenticationData: 0x16,
  RequestProblemInformation: 0x17,
  WillDelayInterval: 0x18,
  RequestResponseInformation: 0x19,
  ResponseInformation: 0x1a,
  ServerReference: 0x1c,
  ReasonString: 0x1f,
  ReceiveMaximum: 0x21,
  TopicAliasMaximum: 0x22,
  TopicAlias: 0x23,
  MaximumQos: 0x24,
  RetainAvailable: 0x25,
  UserProperty: 0x26,
  MaximumPacketSize: 0x27,
  WildcardSubscriptionAvailable: 0x28,
  SubscriptionIdentifierAvailable: 0x29,
  SharedSubscriptionAvailable: 0x2a,
} as const;
export type Property = (typeof Property)[keyof typeof Property];

/** "name" is a string that names something, "pair" two strings, "flag" a byte of 0 or 1. */
type Form = "flag" | "byte" | "uint16" | "uint32" | "variable" | "text" | "name" | "binary" | "pair";

const FORMS: ReadonlyMap<number, Form> = new Map<Property, Form>([
  [Property.PayloadFormatIndicator, "flag"],
  [Property.MessageExpiryInterval, "uint32"],
  [Property.ContentType, "text"],
  [Property.ResponseTopic, "name"],
  [Property.CorrelationData, "binary"],
  [Property.SubscriptionIdentifier, "variable"],
  [Property.SessionExpiryInterval, "uint32"],
  [Property.AssignedClientIdentifier, "text"],
  [Property.ServerKeepAlive, "uint16"],
  [Property.AuthenticationMethod, "text"],
  [Property.AuthenticationData, "binary"],
  [Property.RequestProblemInformation, "flag"],
  [Property.WillDelayInterval, "uint32"],
  [Property.RequestResponseInformation, "flag"],
  [Property.ResponseInformation, "text"],
  [Property.ServerReference, "text"],
  [Property.ReasonString, "text"],
  [Property.ReceiveMaximum, "uint16"],
  [Property.TopicAliasMaximum, "uint16"],
  [Property.TopicAlias, "uint16"],
  [Property.MaximumQos, "byte"],
  [Property.RetainAvailable, "byte"],
  [Property.UserProperty, "pair"],
  [Property.MaximumPacketSize, "uint32"],
  [Property.WildcardSubscriptionAvailable, "byte"],
  [Property.SubscriptionIdentifierAvailable, "byte"],
  [Property.SharedSubscriptionAvailable, "byte"],
]);

/** What goes on with a message as it came (3.3.2.3); the others are for the server, or have fields of their own. */
const FORWARDED: ReadonlySet<number> = new Set([
  Property.PayloadFormatIndicator,
  Property.ResponseTopic,
  Property.CorrelationData,
  Property.UserProperty,
]);

/** Those of which 0 means nothing: 3.1.2.11.3, 3.1.2.11.4, 3.8.2.1.2. */
const NEVER_ZERO: ReadonlySet<number> = new Set([
  Property.ReceiveMaximum,
  Property.MaximumPacketSize,
  Property.SubscriptionIdentifier,
]);

/** What a packet may have. */
export interface PropertyRules {
  readonly allowed: ReadonlySet<number>;
  /**
   * The answer to a property of another packet. The standard calls it malformed in one place (2.2.2.2) and its definition of a protocol
   * error (1.2) fits as well; clients have come to know what mosquitto answers.
   */
  readonly misplaced: Reason;
}

function rules(misplaced: Reason, ...allowed: readonly Property[]): PropertyRules {
  return { allowed: new Set<number>([...allowed, Property.UserProperty]), misplaced };
}

/** The properties of packets that clients send (2.2.2.2, table 2-4). */
export const PROPERTIES_OF = {
  connect: rules(
    Reason.ProtocolError,
    Property.SessionExpiryInterval,
    Property.AuthenticationMethod,
    Property.AuthenticationData,
    Property.RequestProblemInformation,
    Property.RequestResponseInformation,
    Property.ReceiveMaximum,
    Property.TopicAliasMaximum,
    Property.MaximumPacketSize,
  ),
  will: rules(
    Reason.ProtocolError,
    Property.PayloadFormatIndicator,
    Property.MessageExpiryInterval,
    Property.ContentType,
    Property.ResponseTopic,
    Property.CorrelationData,
    Property.WillDelayInterval,
  ),
  /** Subscription identifiers are the server's to send (MQTT-3.3.4-6). */
  publish: rules(
    Reason.ProtocolError,
    Property.PayloadFormatIndicator,
    Property.MessageExpiryInterval,
    Property.ContentType,
    Property.ResponseTopic,
    Property.CorrelationData,
    Property.TopicAlias,
  ),
  acknowledgement: rules(Reason.ProtocolError, Property.ReasonString),
  subscribe: rules(Reason.MalformedPacket, Property.SubscriptionIdentifier),
  unsubscribe: rules(Reason.MalformedPacket),
  disconnect: rules(
    Reason.ProtocolError,
    Property.SessionExpiryInterval,
    Property.ServerReference,
    Property.ReasonString,
  ),
  auth: rules(
    Reason.ProtocolError,
    Property.AuthenticationMethod,
    Property.AuthenticationData,
    Property.ReasonString,
  ),
} as const;

type Value = number | string | Buffer;

/** The properties that a packet has. */
export class Properties {
  readonly #values: ReadonlyMap<number, Value>;
  /** Those that go on with a message, as they came and in their order (MQTT-3.3.2-18): a view of the packet, unless others stood between. */
  readonly forwarded: Uint8Array;

  constructor(values: ReadonlyMap<number, Value>, forwarded: Uint8Array) {
    this.#values = values;
    this.forwarded = forwarded;
  }

  number(id: Property): number | undefined {
    const value = this.#values.get(id);
    return typeof value === "number" ? value : undefined;
  }

  text(id: Property): string | undefined {
    const value = this.#values.get(id);
    return typeof value === "string" ? value : undefined;
  }

  /** A view of the packet. */
  binary(id: Property): Buffer | undefined {
    const value = this.#values.get(id);
    return value instanceof Buffer ? value : undefined;
  }
}

/** What a packet without properties has. */
export const NO_PACKET_PROPERTIES = new Properties(new Map(), NO_PROPERTIES);

/**
 * Property length and properties. Throws `PacketRefused`: what cannot be read, and unknown identifiers (malformed, 2.2.2.2); one of another packet
 * (see `PropertyRules`); twice the same (protocol error, as each property's section says); a value that it may not have.
 */
export function readProperties(reader: FieldReader, rules: PropertyRules): Properties {
  const length = reader.variableInteger();
  if (length === 0) return NO_PACKET_PROPERTIES;
  const section = reader.section(length);
  const values = new Map<number, Value>();
  const runs = new ForwardedRuns(section);
  while (!section.isAtEnd) {
    const start = section.at;
    const id = section.variableInteger();
    const form = FORMS.get(id);
    if (form === undefined) throw malformed(`property ${id}, which there is not`);
    const value = readValue(section, form);
    if (!rules.allowed.has(id)) {
      throw refusedProperty(rules.misplaced, `property ${id}, which this packet may not have`);
    }
    if (FORWARDED.has(id)) runs.add(start, section.at);
    if (value === null) continue;
    if (values.has(id)) throw protocolError(`property ${id} twice`);
    checkValue(id, form, value);
    values.set(id, value);
  }
  return new Properties(values, runs.joined());
}

/** `null` for a pair of strings, which is judged and not kept. */
function readValue(section: FieldReader, form: Form): Value | null {
  switch (form) {
    case "flag":
    case "byte":
      return section.uint8();
    case "uint16":
      return section.uint16();
    case "uint32":
      return section.uint32();
    case "variable":
      return section.variableInteger();
    case "text":
      return section.text();
    case "name":
      return section.name();
    case "binary":
      return section.binary();
    case "pair":
      section.skipText();
      section.skipText();
      return null;
  }
}

function checkValue(id: number, form: Form, value: Value): void {
  if (form === "flag" && value !== 0 && value !== 1) throw protocolError(`property ${id} of ${value}`);
  if (value === 0 && NEVER_ZERO.has(id)) throw protocolError(`property ${id} of 0`);
  if (value === 0 && id === Property.TopicAlias) {
    throw new PacketRefused("topic_alias_invalid", "topic alias 0 (MQTT-3.3.2-8)");
  }
  // A topic name, though messages may never come to be published to it (MQTT-3.3.2-14).
  if (form === "name" && (value === "" || isWildcard(String(value)))) {
    throw protocolError("a response topic that is no topic name");
  }
}

function refusedProperty(reason: Reason, detail: string): PacketRefused {
  return reason === Reason.MalformedPacket ? malformed(detail) : protocolError(detail);
}

/** Gathers the ranges of what is forwarded; ranges that touch are one. */
class ForwardedRuns {
  readonly #section: FieldReader;
  readonly #runs: Buffer[] = [];
  #from = 0;
  #to = 0;

  constructor(section: FieldReader) {
    this.#section = section;
  }

  add(from: number, to: number): void {
    if (from !== this.#to) {
      this.#close();
      this.#from = from;
    }
    this.#to = to;
  }

  joined(): Uint8Array {
    this.#close();
    const [first, second] = this.#runs;
    if (first === undefined) return NO_PROPERTIES;
    return second === undefined ? first : Buffer.concat(this.#runs);
  }

  #close(): void {
    if (this.#to > this.#from) this.#runs.push(this.#section.view(this.#from, this.#to));
  }
}
