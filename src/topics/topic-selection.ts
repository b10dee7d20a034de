/** Which topics a read of the store is about: named by id when they are few, else a test on each. */
import type { TopicRef } from "../state-machine/effects.js";
import type { TopicSelection } from "../store/message-store.js";
import type { FilterSet } from "./filter-set.js";
import { isWildcard } from "./topic-name.js";

/** The topics that there are, as the state machine knows them. */
export interface TopicDirectory {
  byName(name: string): TopicRef | undefined;
  byId(id: number): TopicRef | undefined;
  all(): Iterable<TopicRef>;
}

/** Looking through more topics than this would cost more than asking about those that the store meets. */
const TOPICS_LISTED_MAX = 1_000;

/** The store looks up this many topics one by one faster than it scans. */
const IDS_MAX = 64;

/**
 * The topics that the filters match now; to be asked again when topics have come or gone. Where there are too many to list,
 * `matches` is asked about each that the store meets.
 */
export function selectTopics(
  filters: FilterSet,
  topics: TopicDirectory,
  matches: (topic: TopicRef) => boolean,
): TopicSelection {
  const ids = filters.filters.some(({ filter }) => isWildcard(filter))
    ? idsByListing(topics, matches)
    : idsByName(filters, topics);
  if (ids !== null && ids.length <= IDS_MAX) return { ids };
  return {
    accepts: (id) => {
      const topic = topics.byId(id);
      return topic !== undefined && matches(topic);
    },
  };
}

function idsByName(filters: FilterSet, topics: TopicDirectory): number[] {
  return filters.filters.flatMap(({ filter }) => topics.byName(filter)?.id ?? []);
}

function idsByListing(topics: TopicDirectory, matches: (topic: TopicRef) => boolean): number[] | null {
  const ids: number[] = [];
  let listed = 0;
  for (const topic of topics.all()) {
    listed += 1;
    if (listed > TOPICS_LISTED_MAX) return null;
    if (matches(topic)) ids.push(topic.id);
    if (ids.length > IDS_MAX) return null;
  }
  return ids;
}
