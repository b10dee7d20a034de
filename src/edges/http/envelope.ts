/**
 * The record that says all about a message: what history gives, what a filter's stream carries, a line of NDJSON.
 * `payload` is the payload's own text, JSON or not; bytes that are not UTF-8 come as `payloadBase64`.
 */
import { isUtf8 } from "node:buffer";
import type { StoredMessage, TopicRef } from "../../state-machine/effects.js";
import { propertiesJson } from "./properties.js";

/** The same bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

let lastTopic: TopicRef | null = null;
let lastTopicJson = "";

/** The topic's name as JSON. Neighbours in a batch mostly share a topic, so the last one is remembered. */
function topicJson(topic: TopicRef): string {
  if (topic !== lastTopic) {
    lastTopicJson = JSON.stringify(topic.name);
    lastTopic = topic;
  }
  return lastTopicJson;
}

/**
 * `{"id","topic","offset","timestamp","payload"|"payloadBase64","contentType","userProperties","responseTopic","correlationData"}` on one
 * line. `timestamp` is milliseconds since 1970; from `contentType` on what the publisher did not give is left out. `id` is printable ASCII that needs no escape.
 */
export function envelopeJson(message: StoredMessage, id: string): string {
  const payload = asBuffer(message.payload);
  const body = isUtf8(payload)
    ? `"payload":${JSON.stringify(payload.toString("utf8"))}`
    : `"payloadBase64":"${payload.toString("base64")}"`;
  const type = message.contentType === "" ? "" : `,"contentType":${JSON.stringify(message.contentType)}`;
  const place = `"offset":${message.offset},"timestamp":${message.timestampMs}`;
  return `{"id":"${id}","topic":${topicJson(message.topic)},${place},${body}${type}${propertiesJson(message)}}`;
}
