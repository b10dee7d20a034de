/**
 * Commands to bytes. Each is encoded when it is added, so that its payload may be used again at once; the envelope's
 * sequence and time are filled in when it is finished.
 */
import { FatalError } from "../../errors.js";
import type {
  Command,
  CreateTopicCommand,
  OutgoingMessage,
  PublishCommand,
  UpdateTopicCommand,
} from "../command.js";
import { ByteWriter } from "./byte-writer.js";
import { encodeSessionCommand } from "./encode-session.js";
import * as format from "./format.js";
import { writePacketId } from "./packet-id.js";

const DEFAULT_CAPACITY_HINT = 64 * 1024;

/** Encodes one envelope at a time: `begin`, `add` as often as wanted, `finish`, and again. */
export class EnvelopeEncoder {
  readonly #writer: ByteWriter;
  #count = 0;
  #begun = false;
  #lastTopic: string | null = null;

  /** `capacityHint`: bytes of a usual envelope. Larger ones work too. */
  constructor(capacityHint: number = DEFAULT_CAPACITY_HINT) {
    this.#writer = new ByteWriter(capacityHint);
  }

  /** Commands added since `begin`. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of the envelope so far, header included. */
  get bytes(): number {
    return this.#writer.length;
  }

  /** Starts an envelope; what was begun and not finished is thrown away. An origin has at most 128 characters. */
  begin(origin: string, incarnation: number): void {
    if (origin.length > format.ORIGIN_LENGTH_MAX) throw new FatalError("invalid_command", "origin too long");
    const writer = this.#writer;
    writer.rewind(0);
    this.#count = 0;
    this.#lastTopic = null;
    writer.skip(format.HEADER_BYTES);
    writer.byteAt(0, format.FORMAT_VERSION);
    writer.byteAt(format.FLAGS_AT, 0);
    writer.uint64At(format.INCARNATION_AT, incarnation);
    writer.text(origin);
    this.#begun = true;
  }

  /**
   * Adds a command and returns the bytes so far. Payloads are copied. Throws `FatalError` `invalid_command` for a number that
   * is out of range (a safe integer from 0 up, if nothing narrower is said) or a publish without messages; the envelope is then as it
   * was before.
   */
  add(command: Command): number {
    if (!this.#begun) throw new FatalError("invalid_command", "an envelope has to be begun first");
    const before = this.#writer.length;
    try {
      this.#encode(command);
    } catch (error) {
      this.#writer.rewind(before);
      throw error;
    }
    if (command.kind === "publish") this.#lastTopic = command.topic;
    this.#count += 1;
    return this.#writer.length;
  }

  /** The envelope's bytes, exactly sized and never touched again. `begin` has to be called before the next `add`. */
  finish(sequence: number, timeMs: number): Uint8Array {
    if (!this.#begun) throw new FatalError("invalid_command", "an envelope has to be begun first");
    const writer = this.#writer;
    writer.uint32At(format.COUNT_AT, this.#count);
    writer.uint64At(format.SEQUENCE_AT, sequence);
    writer.uint64At(format.TIME_AT, timeMs);
    this.#begun = false;
    this.#count = 0;
    return writer.take();
  }

  #encode(command: Command): void {
    const writer = this.#writer;
    switch (command.kind) {
      case "publish":
        encodePublish(writer, command, command.topic === this.#lastTopic);
        return;
      case "create-topic":
        encodeCreate(writer, command);
        return;
      case "update-topic":
        encodeUpdate(writer, command);
        return;
      case "delete-topic":
        writer.byte(format.KIND_DELETE);
        writer.text(command.topic);
        return;
      case "genesis":
        writer.byte(format.KIND_GENESIS);
        writer.text(command.streamTag);
        return;
      default:
        encodeSessionCommand(writer, command);
    }
  }
}

function encodePublish(writer: ByteWriter, command: PublishCommand, sameTopic: boolean): void {
  const { messages, idempotency, publisher, receipt } = command;
  const first = messages[0];
  if (first === undefined) throw new FatalError("invalid_command", "a publish has at least one message");
  let flags = format.KIND_PUBLISH;
  if (sameTopic) flags |= format.PUBLISH_SAME_TOPIC;
  if (command.autoCreate) flags |= format.PUBLISH_AUTO_CREATE;
  if (idempotency !== null) flags |= format.PUBLISH_IDEMPOTENT;
  if (messages.length > 1) flags |= format.PUBLISH_SEVERAL;
  if (publisher !== 0 || receipt !== null) flags |= format.PUBLISH_SESSION;
  writer.byte(flags);
  if (!sameTopic) writer.text(command.topic);
  if (idempotency !== null) {
    writer.text(idempotency.key);
    writer.text(idempotency.digest);
  }
  if ((flags & format.PUBLISH_SESSION) !== 0) encodePublisher(writer, publisher, receipt);
  if (messages.length === 1) {
    encodeMessage(writer, first);
    return;
  }
  writer.varint(messages.length);
  for (const message of messages) encodeMessage(writer, message);
}

function encodePublisher(writer: ByteWriter, publisher: number, receipt: PublishCommand["receipt"]): void {
  if (!Number.isSafeInteger(publisher)) throw new FatalError("invalid_command", `no session: ${publisher}`);
  writer.varint(2 * publisher + (receipt === null ? 0 : 1));
  if (receipt === null) return;
  writer.varint(receipt.epoch);
  writePacketId(writer, receipt.packetId);
}

function encodeMessage(writer: ByteWriter, message: OutgoingMessage): void {
  const { contentType, expiresAtMs, properties } = message;
  let flags: number = message.qos;
  if (message.retain) flags |= format.MESSAGE_RETAIN;
  if (contentType !== "") flags |= format.MESSAGE_CONTENT_TYPE;
  if (expiresAtMs !== 0) flags |= format.MESSAGE_EXPIRES;
  if (properties.byteLength !== 0) flags |= format.MESSAGE_PROPERTIES;
  writer.byte(flags);
  if (contentType !== "") writer.text(contentType);
  if (expiresAtMs !== 0) writer.varint(expiresAtMs);
  if (properties.byteLength !== 0) writer.blob(properties);
  writer.blob(message.payload);
}

function encodeCreate(writer: ByteWriter, command: CreateTopicCommand): void {
  const { ageMs, bytes } = command.retention;
  let flags = format.KIND_CREATE;
  if (command.ifMissing) flags |= format.CREATE_IF_MISSING;
  if (ageMs !== undefined) flags |= format.CREATE_AGE;
  if (bytes !== undefined) flags |= format.CREATE_BYTES;
  writer.byte(flags);
  writer.text(command.topic);
  if (ageMs !== undefined) writer.varint(ageMs);
  if (bytes !== undefined) writer.varint(bytes);
}

function encodeUpdate(writer: ByteWriter, command: UpdateTopicCommand): void {
  const { ageMs, bytes } = command.retention;
  let flags = format.KIND_UPDATE;
  if (ageMs === null) flags |= format.UPDATE_AGE_DEFAULT;
  else if (ageMs !== undefined) flags |= format.UPDATE_AGE;
  if (bytes === null) flags |= format.UPDATE_BYTES_DEFAULT;
  else if (bytes !== undefined) flags |= format.UPDATE_BYTES;
  writer.byte(flags);
  writer.text(command.topic);
  if (typeof ageMs === "number") writer.varint(ageMs);
  if (typeof bytes === "number") writer.varint(bytes);
}
