/**
 * Sessions and nodes as records. What changes with every acknowledgement is apart from what changes with a connection or a
 * subscription; sessions that are not kept have no progress.
 *
 *     s/<number>   flags clientId epoch expirySeconds createdAtMs sinceMs openedAt closedAt [node] [endsAtMs] [willAtMs] [will]
 *                  count subscription...
 *     will         flags topic contentType expirySeconds delaySeconds properties payload
 *     subscription flags filter since end [share source] [subscriptionId]
 *     p/<number>   sentThrough state count (source asOf state count option... [count gone...])... count packetId...
 *     state        through count done... count received...
 *     option       flags filter [subscriptionId]
 *     n/<node>     flags incarnation mqtt
 */
import type { ByteReader } from "../commands/codec/byte-reader.js";
import type { ByteWriter } from "../commands/codec/byte-writer.js";
import { ownedCopy } from "../commands/codec/owned-copy.js";
import type { SubscriptionOptions, Will } from "../commands/command.js";
import { DeliveryProgress, PassProgress } from "./delivery-progress.js";
import { openRecord, RECORD_VERSION, RECORD_VERSION_GONE } from "./records.js";
import { SessionState } from "./session-state.js";
import { StoredSubscription, termsOf } from "./subscription.js";

const SESSION_KEPT = 1;
const SESSION_OWNED = 2;
const SESSION_ENDS = 4;
const SESSION_WILL = 8;
const SESSION_WILL_WAITS = 16;
const SESSION_BITS = 31;

const SUBSCRIPTION_SHARE = 64;
const SUBSCRIPTION_ID = 128;

/** A session as it is loaded: its owner is a start of that node, which may come in a later record. */
export interface LoadedSession {
  readonly session: SessionState;
  readonly node: string | null;
}

export function encodeSession(writer: ByteWriter, session: SessionState): void {
  const { owner, endsAtMs, will, willAtMs } = session;
  writer.byte(RECORD_VERSION);
  writer.byte(
    (session.isKept ? SESSION_KEPT : 0) |
      (owner === null ? 0 : SESSION_OWNED) |
      (endsAtMs === 0 ? 0 : SESSION_ENDS) |
      (will === null ? 0 : SESSION_WILL) |
      (willAtMs === 0 ? 0 : SESSION_WILL_WAITS),
  );
  writer.text(session.clientId);
  writer.varint(session.epoch);
  writer.varint(session.expirySeconds);
  writer.varint(session.createdAtMs);
  writer.varint(session.sinceMs);
  writer.varint(session.openedAt);
  writer.varint(session.closedAt);
  if (owner !== null) writer.text(owner.node);
  if (endsAtMs !== 0) writer.varint(endsAtMs);
  if (willAtMs !== 0) writer.varint(willAtMs);
  if (will !== null) encodeWill(writer, will);
  writer.varint(session.subscriptions.length);
  for (const subscription of session.subscriptions) encodeSubscription(writer, subscription);
}

/** Nothing in it is a view of `value`. */
export function decodeSession(number: number, value: Uint8Array): LoadedSession {
  const reader = openRecord(value);
  const flags = flagsOf(reader, SESSION_BITS);
  const clientId = reader.text();
  const epoch = reader.varint();
  const expirySeconds = reader.varint();
  const session = new SessionState(number, clientId, (flags & SESSION_KEPT) !== 0, reader.varint(), 0);
  session.epoch = epoch;
  session.expirySeconds = expirySeconds;
  session.sinceMs = reader.varint();
  session.openedAt = reader.varint();
  session.closedAt = reader.varint();
  const node = (flags & SESSION_OWNED) === 0 ? null : reader.sharedText();
  if ((flags & SESSION_ENDS) !== 0) session.endsAtMs = reader.varint();
  if ((flags & SESSION_WILL_WAITS) !== 0) session.willAtMs = reader.varint();
  if ((flags & SESSION_WILL) !== 0) session.will = decodeWill(reader);
  const subscriptions = listOf(reader, decodeSubscription);
  if (subscriptions.length > 0) session.subscriptions = subscriptions;
  reader.end();
  return { session, node };
}

