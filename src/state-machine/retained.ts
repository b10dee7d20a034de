/**
 * The retained message of each topic: the last one in log order (MQTT 3.1.1, 3.3.1.3), until another takes its place or an
 * empty payload deletes it. An expired one is only left out of answers, so that no clock changes the state.
 */
import { ownedCopy } from "../commands/codec/owned-copy.js";
import { NO_PROPERTIES } from "../commands/command.js";
import { bodyBytes, type StoredMessage, type TopicRef } from "./effects.js";
import type { RecordBatch } from "./record-batch.js";
import { encodeRetained, type RetainedRecord, recordKey } from "./records.js";

export class RetainedMessages {
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  readonly #onGone: (message: StoredMessage) => void;
  /** By topic id. What is set goes to the end, so that walking is in position order. */
  readonly #byTopic = new Map<number, StoredMessage>();
  #bytes = 0;
  readonly #changed = new Set<number>();

  /** `onGone` is told of each that is replaced or deleted. */
  constructor(messagesMax: number, bytesMax: number, onGone: (message: StoredMessage) => void) {
    this.#messagesMax = messagesMax;
    this.#bytesMax = bytesMax;
    this.#onGone = onGone;
  }

  /** How many topics have one, expired ones counted. */
  get count(): number {
    return this.#byTopic.size;
  }

  /** Their payload bytes and those of their properties. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a message would stay within the ceilings. What makes the topic's own smaller always does. */
  fits(topicId: number | undefined, message: Pick<StoredMessage, "payload" | "properties">): boolean {
    if (message.payload.byteLength === 0) return true;
    const bytes = bodyBytes(message);
    const present = topicId === undefined ? undefined : this.#byTopic.get(topicId);
    if (present === undefined) {
      return this.#byTopic.size < this.#messagesMax && this.#bytes + bytes <= this.#bytesMax;
    }
    const presentBytes = bodyBytes(present);
    return bytes <= presentBytes || this.#bytes - presentBytes + bytes <= this.#bytesMax;
  }

  /** Takes the place of the topic's retained message; an empty payload deletes it. Payload and properties are copied. */
  set(message: StoredMessage): void {
    const { id } = message.topic;
    if (message.payload.byteLength === 0) {
      this.delete(id);
      return;
    }
    this.#drop(id);
    // A view would hold the whole log entry in memory for as long as the message is retained.
    const { payload, properties } = message;
    this.#add({
      ...message,
      payload: ownedCopy(payload),
      properties: properties.byteLength === 0 ? NO_PROPERTIES : ownedCopy(properties),
    });
    this.#changed.add(id);
  }

  delete(topicId: number): void {
    if (this.#drop(topicId)) this.#changed.add(topicId);
  }

  /** The topic's retained message, unless there is none or it is expired. */
  get(topicId: number, nowMs: number): StoredMessage | undefined {
    const message = this.#byTopic.get(topicId);
    return message !== undefined && isAlive(message, nowMs) ? message : undefined;
  }

  /** Those whose topic name passes, in position order, expired ones left out. */
  matching(accepts: (topic: string) => boolean, nowMs: number): StoredMessage[] {
    const matches: StoredMessage[] = [];
    for (const message of this.#byTopic.values()) {
      if (isAlive(message, nowMs) && accepts(message.topic.name)) matches.push(message);
    }
    return matches;
  }

  writeChanges(out: RecordBatch): void {
    for (const topicId of this.#changed) {
      const message = this.#byTopic.get(topicId);
      if (message === undefined) out.remove(recordKey("r", topicId));
      else writeRetained(out, message);
    }
    this.#changed.clear();
  }

  writeAll(out: RecordBatch): void {
    for (const message of this.#byTopic.values()) writeRetained(out, message);
  }

  /** Takes a loaded record whose bytes are its own; they have to come in position order. */
  load(topic: TopicRef, record: RetainedRecord): void {
    this.#add({ ...record, topic, retain: true });
  }

  #add(message: StoredMessage): void {
    this.#byTopic.set(message.topic.id, message);
    this.#bytes += bodyBytes(message);
  }

  #drop(topicId: number): boolean {
    const present = this.#byTopic.get(topicId);
    if (present === undefined) return false;
    this.#byTopic.delete(topicId);
    this.#bytes -= bodyBytes(present);
    this.#onGone(present);
    return true;
  }
}

function isAlive(message: StoredMessage, nowMs: number): boolean {
  return message.expiresAtMs === 0 || message.expiresAtMs > nowMs;
}

function writeRetained(out: RecordBatch, message: StoredMessage): void {
  encodeRetained(out.writer, message);
  out.put(recordKey("r", message.topic.id));
}
