/**
 * How new an answer has to be. A node that follows may be a moment behind what another has acknowledged; management reads therefore wait
 * until this node has caught up with the group, unless `?consistency=local` says that a moment does not matter. Streams and history do
 * not wait: they say which position they are at.
 */
import { JangadaError } from "../../errors.js";
import type { HttpContext } from "./context.js";
import { Query } from "./query.js";

/** The event id of the newest message that this node has applied. */
export const POSITION_HEADER = "Jangada-Position";

/** Whether `?consistency=local` asks for what this node knows now. Throws `invalid_request` for another word than the two. */
export function isLocalRead(url: string): boolean {
  const asked = new Query(url).one("consistency");
  if (asked === undefined || asked === "linearizable") return false;
  if (asked === "local") return true;
  throw new JangadaError("invalid_request", "?consistency= is either local or linearizable");
}

/** Resolves when everything acknowledged before the request can be read here. Rejects with `no_leader`. */
export async function awaitConsistency(
  { cluster }: Pick<HttpContext, "cluster">,
  url: string,
): Promise<void> {
  if (!isLocalRead(url)) await cluster.readBarrier();
}

/**
 * What `attempt` gives. When it refuses an event id or a topic that another node may have shown before it came here, it is tried once
 * more after catching up: a reader that changes nodes must not be told that its own cursor is wrong.
 */
export async function caughtUp<Result>(
  { cluster }: Pick<HttpContext, "cluster">,
  attempt: () => Result,
): Promise<Result> {
  try {
    return attempt();
  } catch (error) {
    if (!mayBeNewsElsewhere(error)) throw error;
  }
  await cluster.readBarrier();
  return attempt();
}

function mayBeNewsElsewhere(error: unknown): boolean {
  return (
    error instanceof JangadaError && (error.code === "invalid_cursor" || error.code === "topic_not_found")
  );
}

/** The header that tells how far this node is. */
export function positionHeader({ broker }: Pick<HttpContext, "broker">): Readonly<Record<string, string>> {
  return { [POSITION_HEADER]: broker.eventId(broker.head) };
}
