/** Bytes to commands about sessions, as session-format.ts says. Nothing is believed: no count is larger than the bytes that are left. */
import {
  type CloseSessionCommand,
  NO_PROPERTIES,
  type OpenSessionCommand,
  type SessionCommand,
  type SessionProgress,
  type SubscriptionOptions,
  type Will,
} from "../command.js";
import type { ByteReader } from "./byte-reader.js";
import * as format from "./format.js";
import { readPacketId } from "./packet-id.js";
import * as session from "./session-format.js";

/** The shortest that each can be. */
const SUBSCRIPTION_BYTES_MIN = 2;
const FILTER_BYTES_MIN = 2;
const ENTRY_BYTES_MIN = 3;
const POSITION_BYTES_MIN = 1;

const NO_POSITIONS: readonly number[] = Object.freeze([]);

/** `first`: the command's first byte, which is read already. */
export function decodeSessionCommand(reader: ByteReader, first: number): SessionCommand {
  switch (first >>> session.SESSION_SHIFT) {
    case session.SESSION_OPEN:
      return decodeOpen(reader);
    case session.SESSION_CLOSE:
      return decodeClose(reader);
    case session.SESSION_DISPLACE: {
      const forget = readFlags(reader, session.DISPLACE_FORGET) !== 0;
      return { kind: "displace-session", clientId: reader.text(), forget };
    }
    case session.SESSION_SUBSCRIBE: {
      const connection = readConnection(reader);
      const subscriptions = readList(reader, SUBSCRIPTION_BYTES_MIN, decodeSubscription);
      return { kind: "subscribe", ...connection, subscriptions };
    }
    case session.SESSION_UNSUBSCRIBE: {
      const connection = readConnection(reader);
      return {
        kind: "unsubscribe",
        ...connection,
        filters: readList(reader, FILTER_BYTES_MIN, decodeFilter),
      };
    }
    case session.SESSION_RELEASE:
      return { kind: "release", ...readConnection(reader), packetId: readPacketId(reader) };
    case session.SESSION_PROGRESS:
      return { kind: "progress", entries: readList(reader, ENTRY_BYTES_MIN, decodeEntry) };
    case session.SESSION_NODE_UP:
      return { kind: "node-up", mqtt: reader.text() };
    case session.SESSION_NODE_DOWN:
      return { kind: "node-down", node: reader.sharedText(), incarnation: reader.varint() };
    case session.SESSION_TICK:
      return { kind: "tick" };
    default:
      throw reader.malformed("unknown command");
  }
}

function readFlags(reader: ByteReader, known: number): number {
  const flags = reader.byte();
  if ((flags & ~known) !== 0) throw reader.malformed("unknown flag");
  return flags;
}

function readConnection(reader: ByteReader): { readonly session: number; readonly epoch: number } {
  return { session: reader.varint(), epoch: reader.varint() };
}

function readList<Item>(reader: ByteReader, bytesMin: number, read: (reader: ByteReader) => Item): Item[] {
  const count = reader.varint();
  if (count * bytesMin > reader.remaining) throw reader.malformed("count too large");
  const items: Item[] = [];
  for (let i = 0; i < count; i += 1) items.push(read(reader));
  return items;
}

function decodeOpen(reader: ByteReader): OpenSessionCommand {
  const flags = readFlags(reader, session.OPEN_BITS);
  const clientId = reader.text();
  const expirySeconds = reader.varint();
  const will = (flags & session.OPEN_WILL) !== 0 ? decodeWill(reader) : null;
  const cleanStart = (flags & session.OPEN_CLEAN_START) !== 0;
  return { kind: "open-session", clientId, cleanStart, expirySeconds, will };
}

function decodeWill(reader: ByteReader): Will {
  const flags = readFlags(reader, format.MESSAGE_BITS | session.WILL_DELAY);
  const qos = flags & format.MESSAGE_QOS_MASK;
  if (qos !== 0 && qos !== 1 && qos !== 2) throw reader.malformed("no such QoS");
  const topic = reader.sharedText();
  const contentType = (flags & format.MESSAGE_CONTENT_TYPE) !== 0 ? reader.sharedText() : "";
  const expirySeconds = (flags & format.MESSAGE_EXPIRES) !== 0 ? reader.varint() : 0;
  const properties = (flags & format.MESSAGE_PROPERTIES) !== 0 ? reader.blob() : NO_PROPERTIES;
  const delaySeconds = (flags & session.WILL_DELAY) !== 0 ? reader.varint() : 0;
  const payload = reader.blob();
  const retain = (flags & format.MESSAGE_RETAIN) !== 0;
  return { topic, payload, contentType, qos, retain, properties, expirySeconds, delaySeconds };
}

function decodeClose(reader: ByteReader): CloseSessionCommand {
  const flags = readFlags(reader, session.CLOSE_BITS);
  const connection = readConnection(reader);
  const expirySeconds = (flags & session.CLOSE_EXPIRY) !== 0 ? reader.varint() : null;
  const sentThrough = reader.varint();
  const withWill = (flags & session.CLOSE_WITH_WILL) !== 0;
  return { kind: "close-session", ...connection, withWill, expirySeconds, sentThrough };
}

function decodeSubscription(reader: ByteReader): SubscriptionOptions {
  const flags = reader.byte();
  const qos = flags & session.SUBSCRIPTION_QOS_MASK;
  if (qos !== 0 && qos !== 1 && qos !== 2) throw reader.malformed("no such QoS");
  const retainHandling = (flags >>> session.SUBSCRIPTION_RETAIN_HANDLING_SHIFT) & 0x03;
  if (retainHandling !== 0 && retainHandling !== 1 && retainHandling !== 2) {
    throw reader.malformed("no such retain handling");
  }
  const filter = reader.sharedText();
  const share = (flags & session.SUBSCRIPTION_SHARE) !== 0 ? reader.sharedText() : "";
  const subscriptionId = (flags & session.SUBSCRIPTION_ID) !== 0 ? reader.varint() : 0;
  return {
    filter,
    share,
    qos,
    noLocal: (flags & session.SUBSCRIPTION_NO_LOCAL) !== 0,
    retainAsPublished: (flags & session.SUBSCRIPTION_RETAIN_AS_PUBLISHED) !== 0,
    retainHandling,
    subscriptionId,
  };
}

function decodeFilter(reader: ByteReader): { readonly filter: string; readonly share: string } {
  return { filter: reader.sharedText(), share: reader.sharedText() };
}

function decodeEntry(reader: ByteReader): SessionProgress {
  const flags = readFlags(reader, session.PROGRESS_BITS);
  const connection = readConnection(reader);
  const source = (flags & session.PROGRESS_SOURCE) !== 0 ? reader.varint() : 0;
  const through = (flags & session.PROGRESS_THROUGH) !== 0 ? reader.varint() : 0;
  const sentThrough = (flags & session.PROGRESS_SENT_THROUGH) !== 0 ? reader.varint() : 0;
  const received = (flags & session.PROGRESS_RECEIVED) !== 0 ? readPositions(reader) : NO_POSITIONS;
  const done = (flags & session.PROGRESS_DONE) !== 0 ? readPositions(reader) : NO_POSITIONS;
  return { ...connection, source, through, sentThrough, received, done };
}

function readPositions(reader: ByteReader): readonly number[] {
  return readList(reader, POSITION_BYTES_MIN, (from) => from.varint());
}
