/**
 * The bytes of an envelope, version 2. Header: version u8, flags u8 (0), count u32, sequence u64, time u64, incarnation u64
 * (little endian, so that sequence and time are filled in last), origin text. Then the commands, each led by a byte:
 * its kind in the low three bits, flags above. Numbers are varints, texts and payloads led by their length.
 *
 *     publish   [topic] [key digest] [publisher [epoch packetId]] [count] message...
 *               a topic left out is the one of the publish before; the number of the publisher is doubled, odd when a receipt follows
 *     message   flags [contentType] [expiresAtMs] [properties] payload
 *     create    topic [ageMs] [bytes]
 *     update    topic [ageMs] [bytes]
 *     delete    topic
 *     genesis   streamTag
 *     session   what is above the kind says which: session-format.ts
 *
 * Version 1 is the same without publisher, receipt, properties and the commands of sessions: one decoder reads both.
 */

/** Version that this code writes, and the newest that it reads. */
export const FORMAT_VERSION = 2;

export const FLAGS_AT = 1;
export const COUNT_AT = 2;
export const SEQUENCE_AT = 6;
export const TIME_AT = 14;
export const INCARNATION_AT = 22;
export const HEADER_BYTES = 30;
/** Characters of an origin: it is part of a key of the state store. */
export const ORIGIN_LENGTH_MAX = 128;

/** Low three bits of a command's first byte. */
export const KIND_MASK = 0x07;
export const KIND_PUBLISH = 1;
export const KIND_CREATE = 2;
export const KIND_UPDATE = 3;
export const KIND_DELETE = 4;
export const KIND_GENESIS = 5;
export const KIND_SESSION = 6;

/** Flags of a publish. */
export const PUBLISH_SAME_TOPIC = 0x08;
export const PUBLISH_AUTO_CREATE = 0x10;
export const PUBLISH_IDEMPOTENT = 0x20;
/** A count and several messages follow; without the flag there is one message and no count. */
export const PUBLISH_SEVERAL = 0x40;
/** The publisher has a number, or a receipt. */
export const PUBLISH_SESSION = 0x80;
export const PUBLISH_BITS = 0xf8;

/** Flags of a create. */
export const CREATE_IF_MISSING = 0x08;
export const CREATE_AGE = 0x10;
export const CREATE_BYTES = 0x20;
export const CREATE_BITS = 0x38;

/** Flags of an update: a field is set, or goes back to the default. */
export const UPDATE_AGE = 0x08;
export const UPDATE_AGE_DEFAULT = 0x10;
export const UPDATE_BYTES = 0x20;
export const UPDATE_BYTES_DEFAULT = 0x40;
export const UPDATE_BITS = 0x78;

/** Flags of a message; the low two bits are its QoS. */
export const MESSAGE_QOS_MASK = 0x03;
export const MESSAGE_RETAIN = 0x04;
export const MESSAGE_CONTENT_TYPE = 0x08;
export const MESSAGE_EXPIRES = 0x10;
export const MESSAGE_PROPERTIES = 0x20;
export const MESSAGE_BITS = 0x3f;
