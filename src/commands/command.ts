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
}

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

export type Command =
  | PublishCommand
  | CreateTopicCommand
  | UpdateTopicCommand
  | DeleteTopicCommand
  | GenesisCommand;

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
