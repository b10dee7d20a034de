/**
 * PUBLISH (MQTT 3.1.1, 3.3), decoded by hand: this is the path that every message takes. The acknowledgement is written when the
 * message is committed, never before.
 */
import { NO_PROPERTIES } from "../../commands/command.js";
import { uint16At } from "./bytes.js";
import type { Client } from "./client.js";
import { qosBits } from "./protocol.js";
import { PacketRefused } from "./refusal.js";

/**
 * Submits the message. Throws `PacketRefused`: cut short, packet id 0 (MQTT-2.3.1-1), a topic that no PUBLISH may carry, QoS 2, a payload above the
 * ceiling; at QoS 1 also a topic that is not allowed here (at QoS 0 the message is dropped and counted).
 */
export function handlePublish(
  client: Client,
  first: number,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  const qos = qosBits(first);
  const topicStart = start + 2;
  const topicEnd = topicStart + uint16At(bytes, start);
  const payloadStart = qos === 0 ? topicEnd : topicEnd + 2;
  if (topicStart > end || payloadStart > end)
    throw new PacketRefused("malformed_packet", "PUBLISH is cut short");
  const packetId = qos === 0 ? 0 : uint16At(bytes, topicEnd);
  if (qos > 0 && packetId === 0) throw new PacketRefused("malformed_packet", "PUBLISH with packet id 0");
  const { context } = client;
  const topic = context.topics.read(bytes, topicStart, topicEnd);
  if (qos > 1) throw new PacketRefused("qos2_unsupported", "PUBLISH at QoS 2");
  if (end - payloadStart > context.payloadBytesMax) {
    throw new PacketRefused("payload_too_large", `a payload of ${end - payloadStart} bytes`);
  }
  if (topic === null) {
    refuseTopic(client, qos);
    return;
  }
  const message = {
    // A view of the received chunk: `submit` copies it before it returns.
    payload: bytes.subarray(payloadStart, end),
    contentType: "",
    qos: qos === 0 ? (0 as const) : (1 as const),
    retain: (first & 1) === 1,
    expiresAtMs: 0,
    properties: NO_PROPERTIES,
  };
  context.broker.submit(
    {
      kind: "publish",
      topic,
      messages: [message],
      autoCreate: context.autoCreate,
      idempotency: null,
      publisher: 0,
      receipt: null,
    },
    client.publishes.open(packetId, message.payload.length),
  );
}

function refuseTopic(client: Client, qos: number): void {
  if (qos > 0)
    throw new PacketRefused(
      "invalid_topic",
      "PUBLISH to a topic that is too long, too deep or begins with $",
    );
  client.context.metrics.dropped("invalid_topic", 1);
}
