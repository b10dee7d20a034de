/**
 * What a million filters cost (`npm run bench:trie`): bytes for each in the trie, time to add, match and remove, and the longest single
 * addition, since that stops a node for as long. Then what subscribers with filters of their own cost in fan-out.
 */
import { TopicTrie } from "../../src/topics/topic-trie.js";
import { heapBytes, print, row } from "./report.js";
import { subscribersReport } from "./subscribers.js";

const FILTERS = Number(process.argv[2] ?? 1_000_000);
const LOOKUPS = 300_000;

interface Population {
  readonly name: string;
  readonly filter: (i: number) => string;
  /** A name that the filter matches. */
  readonly topic: (i: number) => string;
}

const exact = (i: number): string => `site/${i % 50}/device/${i}/cmd`;

const populations: readonly Population[] = [
  { name: "site/12/device/12345/cmd", filter: exact, topic: exact },
  { name: "ten sensors a device", filter: tenth, topic: tenth },
  { name: "user/12345/#", filter: (i) => `user/${i}/#`, topic: (i) => `user/${i}/inbox/new` },
  {
    name: "site/+/device/12345/+",
    filter: (i) => `site/+/device/${i}/+`,
    topic: exact,
  },
  { name: "half exact, half wildcards", filter: mixed, topic: exact },
  {
    name: "thirty values a filter",
    filter: (i) => `room/${i % Math.ceil(FILTERS / 30)}/+`,
    topic: (i) => `room/${i % Math.ceil(FILTERS / 30)}/chat`,
  },
];

function tenth(i: number): string {
  return `site/${i % 50}/device-${Math.floor(i / 10)}/sensor-${i % 10}`;
}

function mixed(i: number): string {
  const kinds = [
    exact(i),
    `site/${i % 50}/device/${i}/#`,
    exact(i),
    `site/+/device/${i}/cmd`,
    exact(i),
    `+/${i % 50}/device/${i}/+`,
  ];
  return kinds[i % kinds.length] ?? "";
}

/** Strings as they come from bytes: flat. */
function texts(count: number, text: (i: number) => string): string[] {
  return Array.from({ length: count }, (_, i) => Buffer.from(text(i)).toString());
}

function measure({ name, filter, topic }: Population): void {
  const filters = texts(FILTERS, filter);
  const values = filters.map((_, i) => ({ i }));
  const picks = Array.from({ length: LOOKUPS }, (_, i) => Math.floor(i * 7919) % FILTERS);
  const names = texts(LOOKUPS, (i) => topic(picks[i] ?? 0));
  const emptyBytes = heapBytes();
  const trie = new TopicTrie<object>();
  let longestMs = 0;
  const startMs = performance.now();
  let lastMs = startMs;
  for (let i = 0; i < FILTERS; i += 1) {
    trie.add(filters[i] ?? "", values[i] ?? {});
    if (i % 16 !== 0) continue;
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
  }
  const addedMs = performance.now() - startMs;
  const bytes = heapBytes() - emptyBytes;
  const matchStartMs = performance.now();
  let found = 0;
  for (const topicName of names) found += trie.match(topicName).size;
  const matchMs = performance.now() - matchStartMs;
  const removeStartMs = performance.now();
  for (let i = 0; i < FILTERS; i += 1) trie.remove(filters[i] ?? "", values[i] ?? {});
  const removeMs = performance.now() - removeStartMs;
  const each = (ms: number, count: number): string => `${Math.round((ms * 1e6) / count)}`;
  print(
    row([
      name,
      `${Math.round(bytes / FILTERS)}`,
      each(addedMs, FILTERS),
      longestMs.toFixed(0),
      each(matchMs, LOOKUPS),
      (found / LOOKUPS).toFixed(2),
      each(removeMs, FILTERS),
      String(trie.isEmpty),
    ]),
  );
}

print(`${FILTERS} filters`);
print(
  row([
    "filters like",
    "bytes each",
    "add ns",
    "longest ms",
    "match ns",
    "found",
    "remove ns",
    "empty after",
  ]),
);
for (const population of populations) measure(population);
subscribersReport();
