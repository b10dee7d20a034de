/** Which messages a reader sees: a selection of topics together with their floors, as one number per topic. */
import type { TopicSelection } from "./message-store.js";
import type { TopicTable } from "./topic-table.js";

/** What a topic that is not selected, or was deleted, has for a floor. */
export const NOTHING_VISIBLE = Number.POSITIVE_INFINITY;

/**
 * A function that gives the position above which a topic's messages are visible to this reader. It remembers what `accepts`
 * said: that may be a match of wildcards.
 */
export function visibleAbove(topics: TopicSelection, table: TopicTable): (topicId: number) => number {
  const floorOf = (topicId: number): number => table.get(topicId)?.floor ?? NOTHING_VISIBLE;
  if ("ids" in topics) {
    const { ids } = topics;
    return (topicId) => (ids.includes(topicId) ? floorOf(topicId) : NOTHING_VISIBLE);
  }
  const known = new Map<number, number>();
  return (topicId) => {
    let floor = known.get(topicId);
    if (floor === undefined) {
      floor = topics.accepts(topicId) ? floorOf(topicId) : NOTHING_VISIBLE;
      known.set(topicId, floor);
    }
    return floor;
  };
}
