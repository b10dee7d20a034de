/** Topics as resources: create, list, show, change retention, delete. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import type { Broker, TopicView } from "../../broker.js";
import type { Retention } from "../../commands/command.js";
import { JangadaError } from "../../errors.js";
import { isTopicName } from "../../topics/topic-name.js";
import { awaitConsistency } from "./consistency.js";
import { type HttpContext, submitted } from "./context.js";
import { askedPage, pageOf } from "./paging.js";
import { Query } from "./query.js";
import { schemas } from "./schemas.js";
import { topicNameOf } from "./topic-path.js";

const positive = z.int().min(1);
const createBody = z.strictObject({
  name: z.string(),
  retention: z.strictObject({ ageMs: positive.optional(), bytes: positive.optional() }).optional(),
});
const changeBody = z.strictObject({
  retention: z.strictObject({ ageMs: positive.nullish(), bytes: positive.nullish() }),
});

/** A topic as JSON. `newestId` is null while nothing was ever published. */
interface TopicJson {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly nextOffset: number;
  readonly newestId: string | null;
  readonly createdAt: number;
  readonly retention: Retention;
}

function topicJson(broker: Broker, topic: TopicView): TopicJson {
  const { name, messages, bytes, nextOffset, newestPosition, createdAtMs, retention } = topic;
  const newestId = newestPosition === 0 ? null : broker.eventId(newestPosition);
  return { name, messages, bytes, nextOffset, newestId, createdAt: createdAtMs, retention };
}

/** Bytes that are not UTF-8 are no JSON (RFC 8259, 8.1); replaced, they would name something that the client did not. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Parses and checks a JSON body. Throws `unsupported_media_type` or `invalid_request` naming the first wrong field. */
export function bodyOf<Shape>(request: FastifyRequest, shape: z.ZodType<Shape>): Shape {
  const type = request.headers["content-type"] ?? "";
  if (!/^application\/json\s*(?:;|$)/i.test(type)) {
    throw new JangadaError("unsupported_media_type", "this route takes application/json");
  }
  let json: unknown;
  try {
    json = JSON.parse(Buffer.isBuffer(request.body) ? UTF8.decode(request.body) : "");
  } catch {
    throw new JangadaError("invalid_request", "the body is not JSON");
  }
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? "the body" : issue.path.join(".");
  throw new JangadaError("invalid_request", `${where}: ${issue?.message ?? "not valid"}`);
}

/** The topic that a request names. Throws `invalid_topic` or `topic_not_found`. */
export function requestedTopic(broker: Broker, request: FastifyRequest): TopicView {
  return topicNamed(broker, topicNameOf(request.raw.url ?? ""));
}

/** A topic by name. Throws `topic_not_found`. */
export function topicNamed(broker: Broker, name: string): TopicView {
  const topic = broker.topic(name);
  if (topic === undefined) throw new JangadaError("topic_not_found");
  return topic;
}

/** Adds the topic routes. */
export function addTopicRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker } = context;

  app.post("/topics", { schema: schemas.createTopic }, async (request, reply) => {
    const { name, retention = {} } = bodyOf(request, createBody);
    if (!isTopicName(name)) throw new JangadaError("invalid_topic");
    await submitted(context, { kind: "create-topic", topic: name, retention, ifMissing: false });
    const topic = broker.topic(name);
    if (topic === undefined) throw new JangadaError("topic_not_found", "it was deleted at once");
    reply.code(201).header("Location", `/topics/${encodeURIComponent(name)}`);
    return topicJson(broker, topic);
  });

  app.get("/topics", { schema: schemas.listTopics }, async (request) => {
    const url = request.raw.url ?? "";
    const query = new Query(url);
    const prefix = query.one("prefix") ?? "";
    const { after, limit } = askedPage(query, isTopicName);
    await awaitConsistency(context, url);
    const { rows, next } = pageOf(broker.topics(prefix, after, limit + 1), limit, ({ name }) => name);
    return { topics: rows.map((topic) => topicJson(broker, topic)), next };
  });

  app.get("/topics/:topic", { schema: schemas.showTopic }, async (request) => {
    const url = request.raw.url ?? "";
    const name = topicNameOf(url);
    await awaitConsistency(context, url);
    return topicJson(broker, topicNamed(broker, name));
  });

  app.patch("/topics/:topic", { schema: schemas.updateTopic }, async (request) => {
    const topic = topicNameOf(request.raw.url ?? "");
    const { retention } = bodyOf(request, changeBody);
    await submitted(context, { kind: "update-topic", topic, retention });
    return topicJson(broker, requestedTopic(broker, request));
  });

  app.delete("/topics/:topic", { schema: schemas.deleteTopic }, async (request, reply) => {
    await submitted(context, { kind: "delete-topic", topic: topicNameOf(request.raw.url ?? "") });
    return reply.code(204).send();
  });
}
