/** What a session missed while nobody served it, because retention could hold it back no longer. */
import type { Broker } from "../../../broker.js";
import type { Session, SessionSubscription } from "../../../state-machine/session-view.js";
import { FilterSet } from "../../../topics/filter-set.js";

/**
 * Positions in which retention dropped something that the session was to get at QoS 1 or 2: it lost this many messages at most (positions
 * count all topics), 0 for none. To be asked before the session is resumed.
 */
export function lostMessages(broker: Pick<Broker, "trimmedThrough">, session: Session): number {
  let lostAbove = Number.POSITIVE_INFINITY;
  let lostThrough = 0;
  for (const [above, subscriptions] of byStart(session)) {
    const trimmedThrough = broker.trimmedThrough(new FilterSet(subscriptions));
    if (trimmedThrough <= above) continue;
    lostAbove = Math.min(lostAbove, above);
    lostThrough = Math.max(lostThrough, trimmedThrough);
  }
  return Math.max(0, lostThrough - lostAbove);
}

/** The session's own subscriptions, by the position above which it has not got what they match. */
function byStart({ subscriptions, live }: Session): ReadonlyMap<number, readonly SessionSubscription[]> {
  const groups = new Map<number, SessionSubscription[]>();
  for (const subscription of subscriptions) {
    if (subscription.share !== "" || subscription.qos === 0) continue;
    const above = Math.max(live.through, subscription.since);
    const group = groups.get(above);
    if (group === undefined) groups.set(above, [subscription]);
    else group.push(subscription);
  }
  return groups;
}