function encodeWill(writer: ByteWriter, will: Will): void {
  writer.byte(will.qos | (will.retain ? 4 : 0));
  writer.text(will.topic);
  writer.text(will.contentType);
  writer.varint(will.expirySeconds);
  writer.varint(will.delaySeconds);
  writer.blob(will.properties);
  writer.blob(will.payload);
}

function decodeWill(reader: ByteReader): Will {
  const flags = flagsOf(reader, 7);
  return Object.freeze({
    qos: qosOf(reader, flags & 3),
    retain: (flags & 4) !== 0,
    topic: reader.text(),
    contentType: reader.sharedText(),
    expirySeconds: reader.varint(),
    delaySeconds: reader.varint(),
    properties: ownedCopy(reader.blob()),
    payload: ownedCopy(reader.blob()),
  });
}

function optionFlags(options: SubscriptionOptions): number {
  return (
    options.qos |
    (options.retainHandling << 2) |
    (options.noLocal ? 16 : 0) |
    (options.retainAsPublished ? 32 : 0) |
    (options.share === "" ? 0 : SUBSCRIPTION_SHARE) |
    (options.subscriptionId === 0 ? 0 : SUBSCRIPTION_ID)
  );
}

function encodeSubscription(writer: ByteWriter, subscription: StoredSubscription): void {
  const { filter, share, source, since, end, subscriptionId } = subscription;
  writer.byte(optionFlags(subscription));
  writer.text(filter);
  writer.varint(since);
  writer.varint(end);
  if (share !== "") {
    writer.text(share);
    writer.varint(source);
  }
  if (subscriptionId !== 0) writer.varint(subscriptionId);
}

function decodeSubscription(reader: ByteReader): StoredSubscription {
  const flags = reader.byte();
  const filter = reader.sharedText();
  const since = reader.varint();
  const end = reader.varint();
  const isShared = (flags & SUBSCRIPTION_SHARE) !== 0;
  const share = isShared ? reader.sharedText() : "";
  const source = isShared ? reader.varint() : 0;
  const terms = termsOf({ ...decodeOptions(reader, flags), share }, source);
  return new StoredSubscription(filter, terms, since, end);
}

/** Reads the subscription identifier, which comes last. */
function decodeOptions(reader: ByteReader, flags: number): Omit<SubscriptionOptions, "filter" | "share"> {
  return {
    qos: qosOf(reader, flags & 3),
    retainHandling: qosOf(reader, (flags >> 2) & 3),
    noLocal: (flags & 16) !== 0,
    retainAsPublished: (flags & 32) !== 0,
    subscriptionId: (flags & SUBSCRIPTION_ID) === 0 ? 0 : reader.varint(),
  };
}

/** The progress of a session that is kept. */
export interface ProgressRecord {
  readonly sentThrough: number;
  readonly live: DeliveryProgress;
  readonly passes: readonly PassProgress[];
  readonly incoming: readonly number[];
}

export function encodeProgress(writer: ByteWriter, session: SessionState): void {
  const hasGone = session.passes.some(({ gone }) => gone.length > 0);
  writer.byte(hasGone ? RECORD_VERSION_GONE : RECORD_VERSION);
  writer.varint(session.sentThrough);
  encodeState(writer, session.live);
  writer.varint(session.passes.length);
  for (const pass of session.passes) {
    encodePass(writer, pass);
    if (hasGone) encodePositions(writer, pass.gone, pass.through);
  }
  // A set is in the order in which its members came: equal states are equal bytes.
  const incoming = [...session.incoming].sort((a, b) => a - b);
  writer.varint(incoming.length);
  for (const packetId of incoming) writer.varint(packetId);
}

