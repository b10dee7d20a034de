/**
 * The bytes of commands about sessions. The first byte has `KIND_SESSION` in its low three bits and one of the commands below above
 * them. Numbers are varints, texts and payloads led by their length, lists by their count; a flag says whether a field in brackets is there.
 *
 *     open         flags clientId expirySeconds [will]
 *     will         flags topic [contentType] [expirySeconds] [properties] [delaySeconds] payload
 *     close        flags session epoch [expirySeconds] sentThrough
 *     displace     flags clientId
 *     subscribe    session epoch count (flags filter [share] [subscriptionId])...
 *     unsubscribe  session epoch count (filter share)...
 *     release      session epoch packetId
 *     progress     count (flags session epoch [source] [through] [sentThrough] [count received...] [count done...])...
 *     node-up      mqtt
 *     node-down    node incarnation
 *     tick
 */

/** How far the command stands above the kind in the first byte. */
export const SESSION_SHIFT = 3;
export const SESSION_OPEN = 1;
export const SESSION_CLOSE = 2;
export const SESSION_DISPLACE = 3;
export const SESSION_SUBSCRIBE = 4;
export const SESSION_UNSUBSCRIBE = 5;
export const SESSION_RELEASE = 6;
export const SESSION_PROGRESS = 7;
export const SESSION_NODE_UP = 8;
export const SESSION_NODE_DOWN = 9;
export const SESSION_TICK = 10;

/** Flags of an open. */
export const OPEN_CLEAN_START = 0x01;
export const OPEN_WILL = 0x02;
export const OPEN_BITS = 0x03;

/** Flags of a will are those of a message and this one. */
export const WILL_DELAY = 0x40;

/** Flags of a close. */
export const CLOSE_WITH_WILL = 0x01;
export const CLOSE_EXPIRY = 0x02;
export const CLOSE_BITS = 0x03;

/** The flag of a displace. */
export const DISPLACE_FORGET = 0x01;

/** Flags of a subscription: its QoS in the low two bits, Retain Handling in two others. */
export const SUBSCRIPTION_QOS_MASK = 0x03;
export const SUBSCRIPTION_NO_LOCAL = 0x04;
export const SUBSCRIPTION_RETAIN_AS_PUBLISHED = 0x08;
export const SUBSCRIPTION_RETAIN_HANDLING_SHIFT = 4;
export const SUBSCRIPTION_SHARE = 0x40;
export const SUBSCRIPTION_ID = 0x80;

/** Flags of the progress of one session. */
export const PROGRESS_SOURCE = 0x01;
export const PROGRESS_THROUGH = 0x02;
export const PROGRESS_SENT_THROUGH = 0x04;
export const PROGRESS_RECEIVED = 0x08;
export const PROGRESS_DONE = 0x10;
export const PROGRESS_BITS = 0x1f;
