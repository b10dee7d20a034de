/**
 * Holds what a node has stored and what its subscribers received against the history. Pure and linear in the number of
 * messages; a checker that finds nothing in planted faults is worth nothing, so each kind has a test that plants it.
 */
import { type History, parseKey } from "./history.js";

/** One message as the node's history shows it. */
export interface Stored {
  readonly id: string;
  readonly offset: number;
  /** The key in its payload. */
  readonly key: string;
}

/** One message as a subscriber received it. */
export interface Seen {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
}

export type ViolationKind =
  | "missing"
  | "doubled"
  | "reordered"
  | "gap"
  | "phantom"
  | "refused_but_stored"
  | "wrong_topic"
  | "ack_mismatch"
  | "torn_batch"
  | "diverged"
  | "stuck"
  | "wrong_answer";

export interface Violation {
  readonly kind: ViolationKind;
  /** Where and what, for people. */
  readonly detail: string;
}

/** Messages of each topic, in the order in which the node gives them. */
export type StoredTopics = ReadonlyMap<string, readonly Stored[]>;

/**
 * Whether each publisher's messages come in its order: on one connection always; over connections what was acknowledged comes
 * before what was sent later, and what was left unanswered comes whenever its node gets it through.
 */
class PublisherOrder {
  readonly #history: History;
  readonly #last = new Map<string, number>();

  constructor(history: History) {
    this.#history = history;
  }

  /** False for a message that comes after one before which it belongs. */
  rises(key: string): boolean {
    const parsed = parseKey(key);
    if (parsed === null) return true;
    const { publisher, sequence } = parsed;
    const attempt = this.#history.attempt(key);
    const inSession = this.#raise(`${publisher}#${attempt?.session ?? 0}`, sequence);
    const overall = this.#raise(publisher, sequence);
    return attempt?.outcome === "ok" ? overall : inSession;
  }

  #raise(who: string, sequence: number): boolean {
    const last = this.#last.get(who) ?? -1;
    this.#last.set(who, Math.max(last, sequence));
    return sequence > last;
  }
}

function checkOffsets(topic: string, stored: readonly Stored[], found: Violation[]): void {
  let expected = 0;
  for (const { offset, key } of stored) {
    if (offset !== expected) {
      const kind = offset > expected ? "gap" : "reordered";
      found.push({ kind, detail: `${topic}: offset ${offset} where ${expected} is due (${key})` });
    }
    expected = offset + 1;
  }
}

function checkAttempt(
  history: History,
  topic: string,
  { id, offset, key }: Stored,
  found: Violation[],
): void {
  const attempt = history.attempt(key);
  const where = `${topic} offset ${offset}: ${key}`;
  if (attempt === undefined) {
    found.push({ kind: "phantom", detail: `${where} was never published` });
    return;
  }
  if (attempt.topic !== topic) {
    found.push({ kind: "wrong_topic", detail: `${where} was published to ${attempt.topic}` });
  }
  if (attempt.outcome === "refused") {
    found.push({ kind: "refused_but_stored", detail: `${where} was refused` });
  }
  const otherId = attempt.ackId !== null && attempt.ackId !== id;
  const otherOffset = attempt.ackOffset !== null && attempt.ackOffset !== offset;
  if (otherId || otherOffset) {
    const said = `id ${attempt.ackId ?? "-"} offset ${attempt.ackOffset ?? "-"}`;
    found.push({ kind: "ack_mismatch", detail: `${where} has id ${id}, acknowledged as ${said}` });
  }
}

/** Messages of one batch are all there or none is. */
function checkBatches(history: History, storedKeys: ReadonlySet<string>, found: Violation[]): void {
  const batches = new Map<string, { stored: number; all: number }>();
  for (const { batch, key } of history.attempts()) {
    if (batch === null) continue;
    const counts = batches.get(batch) ?? { stored: 0, all: 0 };
    batches.set(batch, counts);
    counts.all += 1;
    if (storedKeys.has(key)) counts.stored += 1;
  }
  for (const [batch, { stored, all }] of batches) {
    if (stored !== 0 && stored !== all) {
      found.push({ kind: "torn_batch", detail: `${batch}: ${stored} of ${all} messages are stored` });
    }
  }
}

/**
 * After a restart: every acknowledged message is there exactly once, where its acknowledgement said; offsets are contiguous
 * from 0; nothing is there that was not published or was refused; each publisher's messages are in its order.
 */
