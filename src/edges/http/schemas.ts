/**
 * What GET /openapi.json says of each route (OpenAPI 3.1, JSON Schema 2020-12). Description only: the routes check by hand, and a
 * test holds the two together.
 */
import { limits } from "../../limits.js";
import {
  binary,
  consistencyQuery,
  integerQuery,
  type JsonSchema,
  json,
  list,
  NO_CONTENT,
  positionHeaders,
  problems,
  propertyHeaderSchemas,
  type RouteSchema,
  ref,
  text,
  topicParam,
  WRITES,
} from "./schema-parts.js";

const flagQuery = (description: string): JsonSchema => ({ type: "boolean", default: false, description });
const headers = (fields: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
  type: "object",
  properties: fields,
});

const streamQuery = {
  lastEventId: text(
    "Starts after this event id. `last_event_id` is the same. The Last-Event-ID header is stronger.",
  ),
  from: text("`earliest`, or an event id to start after. Without any cursor a stream starts live."),
  format: { type: "string", enum: ["json"], description: "The envelope instead of the bare payload." },
  retained: flagQuery(
    "Matching retained messages come first, without an id; not when a client reconnects by header.",
  ),
};

const streamAnswers = {
  200: {
    description:
      "Events until somebody closes. `event: gap` tells of trimmed history, `event: deleted` that the topic is gone, `event: binary` of a payload in base64. Line ends within a bare payload arrive as LF; the envelope keeps every byte.",
    content: {
      "text/event-stream": { schema: { type: "string" } },
      "application/x-ndjson": { schema: { type: "string" } },
    },
    headers: positionHeaders,
  },
  ...problems(
    "invalid_topic",
    "invalid_filter",
    "invalid_request",
    "invalid_cursor",
    "topic_not_found",
    "not_acceptable",
    "too_many_subscriptions",
    "too_many_topics",
    "not_ready",
    "outcome_unknown",
  ),
};

const streamHeaders = headers({ "Last-Event-ID": text("Starts after this event id.") });
const consistency = { type: "object", properties: { consistency: consistencyQuery } };

