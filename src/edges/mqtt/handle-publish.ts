/**
 * PUBLISH (MQTT 3.1.1, 3.3), decoded by hand: this is the path that every message takes. The acknowledgement is written when the
 * message is committed, never before.
 */
import type { Client } from "./client.js";
import { LEVEL_3_1_1 } from "./packets/protocol.js";
import { readPublish } from "./packets/publish.js";
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
  const packet = readPublish(LEVEL_3_1_1, first, bytes, start, end);
  const { qos, packetId, payload, retain, properties } = packet;
  const { context } = client;
  const topic = context.topics.read(bytes, packet.topicStart, packet.topicEnd);
  if (qos > 1) throw new PacketRefused("qos2_unsupported", "PUBLISH at QoS 2");
  if (payload.length > context.payloadBytesMax) {
    throw new PacketRefused("payload_too_large", `a payload of ${payload.length} bytes`);
  }
  if (topic === null) {
    refuseTopic(client, qos);
    return;
  }
  const message = {
    // A view of the received chunk: `submit` copies it before it returns.
    payload,
    contentType: "",
    qos,
    retain,
    expiresAtMs: 0,
    properties,
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
    client.publishes.open(packetId, payload.length),
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