export function checkStore(history: History, topics: StoredTopics): Violation[] {
  const found: Violation[] = [];
  const keys = new Set<string>();
  const ids = new Set<string>();
  for (const [topic, stored] of topics) {
    checkOffsets(topic, stored, found);
    const order = new PublisherOrder(history);
    for (const record of stored) {
      const repeats = keys.has(record.key) || ids.has(record.id);
      if (repeats) found.push({ kind: "doubled", detail: `${topic} offset ${record.offset}: ${record.key}` });
      keys.add(record.key);
      ids.add(record.id);
      checkAttempt(history, topic, record, found);
      if (!repeats && !order.rises(record.key)) {
        found.push({
          kind: "reordered",
          detail: `${topic}: ${record.key} after a later one of its publisher`,
        });
      }
    }
  }
  for (const { outcome, key, topic, ackOffset } of history.attempts()) {
    if (outcome === "ok" && !keys.has(key)) {
      found.push({ kind: "missing", detail: `${topic}: ${key}, acknowledged as offset ${ackOffset ?? "?"}` });
    }
  }
  checkBatches(history, keys, found);
  return found;
}

/** Where two sequences of ids part: what one has too much, too little or elsewhere. */
function compareIds(name: string, expected: readonly Stored[], seen: readonly Seen[]): Violation[] {
  const found: Violation[] = [];
  const received = new Set<string>();
  const due = new Map(expected.map(({ id }, at) => [id, at] as const));
  let last = -1;
  for (const { id, key } of seen) {
    const at = due.get(id);
    if (received.has(id)) {
      found.push({ kind: "doubled", detail: `${name}: ${key} (id ${id}) came again` });
    } else if (at === undefined) {
      found.push({ kind: "phantom", detail: `${name}: ${key} (id ${id}) is not stored` });
    } else if (at < last) {
      found.push({ kind: "reordered", detail: `${name}: ${key} (id ${id}) came late` });
    } else if (expected[at]?.key !== key) {
      found.push({
        kind: "ack_mismatch",
        detail: `${name}: id ${id} is ${expected[at]?.key}, came as ${key}`,
      });
    }
    received.add(id);
    last = Math.max(last, at ?? -1);
  }
  for (const { id, key } of expected) {
    if (!received.has(id)) found.push({ kind: "missing", detail: `${name}: ${key} (id ${id}) never came` });
  }
  return found;
}

/**
 * A subscriber that reconnected with its last id: of each of its topics it has everything that is stored, once, in order;
 * over all of them each publisher's messages are in its order.
 */
export function checkStream(
  history: History,
  name: string,
  seen: readonly Seen[],
  topics: StoredTopics,
): Violation[] {
  const found: Violation[] = [];
  const seenByTopic = new Map<string, Seen[]>();
  const order = new PublisherOrder(history);
  const ids = new Set<string>();
  for (const event of seen) {
    const ofTopic = seenByTopic.get(event.topic);
    if (ofTopic === undefined) seenByTopic.set(event.topic, [event]);
    else ofTopic.push(event);
    // One that came twice is told as such below.
    if (!ids.has(event.id) && !order.rises(event.key)) {
      found.push({ kind: "reordered", detail: `${name}: ${event.key} after a later one of its publisher` });
    }
    ids.add(event.id);
  }
  for (const topic of new Set([...topics.keys(), ...seenByTopic.keys()])) {
    const inTopic = `${name}, topic ${topic}`;
    found.push(...compareIds(inTopic, topics.get(topic) ?? [], seenByTopic.get(topic) ?? []));
  }
  return found;
}

/** Two readings of the same filter, one live over the crashes and one replayed at the end, are one sequence. */
export function checkSameOrder(name: string, live: readonly Seen[], replayed: readonly Seen[]): Violation[] {
  const at = live.findIndex((event, index) => event.id !== replayed[index]?.id);
  if (at < 0 && live.length === replayed.length) return [];
  const place = at < 0 ? live.length : at;
  const detail = `${name}: event ${place} was ${live[place]?.key ?? "none"} live, ${replayed[place]?.key ?? "none"} replayed`;
  return [{ kind: "reordered", detail }];
}

/** Two nodes' stores are one: the same topics, and in each the same ids, offsets and messages in the same order. */
export function checkSameStore(name: string, one: StoredTopics, other: StoredTopics): Violation[] {
  const found: Violation[] = [];
  for (const topic of new Set([...one.keys(), ...other.keys()])) {
    const [left, right] = [one.get(topic) ?? [], other.get(topic) ?? []];
    const same = (a: Stored, b: Stored | undefined): boolean =>
      a.id === b?.id && a.offset === b.offset && a.key === b.key;
    const parted = left.findIndex((record, index) => !same(record, right[index]));
    if (parted < 0 && left.length === right.length) continue;
    const at = parted < 0 ? left.length : parted;
    const detail = `${name}, topic ${topic}: record ${at} is ${show(left[at])} and ${show(right[at])}`;
    found.push({ kind: "diverged", detail });
  }
  return found;
}

function show(record: Stored | undefined): string {
  return record === undefined ? "none" : `${record.key} (id ${record.id}, offset ${record.offset})`;
}
