/**
 * Shares as records. Who is a member stands in the records of the sessions; here is what they were given, and what waits.
 *
 *     g/<share>               share filter lastGiven nextChunk
 *     g/<share>/m/<session>   count (flags asOf behind topicId)...
 *     g/<share>/q/<chunk>     count (flags positionStep topicId [holder])...
 */
import type { ByteReader } from "../commands/codec/byte-reader.js";
import type { ByteWriter } from "../commands/codec/byte-writer.js";
import type { SharedItem } from "./effects.js";
import { numberOf, openRecord, RECORD_VERSION, recordKey } from "./records.js";
import type { Waiting } from "./shared-backlog.js";

export const SHARE_PREFIX = "g/";

const SHARE_KEY_LENGTH = recordKey("g", 0).length;

/** Where a record of a share belongs: the share itself, a member, or a chunk of what waits. */
export interface ShareKey {
  readonly share: number;
  readonly part: "share" | "member" | "chunk";
  /** Number of the session or of the chunk; 0 for the share itself. */
  readonly number: number;
}

export function memberKey(share: number, session: number): string {
  return `${recordKey("g", share)}/${recordKey("m", session)}`;
}

export function chunkKey(share: number, chunk: number): string {
  return `${recordKey("g", share)}/${recordKey("q", chunk)}`;
}

/** Throws `FatalError` `store_corrupt` for a key that none of these functions made. */
export function parseShareKey(key: string): ShareKey {
  const share = numberOf("g", key.slice(0, SHARE_KEY_LENGTH));
  if (key.length === SHARE_KEY_LENGTH) return { share, part: "share", number: 0 };
  const rest = key.slice(SHARE_KEY_LENGTH + 1);
  if (rest.startsWith("m/")) return { share, part: "member", number: numberOf("m", rest) };
  return { share, part: "chunk", number: numberOf("q", rest) };
}

export interface ShareRecord {
  readonly share: string;
  readonly filter: string;
  /** Session that was given a message last; 0 for none. */
  readonly lastGiven: number;
  readonly nextChunk: number;
}

export function encodeShare(writer: ByteWriter, record: ShareRecord): void {
  writer.byte(RECORD_VERSION);
  writer.text(record.share);
  writer.text(record.filter);
  writer.varint(record.lastGiven);
  writer.varint(record.nextChunk);
}

export function decodeShare(value: Uint8Array): ShareRecord {
  const reader = openRecord(value);
  const record = {
    share: reader.text(),
    filter: reader.text(),
    lastGiven: reader.varint(),
    nextChunk: reader.varint(),
  };
  reader.end();
  return record;
}

/** What a member holds: what it was given and has not dealt with, with the QoS of the message itself. */
export interface HeldItem extends SharedItem {
  readonly qos: 1 | 2;
  readonly messageQos: 1 | 2;
}

const QOS_2 = 1;
const MESSAGE_QOS_2 = 2;
const RECEIVED = 4;
const AGAIN = 8;
const HELD_BITS = 0x0f;
const HOLDER = 4;
const WAITING_BITS = MESSAGE_QOS_2 | HOLDER;
/** The shortest item of either kind. */
const ITEM_BYTES_MIN = 3;

export function encodeHeld(writer: ByteWriter, count: number, items: Iterable<HeldItem>): void {
  writer.byte(RECORD_VERSION);
  writer.varint(count);
  for (const item of items) {
    let flags = 0;
    if (item.qos === 2) flags |= QOS_2;
    if (item.messageQos === 2) flags |= MESSAGE_QOS_2;
    if (item.received) flags |= RECEIVED;
    if (item.again) flags |= AGAIN;
    writer.byte(flags);
    writer.varint(item.asOf);
    writer.varint(item.asOf - item.position);
    writer.varint(item.topicId);
  }
}

export function decodeHeld(value: Uint8Array, source: number): HeldItem[] {
  return decodeItems(value, HELD_BITS, (reader, flags) => {
    const asOf = reader.varint();
    const behind = reader.varint();
    if (behind >= asOf) throw reader.malformed("no position");
    return {
      source,
      topicId: reader.varint(),
      position: asOf - behind,
      asOf,
      qos: (flags & QOS_2) !== 0 ? 2 : 1,
      received: (flags & RECEIVED) !== 0,
      again: (flags & AGAIN) !== 0,
      messageQos: (flags & MESSAGE_QOS_2) !== 0 ? 2 : 1,
    };
  });
}

export function encodeWaiting(writer: ByteWriter, items: readonly Waiting[]): void {
  writer.byte(RECORD_VERSION);
  writer.varint(items.length);
  let before = 0;
  for (const { position, topicId, qos, holder } of items) {
    writer.byte((qos === 2 ? MESSAGE_QOS_2 : 0) | (holder === 0 ? 0 : HOLDER));
    writer.varint(position - before);
    writer.varint(topicId);
    if (holder !== 0) writer.varint(holder);
    before = position;
  }
}

export function decodeWaiting(value: Uint8Array): Waiting[] {
  let position = 0;
  return decodeItems(value, WAITING_BITS, (reader, flags) => {
    const step = reader.varint();
    position += step;
    if (step === 0) throw reader.malformed("a position twice");
    return {
      position,
      topicId: reader.varint(),
      qos: (flags & MESSAGE_QOS_2) !== 0 ? 2 : 1,
      holder: (flags & HOLDER) !== 0 ? reader.varint() : 0,
    };
  });
}

function decodeItems<Item>(
  value: Uint8Array,
  known: number,
  read: (reader: ByteReader, flags: number) => Item,
): Item[] {
  const reader = openRecord(value);
  const count = reader.varint();
  if (count === 0 || count * ITEM_BYTES_MIN > reader.remaining) throw reader.malformed("bad count");
  const items: Item[] = [];
  for (let i = 0; i < count; i += 1) {
    const flags = reader.byte();
    if ((flags & ~known) !== 0) throw reader.malformed("unknown flag");
    items.push(read(reader, flags));
  }
  reader.end();
  return items;
}
