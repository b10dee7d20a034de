/** What fan-out holds for subscribers of which each has a filter set of his own: as they stand idle, and once each was given something. */
import type { SubscriberSink, Subscription } from "../../src/topics/subscriber.js";
import { Bench, filterSet } from "../unit/topics/fan-out-bench.js";
import { heapBytes, print, row } from "./report.js";

const SUBSCRIBERS = 10_000;

/** One for all, so that it weighs nothing. */
const sink: SubscriberSink = {
  deliver: (batch) => batch.through,
  isWritable: () => true,
  gap: () => undefined,
  topicDeleted: () => undefined,
  failed: () => undefined,
};

export function subscribersReport(): void {
  print(`\n${SUBSCRIBERS} subscribers with filter sets of their own: bytes each`);
  print(row(["filters", "sets", "subscribed", "after a message"]));
  report("one exact", (i) => [`device/${i}/cmd`]);
  report("one wildcard", (i) => [`device/${i}/#`]);
  report("two exact, one wildcard", (i) => [`device/${i}/cmd`, `device/${i}/config`, `group/${i % 100}/+`]);
}

function report(name: string, filtersOf: (i: number) => readonly string[]): void {
  // No room for recent batches: what is kept there is under a ceiling of its own.
  const bench = new Bench({ recentBatchBytesMax: 0 });
  const names = Array.from({ length: SUBSCRIBERS }, (_, i) => `device/${i}/cmd`);
  bench.publish(names);
  const startBytes = heapBytes();
  const sets = Array.from({ length: SUBSCRIBERS }, (_, i) => filterSet(...filtersOf(i)));
  const setsBytes = heapBytes();
  const held: Subscription[] = sets.map((filters) => bench.brokers.subscribe({ filters, sink, after: null }));
  const subscribedBytes = heapBytes();
  bench.publish(names);
  bench.clock.advance(1_000);
  bench.store.messages.length = SUBSCRIBERS;
  const publishedBytes = heapBytes();
  const each = (bytes: number): string => `${Math.round(bytes / SUBSCRIBERS)}`;
  print(
    row([
      name,
      each(setsBytes - startBytes),
      each(subscribedBytes - setsBytes),
      each(publishedBytes - setsBytes),
    ]),
  );
  if (held.length !== SUBSCRIBERS || bench.errors.length > 0) throw new Error(String(bench.errors[0]));
}
