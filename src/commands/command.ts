/**
 * The replicated commands: the only things that change state. Small frozen values, one discriminating field.
 * They travel in an envelope that says who proposed them, so that a retry is applied once.
 */

/** What a publisher gives for one message. Times are milliseconds since 1970. */
export interface OutgoingMessage {
  /** The payload, byte for byte. */
  readonly payload: Uint8Array;
  /** Media type, "" when the publisher gave none. */
  readonly contentType: string;
  /** QoS that subscribers see at most. */
  readonly qos: 0 | 1 | 2;
  /** Becomes the topic's retained message; an empty payload deletes it (MQTT 3.1.1, 3.3.1.3). */
  readonly retain: boolean;
  /** Not delivered at or after this time; 0 for never. */
  readonly expiresAtMs: number;
  /**
   * The MQTT 5 properties that travel with a message, as they stand in a packet (MQTT 5.0, 2.2.2) without their length: payload format
   * indicator, response topic, correlation data, user properties in their order. Content type and expiry have fields of their own. Empty for none.
   */
  readonly properties: Uint8Array;
}

/** What a message without MQTT 5 properties has. */
export const NO_PROPERTIES: Uint8Array = new Uint8Array(0);

/** How long a topic keeps its messages; a missing field means the node's default. 0 bytes or ms is not allowed. */
export interface Retention {
  readonly ageMs?: number | undefined;
  readonly bytes?: number | undefined;
}

/** Appends messages to a topic, all of them or none. */
export interface PublishCommand {
  readonly kind: "publish";
  readonly topic: string;
  /** At least one. */
  readonly messages: readonly OutgoingMessage[];
  /** Whether a missing topic is made. */
  readonly autoCreate: boolean;
  /** With a key, a repeat of the same request gives the first answer. `digest` is a hash of the request (hex). */
  readonly idempotency: { readonly key: string; readonly digest: string } | null;
  /** Number of the session that publishes, for No Local (MQTT 5.0, 3.8.3.1); 0 for who has none. */
  readonly publisher: number;
  /**
   * QoS 2 of a kept session: appended unless the session has this packet identifier already, which is then remembered until
   * `release` (MQTT 5.0, 4.3.3, method B). Refused (`session_displaced`) when `epoch` is not the session's present one. `null` for all else.
   */
  readonly receipt: { readonly epoch: number; readonly packetId: number } | null;
}

export interface CreateTopicCommand {
  readonly kind: "create-topic";
  readonly topic: string;
  readonly retention: Retention;
  /** True: an existing topic is fine and stays as it is (a subscription makes its topic). */
  readonly ifMissing: boolean;
}

/** Replaces the given retention fields; `null` goes back to the node's default. */
export interface UpdateTopicCommand {
  readonly kind: "update-topic";
  readonly topic: string;
  readonly retention: {
    readonly ageMs?: number | null | undefined;
    readonly bytes?: number | null | undefined;
  };
}

export interface DeleteTopicCommand {
  readonly kind: "delete-topic";
  readonly topic: string;
}

/** Gives the stream its identity; the first one counts, later ones change nothing. */
export interface GenesisCommand {
  readonly kind: "genesis";
  /** Four characters of [a-z0-9], part of every event id. */
  readonly streamTag: string;
}

/** Outlives its connection for ever: Session Expiry Interval 0xFFFFFFFF (MQTT 5.0, 3.1.2.11.2), Clean Session 0 of 3.1.1. */
export const SESSION_NEVER_EXPIRES = 0xffff_ffff;

/** What is published for a client that went without a word (MQTT 5.0, 3.1.2.5). */
export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly contentType: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** As in `OutgoingMessage`. */
  readonly properties: Uint8Array;
  /** Message expiry from the moment it is published, seconds; 0 for never. */
  readonly expirySeconds: number;
  /** How long after the end of the connection it is published (3.1.3.2.2); the end of the session comes before that. */
  readonly delaySeconds: number;
}

/** A topic filter as a session holds it (MQTT 5.0, 3.8.3). */
export interface SubscriptionOptions {
  /** Without `$share/name/`. */
  readonly filter: string;
  /** Name of the share; "" for a subscription of its own. */
  readonly share: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** 0 send retained messages, 1 only if the subscription is new, 2 never (3.8.3.1). */
  readonly retainHandling: 0 | 1 | 2;
  /** 0 for none. */
  readonly subscriptionId: number;
}

/**
 * A client connects: takes over the session of its id or makes one (MQTT 5.0, 3.1.2.4). The envelope's origin and incarnation
 * become its owner. The connection before, wherever it is, is displaced; its will is published as 3.1.2.5 says.
 */
