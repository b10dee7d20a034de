/** What members that were added lately are not to hear yet. */
import type { Membership } from "./membership.js";
import type { LogIndex, PeerMessage } from "./types.js";

/**
 * A newcomer hears nothing before there is a snapshot here that knows it: one that does not could never be installed (engine rule 4).
 * Whoever votes has begun long ago, and no election may wait for a disk: only such a snapshot is kept from it.
 */
export function isTooEarly(
  { to, snapshot }: PeerMessage,
  membership: Membership,
  newestSnapshot: LogIndex,
): boolean {
  if (snapshot === null && membership.current.voters.includes(to)) return false;
  return newestSnapshot < membership.addedAt(to);
}
