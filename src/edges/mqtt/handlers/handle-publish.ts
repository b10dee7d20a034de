/**
 * PUBLISH (MQTT 3.1.1 and 5.0, 3.3): the path that every message takes. The acknowledgement is written when the message is committed,
 * never before.
 */

import { limits } from "../../../limits.js";
import { byteAt } from "../bytes.js";
import type { Client } from "../client.js";
import { Hold } from "../hold.js";
import type { AckType } from "../packets/acknowledgement.js";
import { reasonFor } from "../packets/error-reasons.js";
import { LEVEL_3_1_1, LEVEL_5, PacketType } from "../packets/protocol.js";
import { type PublishPacket, readPublish } from "../packets/publish.js";
import type { Reason } from "../packets/reason-codes.js";
import { PacketRefused, type RefusalCode } from "../refusal.js";

const DOLLAR = 0x24;

/**
 * Submits the message. Throws `PacketRefused`: what `readPublish` and `TopicCache.read` throw, a bad topic alias, a payload above the ceiling, more
 * unanswered publishes than Receive Maximum (MQTT-3.3.4-9).
 */
export function handlePublish(
  client: Client,
  first: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  const { context, session, publishes } = client;
  const packet = readPublish(client.level, first, bytes, start, end);
  const { qos, packetId, payload } = packet;
  const topic =
    packet.topicAlias === 0
      ? context.topics.read(bytes, packet.topicStart, packet.topicEnd)
      : aliasedTopic(client, packet, bytes);
  if (payload.length > context.payloadBytesMax) {
    throw new PacketRefused("payload_too_large", `a payload of ${payload.length} bytes`);
  }
  if (qos > 0) checkQuota(client, packet);
  if (topic === null) {
    refuseTopic(client, packet, bytes);
    return;
  }
  if (packet.hasFormatError) {
    refuse(client, packet, "payload_format_invalid");
    return;
  }
  if (qos === 2 && isRepeated(client, packetId)) return;
  context.broker.submit(
    {
      kind: "publish",
      topic,
      messages: [
        {
          // A view of the received chunk, as the properties are: `submit` copies them before it returns.
          payload,
          contentType: packet.contentType,
          qos,
          retain: packet.retain,
          expiresAtMs:
            packet.expirySeconds === null ? 0 : context.broker.nowMs() + packet.expirySeconds * 1000,
          properties: packet.properties,
        },
      ],
      autoCreate: context.autoCreate,
      idempotency: null,
      publisher: session.number,
      receipt: qos === 2 && session.isKept ? { epoch: session.epoch, packetId } : null,
    },
    publishes.open(answerType(qos), packetId, payload.length),
  );
  if (publishes.isFull) client.connection.hold(Hold.Publishes);
}

function answerType(qos: 0 | 1 | 2): AckType | 0 {
  if (qos === 0) return 0;
  return qos === 1 ? PacketType.Puback : PacketType.Pubrec;
}

/** The topic that the alias stands for, from now on if the packet names one (3.3.2.3.4). */
function aliasedTopic(
  { aliases, context }: Client,
  { topicAlias, topicStart, topicEnd }: PublishPacket,
  bytes: Buffer,
): string | null {
  if (topicStart === topicEnd) return aliases.get(topicAlias);
  const topic = context.topics.read(bytes, topicStart, topicEnd);
  aliases.set(topicAlias, topic);
  return topic;
}

/** A client of 3.1.1 is only slowed; one of 5.0 was told, and QoS 1 alone never comes so far (MQTT-3.3.4-9). */
function checkQuota({ level, publishes, receipts }: Client, { qos, packetId }: PublishPacket): void {
  if (level !== LEVEL_5 || publishes.pubacksDue + receipts.size < limits.receiveMax) return;
  if (qos === 2 && receipts.has(packetId)) return;
  throw new PacketRefused(
    "receive_maximum_exceeded",
    `more than ${limits.receiveMax} publishes without an answer`,
  );
}

/**
 * QoS 2: the identifier is in use until PUBREL. What a session that is kept has received, the group knows, and appends once (4.3.3); of the
 * others this connection knows it. Returns whether the message was received before, which is answered.
 */
function isRepeated({ receipts, session, publishes }: Client, packetId: number): boolean {
  const isKnown = receipts.has(packetId) && !session.isKept;
  receipts.add(packetId);
  if (isKnown) publishes.answer(PacketType.Pubrec, packetId);
  return isKnown;
}

/**
 * A topic that is too long, too deep or the broker's own (`$`). 5.0 is told; 3.1.1 gets a positive answer for the broker's own, as other
 * servers give (MQTT-3.3.5-2), and the end of the connection for the others, which it cannot have meant.
 */
function refuseTopic(client: Client, packet: PublishPacket, bytes: Buffer): void {
  const isOwn = byteAt(bytes, packet.topicStart) === DOLLAR;
  if (client.level !== LEVEL_3_1_1 || packet.qos === 0) {
    refuse(client, packet, "invalid_topic");
    return;
  }
  if (!isOwn) throw new PacketRefused("invalid_topic", "PUBLISH to a topic that is too long or too deep");
  client.context.metrics.dropped("invalid_topic", 1);
  client.publishes.answer(packet.qos === 1 ? PacketType.Puback : PacketType.Pubrec, packet.packetId);
}

/** Drops what nobody can be told of, answers what somebody waits for. */
function refuse(client: Client, { qos, packetId }: PublishPacket, code: RefusalCode): void {
  const { metrics } = client.context;
  if (qos === 0) {
    metrics.dropped(code, 1);
    return;
  }
  metrics.refused(code);
  const [type, packet] =
    qos === 1 ? [PacketType.Puback, "puback" as const] : [PacketType.Pubrec, "pubrec" as const];
  const reason: Reason = reasonFor(packet, code);
  client.publishes.answer(type, packetId, { reason, words: "" });
}
