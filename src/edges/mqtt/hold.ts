/**
 * Why a connection is not read. Bits: several reasons may hold at a time, and each is released by itself. A hold takes effect after the
 * packet in hand, also in the middle of a received chunk.
 */
export const Hold = {
  /** Too many of the client's publishes wait for commit. */
  Publishes: 1,
  /** Too much waits for commit on the whole node. */
  Saturated: 2,
  /** The client does not read its answers. */
  Replies: 4,
  /** The edge is stopping. */
  Stopping: 8,
  /** The session is being opened: what the client has sent behind its CONNECT waits for that (MQTT 5.0, 3.1.4). */
  Opening: 16,
  /** Too many of the client's SUBSCRIBEs and UNSUBSCRIBEs wait for commit. */
  Subscriptions: 32,
  /** A step of the authentication is being thought about. */
  Authentication: 64,
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];
