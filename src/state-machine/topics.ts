/**
 * The topics of the stream, by name and by id, and in name order for listing. An id is given once and never again, so that
 * what was stored under a deleted topic cannot come back under a new one of the same name.
 */
import type { Retention } from "../commands/command.js";
import type { TopicRef } from "./effects.js";
import type { RecordBatch } from "./record-batch.js";
import { corrupt, decodeTopic, encodeTopic, numberOf, recordKey, type StateRecord } from "./records.js";
import { TopicList } from "./topic-list.js";

/** A topic as the host may look at it, at any time between two envelopes. */
export interface Topic extends TopicRef {
  /** The same frozen object in every message and effect of this topic. */
  readonly ref: TopicRef;
  readonly createdAtMs: number;
  /** The topic's own settings; a missing field is the node's default. */
  readonly retention: Retention;
  /** Offset that the next message gets. */
  readonly nextOffset: number;
  /** Position of the newest message ever appended, 0 for none. */
  readonly newestPosition: number;
}

/** A topic as the machine changes it. Whoever does calls `Topics.touch`. */
export interface TopicState extends Topic {
  retention: Retention;
  nextOffset: number;
  newestPosition: number;
  /** In the list of what the next checkpoint writes. */
  changed: boolean;
}

export class Topics {
  readonly #byName = new Map<string, TopicState>();
  readonly #byId = new Map<number, TopicState>();
  readonly #list = new TopicList();
  #nextId = 1;
  #changed: TopicState[] = [];
  #deleted: number[] = [];

  get size(): number {
    return this.#byName.size;
  }

  /** The id that the next topic gets; set once, after the topics are loaded. */
  get nextId(): number {
    return this.#nextId;
  }

  set nextId(id: number) {
    this.#nextId = id;
  }

  byName(name: string): TopicState | undefined {
    return this.#byName.get(name);
  }

  byId(id: number): TopicState | undefined {
    return this.#byId.get(id);
  }

  /** Every topic, in no particular order. */
  all(): Iterable<Topic> {
    return this.#byId.values();
  }

  /** Topics whose name starts with `prefix`, in name order (UTF-16 code units), after the name `after`. */
  page(prefix: string, after: string | null, limit: number): readonly Topic[] {
    return this.#list.page(prefix, after, limit);
  }

  /** The name must be valid and free. */
  create(name: string, retention: Retention, createdAtMs: number): TopicState {
    const id = this.#nextId;
    this.#nextId += 1;
    const topic = topicState(id, { name, createdAtMs, retention, nextOffset: 0, newestPosition: 0 });
    this.#add(topic);
    this.touch(topic);
    return topic;
  }

  delete(topic: TopicState): void {
    this.#byName.delete(topic.name);
    this.#byId.delete(topic.id);
    this.#list.remove(topic);
    this.#deleted.push(topic.id);
  }

  /** The topic changed: the next checkpoint writes it, once however often it changes until then. */
  touch(topic: TopicState): void {
    if (topic.changed) return;
    topic.changed = true;
    this.#changed.push(topic);
  }

  writeChanges(out: RecordBatch): void {
    for (const id of this.#deleted) out.remove(recordKey("t", id));
    for (const topic of this.#changed) {
      topic.changed = false;
      if (this.#byId.get(topic.id) === topic) writeTopic(out, topic);
    }
    this.#deleted = [];
    this.#changed = [];
  }

  writeAll(out: RecordBatch): void {
    for (const topic of this.#byId.values()) writeTopic(out, topic);
  }

  /** Takes a record that `writeChanges` wrote. Throws `FatalError` `store_corrupt`. */
  load(record: StateRecord): void {
    const topic = topicState(numberOf("t", record.key), decodeTopic(record.value));
    if (this.#byName.has(topic.name)) throw corrupt(`two topics of one name, ${topic.id} among them`);
    this.#add(topic);
    if (topic.id >= this.#nextId) this.#nextId = topic.id + 1;
  }

  #add(topic: TopicState): void {
    this.#byName.set(topic.name, topic);
    this.#byId.set(topic.id, topic);
    this.#list.add(topic);
  }
}

function writeTopic(out: RecordBatch, topic: TopicState): void {
  encodeTopic(out.writer, topic);
  out.put(recordKey("t", topic.id));
}

function topicState(id: number, fields: Omit<Topic, "id" | "ref">): TopicState {
  const { name, createdAtMs, retention, nextOffset, newestPosition } = fields;
  const ref = Object.freeze({ id, name });
  return { id, name, ref, createdAtMs, retention, nextOffset, newestPosition, changed: false };
}
