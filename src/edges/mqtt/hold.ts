/** Why a connection's socket is not read. Bits: several reasons may hold at a time, and each is released by itself. */
export const Hold = {
  /** Too many of the client's publishes wait for commit. */
  Publishes: 1,
  /** Too much waits for commit on the whole node. */
  Saturated: 2,
  /** The client does not read its answers. */
  Replies: 4,
  /** Retained messages are being looked for: what the client asks next comes after them. */
  Retained: 8,
  /** The edge is stopping. */
  Stopping: 16,
} as const;
export type Hold = (typeof Hold)[keyof typeof Hold];
