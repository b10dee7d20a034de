/**
 * Raft messages as bytes, versioned: what travels between peers. Little-endian; indexes and terms are 64-bit floats, which hold
 * every safe integer exactly. Pure.
 *
 *     version u8, kind u8, flags u8 (1 reject, 2 snapshot), then term, logTerm, index, commit, rejectHint (f64 each),
 *     to, from, context (u16 length + UTF-8), [snapshot: u32 length + JSON], entry count u32,
 *     entries: term f64, index f64, kind u8, length u32, data
 */
import { isChangeData } from "../change-data.js";
import { ClusterError } from "../errors.js";
import { parseJson, parseMeta } from "../log/snapshot-meta.js";
import { type Entry, EntryKind, PEER_MESSAGE_KINDS, type PeerMessage, type SnapshotMeta } from "../types.js";

/** Version of the format; a newer one is refused. */
export const MESSAGE_VERSION = 1;

const FLAG_REJECT = 1;
const FLAG_SNAPSHOT = 2;
const FIXED_BYTES = 3 + 5 * 8;
const ENTRY_HEADER_BYTES = 8 + 8 + 1 + 4;

/** Entry data at least this large are sent as they are; smaller ones are cheaper to copy. */
const BY_REFERENCE_BYTES = 8 * 1024;

/** Encodes a message; entries' data are copied. */
export function encodeMessage(message: PeerMessage): Uint8Array {
  return encode(message, 0, Number.POSITIVE_INFINITY)[0] ?? new Uint8Array(0);
}

/**
 * Encodes a message as buffers to be sent one after the other. Large entries' data are among them by reference. The first buffer
 * begins with `reservedBytes` that are the caller's to write.
 */
export function encodeMessageParts(message: PeerMessage, reservedBytes: number): [Buffer, ...Uint8Array[]] {
  return encode(message, reservedBytes, BY_REFERENCE_BYTES);
}

