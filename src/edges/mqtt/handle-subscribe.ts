/** SUBSCRIBE (MQTT 3.1.1, 3.8): filters are granted, or refused one by one in SUBACK; retained messages follow. */
import { limits } from "../../limits.js";
import type { Filter } from "../../topics/filter-set.js";
import { isTopicFilter, isTopicName } from "../../topics/topic-name.js";
import { uint16At } from "./bytes.js";
import type { Client } from "./client.js";
import { decodeSubscribe } from "./decode.js";
import { PacketType, SUBACK_FAILURE } from "./protocol.js";

/** QoS 1 is the most that is granted (3.9.3 allows a lower QoS than asked for). */
const QOS_MAX = 1;

/**
 * Answers with one code a filter, in their order (MQTT-3.8.4-5): the granted QoS, or failure for a filter that is not valid or beyond the
 * connection's ceiling. The subscription stands before SUBACK is written, at the end of the chunk; retained messages come after it and before live ones.
 */
export function handleSubscribe(client: Client, bytes: Buffer, start: number, end: number): void {
  const { subscriptions: asked } = decodeSubscribe(bytes, start, end);
  const { subscriptions, context, sink } = client;
  const granted: Filter[] = [];
  const added = new Set<string>();
  const codes = asked.map(({ topic, qos }) => {
    const isNew = !subscriptions.has(topic) && !added.has(topic);
    const isFull = subscriptions.size + added.size >= limits.subscriptionsPerConnectionMax;
    if (!isTopicFilter(topic) || (isNew && isFull)) {
      context.metrics.refused(isTopicFilter(topic) ? "too_many_subscriptions" : "invalid_filter");
      return SUBACK_FAILURE;
    }
    if (isNew) added.add(topic);
    const grant = qos === 0 ? 0 : QOS_MAX;
    granted.push({ filter: topic, qos: grant });
    return grant;
  });
  if (granted.length > 0) {
    subscriptions.add(granted);
    sink.wantRetained(granted);
  }
  client.connection.reply(suback(uint16At(bytes, start), codes));
  if (context.autoCreate) for (const { filter } of granted) createTopic(client, filter);
}

/** An exact filter makes its topic. That it could not is no reason to fail the subscription: the first publish may do it. */
function createTopic(client: Client, topic: string): void {
  const { broker, metrics, logger } = client.context;
  if (!isTopicName(topic) || broker.topic(topic) !== undefined) return;
  broker.submit({ kind: "create-topic", topic, retention: {}, ifMissing: true }, (result) => {
    if (result.kind !== "failed") return;
    metrics.refused(result.code);
    logger.warn(
      { clientId: client.id, topic, code: result.code },
      "a subscription could not create its topic",
    );
  });
}

function suback(packetId: number, codes: readonly number[]): Buffer {
  const header = [PacketType.Suback << 4];
  for (let rest = codes.length + 2; ; rest >>= 7) {
    header.push(rest < 128 ? rest : (rest & 127) | 128);
    if (rest < 128) break;
  }
  return Buffer.from([...header, packetId >> 8, packetId & 255, ...codes]);
}
