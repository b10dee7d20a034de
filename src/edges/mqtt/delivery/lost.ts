/** What a session missed while nobody served it, because retention could hold it back no longer. */
import type { Broker } from "../../../broker.js";
import type { Session } from "../../../state-machine/session-view.js";
import { FilterSet } from "../../../topics/filter-set.js";

/**
 * Positions above the session's cursor in which retention dropped something that it subscribed to: it lost this many messages at most
 * (positions count all topics), 0 for none. To be asked before the session is resumed.
 */
export function lostMessages(broker: Pick<Broker, "trimmedThrough">, session: Session): number {
  const own = session.subscriptions.filter(({ share }) => share === "");
  if (own.length === 0) return 0;
  return Math.max(0, broker.trimmedThrough(new FilterSet(own)) - session.live.through);
}
