/** What there is of everything in a machine and its store. */
import type { NodeFigures } from "../broker.js";
import type { Machine } from "../state-machine/machine.js";
import type { TopicStats } from "../store/message-store.js";

/** As it is now; `statsOf` gives what is kept of a topic. */
export function figuresOf(
  machine: Machine,
  statsOf: (topicId: number) => Pick<TopicStats, "messages" | "bytes">,
): NodeFigures {
  const { sessions, connected, subscriptions } = machine.sessionCounts();
  let storedMessages = 0;
  let storedBytes = 0;
  for (const { id } of machine.allTopics()) {
    const { messages, bytes } = statsOf(id);
    storedMessages += messages;
    storedBytes += bytes;
  }
  return {
    sessionsOffline: sessions - connected,
    subscriptions,
    shares: machine.sharedCounts().shares,
    retainedMessages: machine.retainedCount,
    storedMessages,
    storedBytes,
  };
}
