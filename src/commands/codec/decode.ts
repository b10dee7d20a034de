/**
 * Bytes to commands. What comes here was written by a node of the group and checked on its way, yet nothing is believed:
 * any byte string gives an envelope or one clear error, in time that grows with its length only.
 */
import { FatalError } from "../../errors.js";
import {
  type Command,
  type CreateTopicCommand,
  type Envelope,
  NO_PROPERTIES,
  type OutgoingMessage,
  type PublishCommand,
  type UpdateTopicCommand,
} from "../command.js";
import { ByteReader } from "./byte-reader.js";
import { decodeSessionCommand } from "./decode-session.js";
import * as format from "./format.js";
import { readPacketId } from "./packet-id.js";

/** The shortest command is one byte, the shortest message two: a count beyond that is a lie. */
const COMMAND_BYTES_MIN = 1;
const MESSAGE_BYTES_MIN = 2;

/**
 * Decodes what `EnvelopeEncoder` gave. Payloads are views of `bytes`, which must not change afterwards.
 * Throws `FatalError` `invalid_command` for malformed bytes, `command_version` for those of a newer version.
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const reader = new ByteReader(bytes, "invalid_command");
  const version = reader.byte();
  if (version > format.FORMAT_VERSION) {
    throw new FatalError(
      "command_version",
      `the log holds commands of version ${version}, this node reads up to ${format.FORMAT_VERSION}: start a newer release`,
    );
  }
  if (version === 0 || reader.byte() !== 0) throw reader.malformed("not an envelope");
  const count = reader.uint32();
  const sequence = reader.uint64();
  const timeMs = reader.uint64();
  const incarnation = reader.uint64();
  const origin = reader.sharedText();
  if (origin.length > format.ORIGIN_LENGTH_MAX) throw reader.malformed("origin too long");
  if (count * COMMAND_BYTES_MIN > reader.remaining) throw reader.malformed("count too large");
  const commands: Command[] = [];
  let lastTopic: string | null = null;
  for (let i = 0; i < count; i += 1) {
    const command = decodeCommand(reader, lastTopic);
    if (command.kind === "publish") lastTopic = command.topic;
    commands.push(command);
  }
  reader.end();
  return { origin, incarnation, sequence, timeMs, commands };
}

function decodeCommand(reader: ByteReader, lastTopic: string | null): Command {
  const flags = reader.byte();
  switch (flags & format.KIND_MASK) {
    case format.KIND_PUBLISH:
      return decodePublish(reader, flags, lastTopic);
    case format.KIND_CREATE:
      return decodeCreate(reader, flags);
    case format.KIND_UPDATE:
      return decodeUpdate(reader, flags);
    case format.KIND_DELETE:
      if (flags !== format.KIND_DELETE) throw reader.malformed("unknown flag");
      return { kind: "delete-topic", topic: reader.sharedText() };
    case format.KIND_GENESIS:
      if (flags !== format.KIND_GENESIS) throw reader.malformed("unknown flag");
      return { kind: "genesis", streamTag: reader.text() };
    case format.KIND_SESSION:
      return decodeSessionCommand(reader, flags);
    default:
      throw reader.malformed("unknown command");
  }
}

function decodePublish(reader: ByteReader, flags: number, lastTopic: string | null): PublishCommand {
  if ((flags & ~(format.KIND_MASK | format.PUBLISH_BITS)) !== 0) throw reader.malformed("unknown flag");
  const topic = (flags & format.PUBLISH_SAME_TOPIC) !== 0 ? lastTopic : reader.sharedText();
  if (topic === null) throw reader.malformed("no topic before");
  const autoCreate = (flags & format.PUBLISH_AUTO_CREATE) !== 0;
  const idempotency =
    (flags & format.PUBLISH_IDEMPOTENT) !== 0 ? { key: reader.text(), digest: reader.text() } : null;
  let publisher = 0;
  let receipt: PublishCommand["receipt"] = null;
  if ((flags & format.PUBLISH_SESSION) !== 0) {
    const doubled = reader.varint();
    publisher = Math.floor(doubled / 2);
    if (doubled % 2 === 1) receipt = { epoch: reader.varint(), packetId: readPacketId(reader) };
    else if (publisher === 0) throw reader.malformed("no publisher");
  }
  const messages = (flags & format.PUBLISH_SEVERAL) !== 0 ? decodeMessages(reader) : [decodeMessage(reader)];
  return { kind: "publish", topic, messages, autoCreate, idempotency, publisher, receipt };
}

function decodeMessages(reader: ByteReader): OutgoingMessage[] {
  const count = reader.varint();
  if (count < 2 || count * MESSAGE_BYTES_MIN > reader.remaining) throw reader.malformed("bad count");
  const messages: OutgoingMessage[] = [];
  for (let i = 0; i < count; i += 1) messages.push(decodeMessage(reader));
  return messages;
}

function decodeMessage(reader: ByteReader): OutgoingMessage {
  const flags = reader.byte();
  if ((flags & ~format.MESSAGE_BITS) !== 0) throw reader.malformed("unknown flag");
  const qos = flags & format.MESSAGE_QOS_MASK;
  if (qos !== 0 && qos !== 1 && qos !== 2) throw reader.malformed("no such QoS");
  const contentType = (flags & format.MESSAGE_CONTENT_TYPE) !== 0 ? reader.sharedText() : "";
  const expiresAtMs = (flags & format.MESSAGE_EXPIRES) !== 0 ? reader.varint() : 0;
  const properties = (flags & format.MESSAGE_PROPERTIES) !== 0 ? reader.blob() : NO_PROPERTIES;
  const payload = reader.blob();
  const retain = (flags & format.MESSAGE_RETAIN) !== 0;
  return { payload, contentType, qos, retain, expiresAtMs, properties };
}

function decodeCreate(reader: ByteReader, flags: number): CreateTopicCommand {
  if ((flags & ~(format.KIND_MASK | format.CREATE_BITS)) !== 0) throw reader.malformed("unknown flag");
  const topic = reader.sharedText();
  const ageMs = (flags & format.CREATE_AGE) !== 0 ? { ageMs: reader.varint() } : {};
  const bytes = (flags & format.CREATE_BYTES) !== 0 ? { bytes: reader.varint() } : {};
  return {
    kind: "create-topic",
    topic,
    retention: { ...ageMs, ...bytes },
    ifMissing: (flags & format.CREATE_IF_MISSING) !== 0,
  };
}

function decodeUpdate(reader: ByteReader, flags: number): UpdateTopicCommand {
  if ((flags & ~(format.KIND_MASK | format.UPDATE_BITS)) !== 0) throw reader.malformed("unknown flag");
  const topic = reader.sharedText();
  const ageMs = decodeChange(reader, flags, format.UPDATE_AGE, format.UPDATE_AGE_DEFAULT);
  const bytes = decodeChange(reader, flags, format.UPDATE_BYTES, format.UPDATE_BYTES_DEFAULT);
  return {
    kind: "update-topic",
    topic,
    retention: { ...(ageMs === undefined ? {} : { ageMs }), ...(bytes === undefined ? {} : { bytes }) },
  };
}

function decodeChange(
  reader: ByteReader,
  flags: number,
  set: number,
  toDefault: number,
): number | null | undefined {
  const isSet = (flags & set) !== 0;
  const isDefault = (flags & toDefault) !== 0;
  if (isSet && isDefault) throw reader.malformed("a field both set and not");
  if (isSet) return reader.varint();
  return isDefault ? null : undefined;
}
