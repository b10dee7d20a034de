/** From the subscriptions of a kept session, each about a part of the stream, to filter sets that follow each other along it. */
import type { SessionSubscription } from "../../../state-machine/session-view.js";
import { FilterSet } from "../../../topics/filter-set.js";
import type { FilterChange } from "../../../topics/subscriber.js";

/** What is in force above `after`, and from where on something else is. */
export interface Schedule {
  readonly after: number;
  readonly filters: FilterSet;
  readonly changes: readonly FilterChange[];
}

/** The positions above which other subscriptions of its own are in force, above `after`, ascending. */
export function boundaries(subscriptions: readonly SessionSubscription[], after: number): number[] {
  const places = new Set<number>();
  for (const { share, since, until } of subscriptions) {
    if (share !== "") continue;
    if (since > after) places.add(since);
    if (until > after && Number.isFinite(until)) places.add(until);
  }
  return [...places].sort((a, b) => a - b);
}

/** The filters of the session's own that are in force directly above a position. */
export function filtersAbove(
  subscriptions: readonly SessionSubscription[],
  position: number,
  session: number,
): FilterSet {
  return new FilterSet(
    subscriptions.filter(({ share, since, until }) => share === "" && since <= position && position < until),
    session,
  );
}

/** The way of a session from `after` to the present. Begins further on where nothing is in force at first. */
export function scheduleOf(
  subscriptions: readonly SessionSubscription[],
  after: number,
  session: number,
): Schedule {
  let from: FilterChange = { at: after, filters: filtersAbove(subscriptions, after, session) };
  const changes: FilterChange[] = [];
  for (const at of boundaries(subscriptions, after)) {
    const filters = filtersAbove(subscriptions, at, session);
    const before = changes.at(-1) ?? from;
    if (before.filters.key === filters.key) continue;
    if (before === from && from.filters.filters.length === 0) from = { at, filters };
    else changes.push({ at, filters });
  }
  return { after: from.at, filters: from.filters, changes };
}