export function decodeProgress(value: Uint8Array): ProgressRecord {
  const reader = openRecord(value, RECORD_VERSION_GONE);
  const sentThrough = reader.varint();
  const live = decodeState(reader, new DeliveryProgress(0));
  const hasGone = value[0] === RECORD_VERSION_GONE;
  const passes = listOf(reader, () => decodePass(reader, hasGone));
  const incoming = listOf(reader, () => reader.varint());
  reader.end();
  return { sentThrough, live, passes, incoming };
}

function encodePass(writer: ByteWriter, pass: PassProgress): void {
  writer.varint(pass.source);
  writer.varint(pass.asOf);
  encodeState(writer, pass);
  writer.varint(pass.subscriptions.length);
  for (const options of pass.subscriptions) {
    writer.byte(optionFlags(options));
    writer.text(options.filter);
    if (options.subscriptionId !== 0) writer.varint(options.subscriptionId);
  }
}

function decodePass(reader: ByteReader, hasGone: boolean): PassProgress {
  const source = reader.varint();
  const asOf = reader.varint();
  const state = decodeState(reader, new DeliveryProgress(0));
  const subscriptions = listOf(reader, () => {
    const flags = reader.byte();
    const filter = reader.sharedText();
    return Object.freeze({ filter, share: "", ...decodeOptions(reader, flags) });
  });
  const pass = new PassProgress(source, asOf, subscriptions);
  pass.take(state);
  if (hasGone) pass.gone = decodeGone(reader, pass);
  return pass;
}

function decodeGone(reader: ByteReader, { through, asOf }: PassProgress): readonly number[] {
  const gone = decodePositions(reader, through);
  const isInOrder = gone.every((position, index) => position > (gone[index - 1] ?? through));
  if (!isInOrder || (gone.at(-1) ?? 0) > asOf) throw reader.malformed("positions that are gone");
  return Object.freeze(gone);
}

function encodeState(writer: ByteWriter, { through, done, received }: DeliveryProgress): void {
  writer.varint(through);
  encodePositions(writer, done, through);
  encodePositions(writer, received, through);
}

function decodeState(reader: ByteReader, state: DeliveryProgress): DeliveryProgress {
  const through = reader.varint();
  const done = decodePositions(reader, through);
  const received = decodePositions(reader, through);
  state.take({ through, done, received });
  return state;
}

/** As what they are above `through`. */
function encodePositions(writer: ByteWriter, positions: readonly number[], through: number): void {
  writer.varint(positions.length);
  for (const position of positions) writer.varint(position - through);
}

function decodePositions(reader: ByteReader, through: number): number[] {
  return listOf(reader, () => through + reader.varint());
}

/** A start of a node and whether it counts as up. */
export interface NodeRecord {
  readonly incarnation: number;
  readonly mqtt: string;
  readonly isUp: boolean;
}

export function encodeNode(writer: ByteWriter, node: NodeRecord): void {
  writer.byte(RECORD_VERSION);
  writer.byte(node.isUp ? 1 : 0);
  writer.varint(node.incarnation);
  writer.text(node.mqtt);
}

export function decodeNode(value: Uint8Array): NodeRecord {
  const reader = openRecord(value);
  const isUp = flagsOf(reader, 1) === 1;
  const record = { isUp, incarnation: reader.varint(), mqtt: reader.text() };
  reader.end();
  return record;
}

/** Each item is a byte at least, so that a wrong count cannot ask for more memory than there are bytes. */
function listOf<Item>(reader: ByteReader, decode: (reader: ByteReader) => Item): Item[] {
  const count = reader.varint();
  if (count > reader.remaining) throw reader.malformed("end reached");
  const items: Item[] = new Array(count);
  for (let i = 0; i < count; i += 1) items[i] = decode(reader);
  return items;
}

function flagsOf(reader: ByteReader, known: number): number {
  const flags = reader.byte();
  if ((flags & ~known) !== 0) throw reader.malformed("unknown flag");
  return flags;
}

/** A quality of service, or a Retain Handling: both are 0, 1 or 2. */
function qosOf(reader: ByteReader, value: number): 0 | 1 | 2 {
  if (value !== 0 && value !== 1 && value !== 2) throw reader.malformed("no such QoS");
  return value;
}