export interface OpenSessionCommand {
  readonly kind: "open-session";
  readonly clientId: string;
  /** An existing session is ended first (3.1.2.4). */
  readonly cleanStart: boolean;
  /** How long it outlives its connection: 0 for not at all, `SESSION_NEVER_EXPIRES`. */
  readonly expirySeconds: number;
  readonly will: Will | null;
}

/** Whose connection speaks. A command with an epoch that is not the session's present one does nothing (`session_displaced`). */
interface OfSession {
  readonly session: number;
  readonly epoch: number;
}

/** The connection has ended. */
export interface CloseSessionCommand extends OfSession {
  readonly kind: "close-session";
  /** False after DISCONNECT with reason 0x00: the will is forgotten (3.1.2.5). */
  readonly withWill: boolean;
  /** From DISCONNECT; `null` leaves it as it is. */
  readonly expirySeconds: number | null;
  /**
   * Up to here the client was sent what it was to get of the live stream at this connection; 0 for nothing. What is above it was not sent, of whatever
   * QoS.
   */
  readonly sentThrough: number;
}

/** An operator's doing: disconnects the client if it is connected; with `forget` the session ends too. The will is published. */
export interface DisplaceSessionCommand {
  readonly kind: "displace-session";
  readonly clientId: string;
  readonly forget: boolean;
}

/** Adds or replaces subscriptions of a kept session, or shared ones of any session. They match what comes after this command. */
export interface SubscribeCommand extends OfSession {
  readonly kind: "subscribe";
  readonly subscriptions: readonly SubscriptionOptions[];
}

export interface UnsubscribeCommand extends OfSession {
  readonly kind: "unsubscribe";
  readonly filters: readonly { readonly filter: string; readonly share: string }[];
}

/** PUBREL of a kept session: the packet identifier may be used for another message (MQTT 5.0, 4.3.3). */
export interface ReleaseCommand extends OfSession {
  readonly kind: "release";
  readonly packetId: number;
}

/** How far one session has come in one of its sources. What is received and done are deliveries of QoS 1 and 2. */
export interface SessionProgress extends OfSession {
  /** 0: the live stream. Else the number of a retained pass or of a share that the session is a member of. */
  readonly source: number;
  /** Everything of the source up to here is dealt with; a pass is over at its `asOf`. 0: no news (and always for a share). */
  readonly through: number;
  /** Highest position sent or passed over, of whatever QoS; 0: no news. */
  readonly sentThrough: number;
  /** Above `through`: PUBREC came (only PUBREL is sent from now on), in any order. */
  readonly received: readonly number[];
  /** Above `through`: PUBACK or PUBCOMP came, or never to be sent. */
  readonly done: readonly number[];
}

/** What clients of one node acknowledged, gathered. Entries of displaced epochs are passed over. */
export interface ProgressCommand {
  readonly kind: "progress";
  readonly entries: readonly SessionProgress[];
}

/** The envelope's origin has started: connections of its earlier incarnations are gone. */
export interface NodeUpCommand {
  readonly kind: "node-up";
  /** `host:port` where its MQTT clients go, for Server Reference; "" when it does not say. */
  readonly mqtt: string;
}

/** The group has not heard of a node for long: its connections count as lost. It may prove otherwise with its next command. */
export interface NodeDownCommand {
  readonly kind: "node-down";
  readonly node: string;
  readonly incarnation: number;
}

/** Does nothing but bring the time: wills and expiries that are due happen. */
export interface TickCommand {
  readonly kind: "tick";
}

/** The commands about sessions and about the nodes that serve them. */
export type SessionCommand =
  | OpenSessionCommand
  | CloseSessionCommand
  | DisplaceSessionCommand
  | SubscribeCommand
  | UnsubscribeCommand
  | ReleaseCommand
  | ProgressCommand
  | NodeUpCommand
  | NodeDownCommand
  | TickCommand;

export type Command =
  | PublishCommand
  | CreateTopicCommand
  | UpdateTopicCommand
  | DeleteTopicCommand
  | GenesisCommand
  | SessionCommand;

/**
 * One proposal. `origin`, `incarnation` and `sequence` make it exactly-once: a node's incarnation grows at each start, its
 * sequences are 1, 2, 3, ... within one; the machine applies a sequence only right after its predecessor.
 */
export interface Envelope {
  readonly origin: string;
  readonly incarnation: number;
  readonly sequence: number;
  /** The proposer's clock; the machine never lets time move backwards. */
  readonly timeMs: number;
  readonly commands: readonly Command[];
}
