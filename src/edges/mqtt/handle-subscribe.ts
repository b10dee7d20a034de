/** SUBSCRIBE (MQTT 3.1.1, 3.8): filters are granted, or refused one by one in SUBACK; retained messages follow. */
import { limits } from "../../limits.js";
import type { Filter } from "../../topics/filter-set.js";
import { isTopicName } from "../../topics/topic-name.js";
import type { Client } from "./client.js";
import { LEVEL_3_1_1 } from "./packets/protocol.js";
import { Reason } from "./packets/reason-codes.js";
import { decodeSubscribe, encodeSuback } from "./packets/subscribe.js";

/** QoS 1 is the most that is granted (3.9.3 allows a lower QoS than asked for). */
const QOS_MAX = 1;

/**
 * Answers with one code a filter, in their order (MQTT-3.8.4-5): the granted QoS, or failure for a filter that is not valid or beyond the
 * connection's ceiling. The subscription stands before SUBACK is written, at the end of the chunk; retained messages come after it and before live ones.
 */
export function handleSubscribe(client: Client, bytes: Buffer, start: number, end: number): void {
  const { packetId, subscriptions: asked } = decodeSubscribe(LEVEL_3_1_1, bytes, start, end);
  const { subscriptions, context, sink } = client;
  const granted: Filter[] = [];
  const added = new Set<string>();
  const codes = asked.map((one): Reason => {
    if (one === null) {
      context.metrics.refused("invalid_filter");
      return Reason.TopicFilterInvalid;
    }
    const { filter, qos } = one;
    const isNew = !subscriptions.has(filter) && !added.has(filter);
    if (isNew && subscriptions.size + added.size >= limits.subscriptionsPerConnectionMax) {
      context.metrics.refused("too_many_subscriptions");
      return Reason.QuotaExceeded;
    }
    if (isNew) added.add(filter);
    const grant = qos === 0 ? 0 : QOS_MAX;
    granted.push({ filter, qos: grant });
    return grant;
  });
  if (granted.length > 0) {
    subscriptions.add(granted);
    sink.wantRetained(granted);
  }
  client.connection.reply(encodeSuback(LEVEL_3_1_1, packetId, codes));
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