function encode(
  message: PeerMessage,
  reservedBytes: number,
  byReferenceBytes: number,
): [Buffer, ...Uint8Array[]] {
  const texts = [message.to, message.from, message.context].map((text) => Buffer.from(text, "utf8"));
  const snapshot = message.snapshot === null ? null : Buffer.from(JSON.stringify(message.snapshot), "utf8");
  let size = reservedBytes + FIXED_BYTES + 4 + (snapshot === null ? 0 : 4 + snapshot.byteLength);
  for (const text of texts) size += 2 + text.byteLength;
  for (const { data } of message.entries) {
    size += ENTRY_HEADER_BYTES + (data.byteLength < byReferenceBytes ? data.byteLength : 0);
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = writeHead(bytes, reservedBytes, message);
  for (const text of texts) {
    at = bytes.writeUInt16LE(text.byteLength, at);
    at += text.copy(bytes, at);
  }
  if (snapshot !== null) {
    at = bytes.writeUInt32LE(snapshot.byteLength, at);
    at += snapshot.copy(bytes, at);
  }
  return writeEntries(bytes, at, message.entries, byReferenceBytes);
}

/** Writes what has a fixed size; gives where it ends. */
function writeHead(bytes: Buffer, offset: number, message: PeerMessage): number {
  bytes[offset] = MESSAGE_VERSION;
  bytes[offset + 1] = message.kind;
  bytes[offset + 2] = (message.reject ? FLAG_REJECT : 0) | (message.snapshot === null ? 0 : FLAG_SNAPSHOT);
  let at = offset + 3;
  for (const value of [message.term, message.logTerm, message.index, message.commit, message.rejectHint]) {
    at = bytes.writeDoubleLE(value, at);
  }
  return at;
}

/** Writes the entries into `bytes` from `offset` on, cut where data go by reference; gives all parts of the message. */
function writeEntries(
  bytes: Buffer,
  offset: number,
  entries: readonly Entry[],
  byReferenceBytes: number,
): [Buffer, ...Uint8Array[]] {
  const parts: Uint8Array[] = [];
  let cutAt = 0;
  let at = bytes.writeUInt32LE(entries.length, offset);
  for (const entry of entries) {
    at = bytes.writeDoubleLE(entry.term, at);
    at = bytes.writeDoubleLE(entry.index, at);
    at = bytes.writeUInt8(entry.kind, at);
    at = bytes.writeUInt32LE(entry.data.byteLength, at);
    if (entry.data.byteLength < byReferenceBytes) {
      bytes.set(entry.data, at);
      at += entry.data.byteLength;
    } else {
      parts.push(bytes.subarray(cutAt, at), entry.data);
      cutAt = at;
    }
  }
  if (cutAt < at) parts.push(bytes.subarray(cutAt, at));
  const [, ...rest] = parts;
  return [bytes.subarray(0, parts[0]?.byteLength ?? 0), ...rest];
}

/** Decodes a message; entries' data are views of `bytes`. Throws `peer_frame` for anything that `encodeMessage` cannot have made. */
export function decodeMessage(bytes: Uint8Array): PeerMessage {
  const reader = new Reader(bytes);
  const version = reader.u8();
  if (version !== MESSAGE_VERSION)
    throw malformed(`version ${version}, this release knows ${MESSAGE_VERSION}`);
  const kind = reader.u8();
  if (!PEER_MESSAGE_KINDS.has(kind)) throw malformed(`a message of kind ${kind}`);
  const flags = reader.u8();
  if (flags > (FLAG_REJECT | FLAG_SNAPSHOT)) throw malformed(`flags ${flags}`);
  const [term, logTerm, index, commit, rejectHint] = [
    reader.integer(),
    reader.integer(),
    reader.integer(),
    reader.integer(),
    reader.integer(),
  ];
  const [to, from, context] = [
    reader.text(reader.u16()),
    reader.text(reader.u16()),
    reader.text(reader.u16()),
  ];
  const snapshot = flags & FLAG_SNAPSHOT ? decodeSnapshot(reader.text(reader.u32())) : null;
  const entries = reader.entries();
  reader.end();
  const reject = (flags & FLAG_REJECT) !== 0;
  return { kind, to, from, term, logTerm, index, entries, commit, snapshot, reject, rejectHint, context };
}

function malformed(what: string): ClusterError {
  return new ClusterError(
    "peer_frame",
    `a peer's frame is malformed (${what}): is something else speaking to the peer port?`,
  );
}

function decodeSnapshot(text: string): SnapshotMeta {
  const meta = parseMeta(parseJson(text));
  if (meta === null) throw malformed("snapshot metadata");
  return meta;
}

/** A cursor over bytes that checks every step. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  integer(): number {
    const value = this.#bytes.readDoubleLE(this.#take(8));
    if (!Number.isSafeInteger(value) || value < 0) throw malformed(`number ${value}`);
    return value;
  }

  text(length: number): string {
    const from = this.#take(length);
    return this.#bytes.toString("utf8", from, from + length);
  }

  entries(): Entry[] {
    const count = this.u32();
    const entries: Entry[] = [];
    for (let i = 0; i < count; i += 1) {
      const term = this.integer();
      const index = this.integer();
      const kind = this.u8();
      if (kind !== EntryKind.Command && kind !== EntryKind.ConfChange) throw malformed(`entry kind ${kind}`);
      const length = this.u32();
      const from = this.#take(length);
      const data = this.#bytes.subarray(from, from + length);
      if (kind === EntryKind.ConfChange && !isChangeData(data)) throw malformed("a change of membership");
      entries.push({ term, index, kind, data });
    }
    return entries;
  }

  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw malformed("bytes left over");
  }

  #take(length: number): number {
    const from = this.#at;
    if (from + length > this.#bytes.byteLength) throw malformed("it ends too early");
    this.#at = from + length;
    return from;
  }
}
