/**
 * The state as records of an embedded store: short keys by number, names inside the values, a version on each value so
 * that records of several releases may lie side by side.
 *
 *     m          appliedIndex timeMs nextPosition nextTopicId nextIdempotencyNumber streamTag nextSessionNumber nextSource
 *     t/<id>     flags name createdAtMs nextOffset newestPosition [ageMs] [bytes]
 *     r/<id>     qos position offset timestampMs expiresAtMs contentType payload properties publisher   of topic <id>
 *     i/<number> topicId key digest count firstPosition firstOffset timestampMs
 *     o/<origin> incarnation sequence
 *
 * Sessions and nodes have theirs in session-records.ts, shares in shared-records.ts. Version 1 had no sessions, no properties and no publishers; it is still read.
 * What can be said in an older version is written in it, so that the same state is always the same bytes.
 */
import { ByteReader } from "../commands/codec/byte-reader.js";
import type { ByteWriter } from "../commands/codec/byte-writer.js";
import { NO_PROPERTIES, type Retention } from "../commands/command.js";
import { FatalError } from "../errors.js";
import type { StoredMessage } from "./effects.js";

/** One record; the same shape as the state store's entries. */
export interface StateRecord {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Version that this code writes. */
export const RECORD_VERSION = 2;
/** Version of progress with passes of which something is gone. */
export const RECORD_VERSION_GONE = 3;

export const META_KEY = "m";

/** Kinds of numbered records: topics, retained messages, idempotency keys, sessions, their progress, shares with their members and chunks. */
export type NumberedKind = "t" | "r" | "i" | "s" | "p" | "g" | "m" | "q";

/** Wide enough for 36^8 (about 2.8 * 10^12) numbers, so that keys sort as their numbers do. */
const NUMBER_WIDTH = 8;

export function recordKey(kind: NumberedKind, number: number): string {
  return `${kind}/${number.toString(36).padStart(NUMBER_WIDTH, "0")}`;
}

/** The number in a key that `recordKey` made. Throws `FatalError` `store_corrupt` for any other. */
export function numberOf(kind: NumberedKind, key: string): number {
  const number = Number.parseInt(key.slice(2), 36);
  if (!Number.isSafeInteger(number) || key !== recordKey(kind, number))
    throw corrupt(`unknown key ${JSON.stringify(key)}`);
  return number;
}

export function corrupt(what: string): FatalError {
  return new FatalError(
    "store_corrupt",
    `the state store is damaged: ${what}; restore it from another node or a backup`,
  );
}

/** A reader past the version, `newest` at most. Throws `FatalError` `store_version` for a newer one, `store_corrupt` for none. */
export function openRecord(value: Uint8Array, newest = RECORD_VERSION): ByteReader {
  const reader = new ByteReader(value, "store_corrupt");
  const version = reader.byte();
  if (version > newest) {
    throw new FatalError(
      "store_version",
      `the state store has records of version ${version}, this node reads up to ${newest}: start a newer release`,
    );
  }
  if (version === 0) throw reader.malformed("no version");
  return reader;
}

/** Before sessions. */
function isFirstVersion(value: Uint8Array): boolean {
  return value[0] === 1;
}

/** What is there once. */
export interface Meta {
  readonly appliedIndex: number;
  readonly timeMs: number;
  readonly nextPosition: number;
  readonly nextTopicId: number;
  readonly nextIdempotencyNumber: number;
  /** "" before genesis. */
  readonly streamTag: string;
  readonly nextSessionNumber: number;
  readonly nextSource: number;
}

export function encodeMeta(writer: ByteWriter, meta: Meta): void {
  writer.byte(RECORD_VERSION);
  writer.varint(meta.appliedIndex);
  writer.varint(meta.timeMs);
  writer.varint(meta.nextPosition);
  writer.varint(meta.nextTopicId);
  writer.varint(meta.nextIdempotencyNumber);
  writer.text(meta.streamTag);
  writer.varint(meta.nextSessionNumber);
  writer.varint(meta.nextSource);
}

export function decodeMeta(value: Uint8Array): Meta {
  const reader = openRecord(value);
  const meta = {
    appliedIndex: reader.varint(),
    timeMs: reader.varint(),
    nextPosition: reader.varint(),
    nextTopicId: reader.varint(),
    nextIdempotencyNumber: reader.varint(),
    streamTag: reader.text(),
    nextSessionNumber: isFirstVersion(value) ? 1 : reader.varint(),
    nextSource: isFirstVersion(value) ? 1 : reader.varint(),
  };
  reader.end();
  return meta;
}

/** A topic without its id, which is in the key. */
export interface TopicRecord {
  readonly name: string;
  readonly createdAtMs: number;
  readonly retention: Retention;
  readonly nextOffset: number;
  readonly newestPosition: number;
}

const TOPIC_AGE = 1;
const TOPIC_BYTES = 2;

export function encodeTopic(writer: ByteWriter, topic: TopicRecord): void {
  const { ageMs, bytes } = topic.retention;
  writer.byte(RECORD_VERSION);
  writer.byte((ageMs === undefined ? 0 : TOPIC_AGE) | (bytes === undefined ? 0 : TOPIC_BYTES));
  writer.text(topic.name);
  writer.varint(topic.createdAtMs);
  writer.varint(topic.nextOffset);
  writer.varint(topic.newestPosition);
  if (ageMs !== undefined) writer.varint(ageMs);
  if (bytes !== undefined) writer.varint(bytes);
}

export function decodeTopic(value: Uint8Array): TopicRecord {
  const reader = openRecord(value);
  const flags = reader.byte();
  if (flags > (TOPIC_AGE | TOPIC_BYTES)) throw reader.malformed("unknown flag");
  const name = reader.text();
  const createdAtMs = reader.varint();
  const nextOffset = reader.varint();
  const newestPosition = reader.varint();
  const ageMs = (flags & TOPIC_AGE) !== 0 ? { ageMs: reader.varint() } : {};
  const bytes = (flags & TOPIC_BYTES) !== 0 ? { bytes: reader.varint() } : {};
  reader.end();
  return { name, createdAtMs, retention: Object.freeze({ ...ageMs, ...bytes }), nextOffset, newestPosition };
}

/** A retained message without its topic, whose id is in the key. */
export type RetainedRecord = Omit<StoredMessage, "topic" | "retain">;

export function encodeRetained(writer: ByteWriter, message: RetainedRecord): void {
  writer.byte(RECORD_VERSION);
  writer.byte(message.qos);
  writer.varint(message.position);
  writer.varint(message.offset);
  writer.varint(message.timestampMs);
  writer.varint(message.expiresAtMs);
  writer.text(message.contentType);
  writer.blob(message.payload);
  writer.blob(message.properties);
  writer.varint(message.publisher);
}

/** The payload and the properties are views of `value`. */
export function decodeRetained(value: Uint8Array): RetainedRecord {
  const reader = openRecord(value);
  const qos = reader.byte();
  if (qos !== 0 && qos !== 1 && qos !== 2) throw reader.malformed("no such QoS");
  const message = {
    qos: qos as 0 | 1 | 2,
    position: reader.varint(),
    offset: reader.varint(),
    timestampMs: reader.varint(),
    expiresAtMs: reader.varint(),
    contentType: reader.sharedText(),
    payload: reader.blob(),
    properties: isFirstVersion(value) ? NO_PROPERTIES : propertiesOf(reader.blob()),
    publisher: isFirstVersion(value) ? 0 : reader.varint(),
  };
  reader.end();
  return message;
}

/** The constant for none: most messages have none. */
function propertiesOf(blob: Uint8Array): Uint8Array {
  return blob.byteLength === 0 ? NO_PROPERTIES : blob;
}

/** An idempotency key and the first answer that it got. */
export interface IdempotencyRecord {
  readonly topicId: number;
  readonly key: string;
  readonly digest: string;
  readonly count: number;
  readonly firstPosition: number;
  readonly firstOffset: number;
  /** The answer's time, which is also when the key began to age. */
  readonly timestampMs: number;
}

export function encodeIdempotency(writer: ByteWriter, record: IdempotencyRecord): void {
  writer.byte(RECORD_VERSION);
  writer.varint(record.topicId);
  writer.text(record.key);
  writer.text(record.digest);
  writer.varint(record.count);
  writer.varint(record.firstPosition);
  writer.varint(record.firstOffset);
  writer.varint(record.timestampMs);
}

export function decodeIdempotency(value: Uint8Array): IdempotencyRecord {
  const reader = openRecord(value);
  const record = {
    topicId: reader.varint(),
    key: reader.text(),
    digest: reader.text(),
    count: reader.varint(),
    firstPosition: reader.varint(),
    firstOffset: reader.varint(),
    timestampMs: reader.varint(),
  };
  reader.end();
  return record;
}

/** How far an origin's proposals are applied. */
export interface OriginRecord {
  readonly incarnation: number;
  readonly sequence: number;
}

export function encodeOrigin(writer: ByteWriter, record: OriginRecord): void {
  writer.byte(RECORD_VERSION);
  writer.varint(record.incarnation);
  writer.varint(record.sequence);
}

export function decodeOrigin(value: Uint8Array): OriginRecord {
  const reader = openRecord(value);
  const record = { incarnation: reader.varint(), sequence: reader.varint() };
  reader.end();
  return record;
}