export const schemas = {
  createTopic: {
    operationId: "createTopic",
    tags: ["topics"],
    summary: "Creates a topic",
    body: { content: { "application/json": { schema: ref("NewTopic") } } },
    response: {
      201: { ...json("Topic", "The new topic."), headers: { Location: { type: "string" } } },
      ...problems("invalid_topic", "invalid_request", "topic_exists", "unsupported_media_type"),
      ...problems("payload_too_large", "too_many_topics", ...WRITES),
    },
  },
  listTopics: {
    operationId: "listTopics",
    tags: ["topics"],
    summary: "Lists topics by name",
    querystring: {
      type: "object",
      properties: {
        prefix: text("Only names that start so."),
        limit: integerQuery(1, limits.listLimitMax, limits.listLimitDefault),
        cursor: text("`next` of the page before."),
        consistency: consistencyQuery,
      },
    },
    response: { 200: json("TopicPage", "A page."), ...problems("invalid_request", "no_leader") },
  },
  showTopic: {
    operationId: "showTopic",
    tags: ["topics"],
    summary: "Shows a topic",
    params: topicParam,
    querystring: consistency,
    response: {
      200: json("Topic", "The topic."),
      ...problems("invalid_topic", "invalid_request", "topic_not_found", "no_leader"),
    },
  },
  updateTopic: {
    operationId: "updateTopic",
    tags: ["topics"],
    summary: "Changes a topic's retention; null goes back to the node's default",
    params: topicParam,
    body: { content: { "application/json": { schema: ref("TopicChange") } } },
    response: {
      200: json("Topic", "The changed topic."),
      ...problems("invalid_topic", "invalid_request", "topic_not_found", "unsupported_media_type"),
      ...problems("payload_too_large", ...WRITES),
    },
  },
  deleteTopic: {
    operationId: "deleteTopic",
    tags: ["topics"],
    summary: "Deletes a topic with its messages; open streams get `event: deleted` and end",
    params: topicParam,
    response: {
      204: NO_CONTENT,
      ...problems("invalid_topic", "invalid_request", "topic_not_found", ...WRITES),
    },
  },
  publish: {
    operationId: "publish",
    tags: ["messages"],
    summary: "Publishes the body, or a batch of lines that are committed together",
    params: topicParam,
    querystring: {
      type: "object",
      properties: {
        retain: flagQuery("Becomes the topic's retained message; an empty body deletes it."),
        expires: { type: "integer", minimum: 1, description: "Seconds after which it is not delivered." },
        qos: { ...integerQuery(0, 2, 1), description: "The QoS that MQTT subscribers see at most." },
        ack: { type: "string", enum: ["none"], description: "Answers 202 as soon as it is queued." },
      },
    },
    headers: headers({
      "Idempotency-Key": {
        type: "string",
        minLength: 1,
        maxLength: limits.idempotencyKeyBytesMax,
        description: "A repeat of the same request gives the first answer.",
      },
      ...propertyHeaderSchemas,
    }),
    body: {
      content: {
        "*/*": { schema: binary("The payload, kept byte for byte with its content type.") },
        "application/x-ndjson": { schema: text("One payload a line, up to 10,000.") },
      },
    },
    response: {
      201: {
        description: "Committed.",
        content: { "application/json": { schema: { oneOf: [ref("Published"), ref("PublishedBatch")] } } },
        headers: { "Idempotent-Replayed": { type: "string", description: "`true` on a repeated answer." } },
      },
      202: { description: "Queued.", type: "null" },
      ...problems("invalid_topic", "invalid_request", "topic_not_found", "idempotency_conflict"),
      ...problems("payload_too_large", "batch_too_large", "unsupported_media_type"),
      ...problems("too_many_topics", "retained_full", ...WRITES),
    },
  },
  history: {
    operationId: "history",
    tags: ["messages"],
    summary: "Kept messages, oldest first",
    params: topicParam,
    querystring: {
      type: "object",
      properties: {
        after: text("Messages above this event id; from the earliest when left out."),
        limit: integerQuery(1, limits.historyLimitMax, limits.historyLimitDefault),
      },
    },
    response: {
      200: {
        description: "A page. A `Link` header with `rel=next` leads to the next one.",
        content: {
          "application/json": { schema: ref("HistoryPage") },
          "application/x-ndjson": { schema: text("One envelope a line.") },
        },
        headers: { Link: { type: "string" }, ...positionHeaders },
      },
      ...problems("invalid_topic", "invalid_request", "invalid_cursor", "topic_not_found", "not_acceptable"),
      ...problems("no_leader"),
    },
  },
  retained: {
    operationId: "retained",
    tags: ["messages"],
    summary: "The retained message",
    params: topicParam,
    querystring: consistency,
    response: {
      200: {
        ...json(
          "Envelope",
          "The message. Its properties come as headers too, unless they are longer than 4 KiB.",
        ),
        headers: { ...positionHeaders, ...propertyHeaderSchemas },
      },
      ...problems("invalid_topic", "invalid_request", "topic_not_found", "retained_not_found", "no_leader"),
    },
  },
  topicStream: {
    operationId: "topicStream",
    tags: ["streams"],
    summary: "Streams a topic (the payload) or a filter (the envelope)",
    params: topicParam,
    querystring: { type: "object", properties: streamQuery },
    headers: streamHeaders,
    response: streamAnswers,
  },
  stream: {
    operationId: "stream",
    tags: ["streams"],
    summary: "Streams several filters (the envelope)",
    querystring: {
      type: "object",
      required: ["topic"],
      properties: {
        topic: { ...list({ type: "string" }), minItems: 1, maxItems: limits.streamFiltersMax },
        ...streamQuery,
      },
    },
    headers: streamHeaders,
    response: streamAnswers,
  },
  mqttOverWebSocket: {
    operationId: "mqttOverWebSocket",
    tags: ["streams"],
    summary: "MQTT over WebSocket (RFC 6455), in binary messages",
    headers: headers({
      "Sec-WebSocket-Protocol": text("Offers `mqtt`, or `mqttv3.1`."),
      Origin: text("That of a web page has to be this node's own, or named in `--cors-origins`."),
    }),
    response: {
      101: { description: "MQTT packets from now on.", type: "null" },
      ...problems("invalid_request", "forbidden", "upgrade_required", "too_many_connections"),
    },
  },
  healthz: {
    operationId: "healthz",
    tags: ["operations"],
    summary: "Alive",
    response: { 200: json("Status", "The process answers.") },
  },
  readyz: {
    operationId: "readyz",
    tags: ["operations"],
    summary: "Serving",
    response: { 200: json("Status", "The node serves."), ...problems("not_ready") },
  },
  metrics: {
    operationId: "metrics",
    tags: ["operations"],
    summary: "Metrics in the Prometheus text format",
    response: { 200: { description: "Metrics.", content: { "text/plain": { schema: { type: "string" } } } } },
  },
  openapi: {
    operationId: "openapi",
    tags: ["operations"],
    summary: "This document",
    response: {
      200: { description: "OpenAPI 3.1.", content: { "application/json": { schema: { type: "object" } } } },
    },
  },
} as const satisfies Record<string, RouteSchema>;
