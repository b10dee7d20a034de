/**
 * The reason codes of MQTT 5.0 under the names that it gives them (2.4), and which of them each packet may carry.
 */

export const Reason = {
  Success: 0x00,
  GrantedQos1: 0x01,
  GrantedQos2: 0x02,
  DisconnectWithWillMessage: 0x04,
  NoMatchingSubscribers: 0x10,
  NoSubscriptionExisted: 0x11,
  ContinueAuthentication: 0x18,
  ReAuthenticate: 0x19,
  UnspecifiedError: 0x80,
  MalformedPacket: 0x81,
  ProtocolError: 0x82,
  ImplementationSpecificError: 0x83,
  UnsupportedProtocolVersion: 0x84,
  ClientIdentifierNotValid: 0x85,
  BadUserNameOrPassword: 0x86,
  NotAuthorized: 0x87,
  ServerUnavailable: 0x88,
  ServerBusy: 0x89,
  Banned: 0x8a,
  ServerShuttingDown: 0x8b,
  BadAuthenticationMethod: 0x8c,
  KeepAliveTimeout: 0x8d,
  SessionTakenOver: 0x8e,
  TopicFilterInvalid: 0x8f,
  TopicNameInvalid: 0x90,
  PacketIdentifierInUse: 0x91,
  PacketIdentifierNotFound: 0x92,
  ReceiveMaximumExceeded: 0x93,
  TopicAliasInvalid: 0x94,
  PacketTooLarge: 0x95,
  MessageRateTooHigh: 0x96,
  QuotaExceeded: 0x97,
  AdministrativeAction: 0x98,
  PayloadFormatInvalid: 0x99,
  RetainNotSupported: 0x9a,
  QosNotSupported: 0x9b,
  UseAnotherServer: 0x9c,
  ServerMoved: 0x9d,
  SharedSubscriptionsNotSupported: 0x9e,
  ConnectionRateExceeded: 0x9f,
  MaximumConnectTime: 0xa0,
  SubscriptionIdentifiersNotSupported: 0xa1,
  WildcardSubscriptionsNotSupported: 0xa2,
} as const;
export type Reason = (typeof Reason)[keyof typeof Reason];

const PUBLISH_ANSWERS: readonly Reason[] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASE_ANSWERS: readonly Reason[] = [0x00, 0x92];

/** Which codes a packet may carry, by packet; DISCONNECT and AUTH by who sends them. */
export const ALLOWED_REASONS = {
  /** 3.2.2.2 */
  connack: new Set<number>([
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
    0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
  ]),
  /** 3.4.2.1 and 3.5.2.1 */
  puback: new Set<number>(PUBLISH_ANSWERS),
  pubrec: new Set<number>(PUBLISH_ANSWERS),
  /** 3.6.2.1 and 3.7.2.1 */
  pubrel: new Set<number>(RELEASE_ANSWERS),
  pubcomp: new Set<number>(RELEASE_ANSWERS),
  /** 3.9.3 */
  suback: new Set<number>([0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]),
  /** 3.11.3 */
  unsuback: new Set<number>([0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]),
  /** 3.14.2.1, sent by the server */
  disconnect: new Set<number>([
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
  ]),
  /** 3.14.2.1, sent by the client */
  clientDisconnect: new Set<number>([
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
  ]),
  /** 3.15.2.1, sent by the server */
  auth: new Set<number>([0x00, 0x18]),
  /** 3.15.2.1, sent by the client */
  clientAuth: new Set<number>([0x18, 0x19]),
} as const satisfies Record<string, ReadonlySet<number>>;

/** A packet that carries a reason code. */
export type ReasonedPacket = keyof typeof ALLOWED_REASONS;
