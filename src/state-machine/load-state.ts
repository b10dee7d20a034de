/**
 * The state from its records, as a checkpoint or a snapshot left them. What does not fit together stops the node.
 */
import { ownedCopy } from "../commands/codec/owned-copy.js";
import { SessionLoader } from "./load-sessions.js";
import { SharedLoader } from "./load-shares.js";
import { ORIGIN_PREFIX } from "./origins.js";
import {
  corrupt,
  decodeIdempotency,
  decodeMeta,
  decodeOrigin,
  decodeRetained,
  type IdempotencyRecord,
  META_KEY,
  type Meta,
  numberOf,
  type RetainedRecord,
  type StateRecord,
} from "./records.js";
import type { State } from "./state.js";

/** A record that has to wait until all topics are there, and for its turn. */
interface Numbered<Value> {
  readonly number: number;
  readonly value: Value;
}

/**
 * Fills an empty state from records in any order; keys that are not the machine's are passed over. Returns the applied index.
 * Throws `FatalError` `store_corrupt`, or `store_version` when a newer release wrote them.
 */
export function loadState(state: State, records: Iterable<StateRecord>): number {
  let meta: Meta | null = null;
  const retained: Numbered<RetainedRecord>[] = [];
  const idempotency: Numbered<IdempotencyRecord>[] = [];
  const sessions = new SessionLoader(state);
  const shares = new SharedLoader(state);
  let seen = 0;
  for (const record of records) {
    const { key, value } = record;
    if (key === META_KEY) meta = decodeMeta(value);
    else if (key.startsWith("t/")) state.topics.load(record);
    else if (key.startsWith("r/")) retained.push({ number: numberOf("r", key), value: ownedRetained(value) });
    else if (key.startsWith("i/"))
      idempotency.push({ number: numberOf("i", key), value: decodeIdempotency(value) });
    else if (key.startsWith(ORIGIN_PREFIX)) {
      state.origins.load(key.slice(ORIGIN_PREFIX.length), decodeOrigin(value));
    } else if (!sessions.take(record) && !shares.take(record)) continue;
    seen += 1;
  }
  if (seen === 0) return 0;
  if (meta === null) throw corrupt("its first record is missing");
  state.timeMs = meta.timeMs;
  state.nextPosition = meta.nextPosition;
  state.streamTag = meta.streamTag;
  if (state.topics.nextId > meta.nextTopicId) throw corrupt("a topic is newer than the state");
  state.topics.nextId = meta.nextTopicId;
  state.idempotency.nextNumber = meta.nextIdempotencyNumber;
  loadRetained(state, retained);
  loadIdempotency(state, idempotency);
  sessions.finish(meta);
  shares.finish();
  return meta.appliedIndex;
}

/** The store may use the bytes of `value` again once the next record is asked for. */
function ownedRetained(value: Uint8Array): RetainedRecord {
  return decodeRetained(ownedCopy(value));
}

function loadRetained(state: State, records: Numbered<RetainedRecord>[]): void {
  records.sort((a, b) => a.value.position - b.value.position);
  for (const { number, value } of records) {
    const topic = state.topics.byId(number);
    if (topic === undefined) throw corrupt(`a retained message of topic ${number}, which does not exist`);
    if (value.position >= state.nextPosition) throw corrupt("a retained message is newer than the state");
    state.retained.load(topic.ref, value);
  }
}

function loadIdempotency(state: State, records: Numbered<IdempotencyRecord>[]): void {
  records.sort((a, b) => a.number - b.number);
  for (const { number, value } of records) {
    if (state.topics.byId(value.topicId) === undefined) {
      throw corrupt(`an idempotency key of topic ${value.topicId}, which does not exist`);
    }
    if (number >= state.idempotency.nextNumber) throw corrupt("an idempotency key is newer than the state");
    state.idempotency.load(number, value);
  }
}
