/** Commands about sessions to bytes, as session-format.ts says. */
import type {
  CloseSessionCommand,
  OpenSessionCommand,
  ProgressCommand,
  SessionCommand,
  SessionProgress,
  SubscribeCommand,
  SubscriptionOptions,
  UnsubscribeCommand,
  Will,
} from "../command.js";
import type { ByteWriter } from "./byte-writer.js";
import * as format from "./format.js";
import { writePacketId } from "./packet-id.js";
import * as session from "./session-format.js";

/** Throws `FatalError` `invalid_command` for a number that is out of range. */
export function encodeSessionCommand(writer: ByteWriter, command: SessionCommand): void {
  switch (command.kind) {
    case "open-session":
      encodeOpen(writer, command);
      return;
    case "close-session":
      encodeClose(writer, command);
      return;
    case "displace-session":
      lead(writer, session.SESSION_DISPLACE);
      writer.byte(command.forget ? session.DISPLACE_FORGET : 0);
      writer.text(command.clientId);
      return;
    case "subscribe":
      encodeSubscribe(writer, command);
      return;
    case "unsubscribe":
      encodeUnsubscribe(writer, command);
      return;
    case "release":
      lead(writer, session.SESSION_RELEASE);
      writeConnection(writer, command);
      writePacketId(writer, command.packetId);
      return;
    case "progress":
      encodeProgress(writer, command);
      return;
    case "node-up":
      lead(writer, session.SESSION_NODE_UP);
      writer.text(command.mqtt);
      return;
    case "node-down":
      lead(writer, session.SESSION_NODE_DOWN);
      writer.text(command.node);
      writer.varint(command.incarnation);
      return;
    case "tick":
      lead(writer, session.SESSION_TICK);
      return;
  }
}

function lead(writer: ByteWriter, which: number): void {
  writer.byte(format.KIND_SESSION | (which << session.SESSION_SHIFT));
}

function writeConnection(writer: ByteWriter, of: { readonly session: number; readonly epoch: number }): void {
  writer.varint(of.session);
  writer.varint(of.epoch);
}

function encodeOpen(writer: ByteWriter, command: OpenSessionCommand): void {
  const { will } = command;
  let flags = 0;
  if (command.cleanStart) flags |= session.OPEN_CLEAN_START;
  if (will !== null) flags |= session.OPEN_WILL;
  lead(writer, session.SESSION_OPEN);
  writer.byte(flags);
  writer.text(command.clientId);
  writer.varint(command.expirySeconds);
  if (will !== null) encodeWill(writer, will);
}

function encodeWill(writer: ByteWriter, will: Will): void {
  const { contentType, expirySeconds, properties, delaySeconds } = will;
  let flags: number = will.qos;
  if (will.retain) flags |= format.MESSAGE_RETAIN;
  if (contentType !== "") flags |= format.MESSAGE_CONTENT_TYPE;
  if (expirySeconds !== 0) flags |= format.MESSAGE_EXPIRES;
  if (properties.byteLength !== 0) flags |= format.MESSAGE_PROPERTIES;
  if (delaySeconds !== 0) flags |= session.WILL_DELAY;
  writer.byte(flags);
  writer.text(will.topic);
  if (contentType !== "") writer.text(contentType);
  if (expirySeconds !== 0) writer.varint(expirySeconds);
  if (properties.byteLength !== 0) writer.blob(properties);
  if (delaySeconds !== 0) writer.varint(delaySeconds);
  writer.blob(will.payload);
}

function encodeClose(writer: ByteWriter, command: CloseSessionCommand): void {
  const { expirySeconds } = command;
  let flags = 0;
  if (command.withWill) flags |= session.CLOSE_WITH_WILL;
  if (expirySeconds !== null) flags |= session.CLOSE_EXPIRY;
  lead(writer, session.SESSION_CLOSE);
  writer.byte(flags);
  writeConnection(writer, command);
  if (expirySeconds !== null) writer.varint(expirySeconds);
  writer.varint(command.sentThrough);
}

function encodeSubscribe(writer: ByteWriter, command: SubscribeCommand): void {
  lead(writer, session.SESSION_SUBSCRIBE);
  writeConnection(writer, command);
  writer.varint(command.subscriptions.length);
  for (const subscription of command.subscriptions) encodeSubscription(writer, subscription);
}

function encodeSubscription(writer: ByteWriter, subscription: SubscriptionOptions): void {
  const { filter, share, subscriptionId } = subscription;
  let flags = subscription.qos | (subscription.retainHandling << session.SUBSCRIPTION_RETAIN_HANDLING_SHIFT);
  if (subscription.noLocal) flags |= session.SUBSCRIPTION_NO_LOCAL;
  if (subscription.retainAsPublished) flags |= session.SUBSCRIPTION_RETAIN_AS_PUBLISHED;
  if (share !== "") flags |= session.SUBSCRIPTION_SHARE;
  if (subscriptionId !== 0) flags |= session.SUBSCRIPTION_ID;
  writer.byte(flags);
  writer.text(filter);
  if (share !== "") writer.text(share);
  if (subscriptionId !== 0) writer.varint(subscriptionId);
}

function encodeUnsubscribe(writer: ByteWriter, command: UnsubscribeCommand): void {
  lead(writer, session.SESSION_UNSUBSCRIBE);
  writeConnection(writer, command);
  writer.varint(command.filters.length);
  for (const { filter, share } of command.filters) {
    writer.text(filter);
    writer.text(share);
  }
}

function encodeProgress(writer: ByteWriter, command: ProgressCommand): void {
  lead(writer, session.SESSION_PROGRESS);
  writer.varint(command.entries.length);
  for (const entry of command.entries) encodeEntry(writer, entry);
}

function encodeEntry(writer: ByteWriter, entry: SessionProgress): void {
  const { source, through, sentThrough, received, done } = entry;
  let flags = 0;
  if (source !== 0) flags |= session.PROGRESS_SOURCE;
  if (through !== 0) flags |= session.PROGRESS_THROUGH;
  if (sentThrough !== 0) flags |= session.PROGRESS_SENT_THROUGH;
  if (received.length !== 0) flags |= session.PROGRESS_RECEIVED;
  if (done.length !== 0) flags |= session.PROGRESS_DONE;
  writer.byte(flags);
  writeConnection(writer, entry);
  if (source !== 0) writer.varint(source);
  if (through !== 0) writer.varint(through);
  if (sentThrough !== 0) writer.varint(sentThrough);
  if (received.length !== 0) writePositions(writer, received);
  if (done.length !== 0) writePositions(writer, done);
}

function writePositions(writer: ByteWriter, positions: readonly number[]): void {
  writer.varint(positions.length);
  for (const position of positions) writer.varint(position);
}
