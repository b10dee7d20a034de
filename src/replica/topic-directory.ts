/** The topics of a machine, as the topic brokers ask for them. */
import type { TopicRef } from "../state-machine/effects.js";
import type { Machine } from "../state-machine/machine.js";
import type { TopicDirectory } from "../topics/topic-selection.js";

/** `machine` gives the present one: a snapshot puts another in its place. */
export function topicsOf(machine: () => Machine): TopicDirectory {
  return {
    byName: (name) => machine().topicByName(name)?.ref,
    byId: (id) => machine().topicById(id)?.ref,
    all: (): Iterable<TopicRef> => machine().allTopics(),
  };
}
