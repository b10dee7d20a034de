/** What a topic has kept: pages of history, oldest first, and the retained message. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { ReadPage } from "../../store/message-store.js";
import { FilterSet } from "../../topics/filter-set.js";
import { preferredType } from "./accept.js";
import { awaitConsistency, caughtUp, positionHeader } from "./consistency.js";
import type { HttpContext } from "./context.js";
import { envelopeJson } from "./envelope.js";
import { gapLine } from "./ndjson.js";
import { propertyHeaders } from "./properties.js";
import { Query } from "./query.js";
import { schemas } from "./schemas.js";
import { NDJSON_TYPE } from "./stream-formats.js";
import { pathOf, topicNameOf } from "./topic-path.js";
import { requestedTopic, topicNamed } from "./topics.js";

const JSON_TYPE = "application/json";

/** A page, with the ids around it. */
interface HistoryPage {
  readonly records: readonly string[];
  /** Where the next page begins; `null` when this one reaches the newest message. */
  readonly next: string | null;
  /** Messages after the given id that retention trimmed: the same notice that a stream gives. */
  readonly gap: { readonly after: string; readonly resumedAt: string } | null;
}

function asJson({ records, next, gap }: HistoryPage): string {
  const notice = gap === null ? "" : `,"gap":${JSON.stringify(gap)}`;
  return `{"messages":[${records.join(",")}],"next":${JSON.stringify(next)}${notice}}`;
}

function asLines({ records, gap }: HistoryPage): string {
  const notice = gap === null ? "" : gapLine(gap.after, gap.resumedAt);
  return records.length === 0 ? notice : `${notice}${records.join("\n")}\n`;
}

function nextLink(request: FastifyRequest, next: string, limit: number): string {
  return `<${pathOf(request.raw.url ?? "")}?after=${encodeURIComponent(next)}&limit=${limit}>; rel="next"`;
}

async function history(context: HttpContext, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const { broker } = context;
  const type = preferredType(request.headers.accept, [JSON_TYPE, NDJSON_TYPE]);
  if (type === null) throw new JangadaError("not_acceptable");
  const query = new Query(request.raw.url ?? "");
  const limit = query.integer("limit", 1, limits.historyLimitMax) ?? limits.historyLimitDefault;
  const afterId = query.one("after");
  const { topic, after } = await caughtUp(context, () => ({
    topic: requestedTopic(broker, request),
    after: afterId === undefined ? 0 : broker.positionOf(afterId),
  }));
  // Before it is read: the page holds at least everything up to there.
  reply.headers(positionHeader(context));
  // Before it is read: pages that are read at the same time are all in memory.
  context.answers.count(reply.raw, Math.min(topic.bytes, limits.historyBytesMax));
  const page = await broker.history(topic, after, limit);
  const answer: HistoryPage = {
    records: page.messages.map((message) => envelopeJson(message, broker.eventId(message.position))),
    next: page.next < topic.newestPosition ? broker.eventId(page.next) : null,
    gap: afterId === undefined ? null : gapOf(context, afterId, page),
  };
  if (answer.next !== null) reply.header("Link", nextLink(request, answer.next, limit));
  reply.type(type);
  return type === NDJSON_TYPE ? asLines(answer) : asJson(answer);
}

function gapOf({ broker }: HttpContext, after: string, page: ReadPage): HistoryPage["gap"] {
  return page.trimmedThrough === 0 ? null : { after, resumedAt: broker.eventId(page.trimmedThrough) };
}

/** Adds the routes that read what is kept. */
export function addHistoryRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker } = context;

  app.get("/topics/:topic/messages", { schema: schemas.history }, (request, reply) =>
    history(context, request, reply),
  );

  app.get("/topics/:topic/retained", { schema: schemas.retained }, async (request, reply) => {
    const url = request.raw.url ?? "";
    const name = topicNameOf(url);
    await awaitConsistency(context, url);
    topicNamed(broker, name);
    reply.headers(positionHeader(context));
    const [message] = broker.retained(new FilterSet([{ filter: name, qos: 0 }]));
    if (message === undefined) throw new JangadaError("retained_not_found");
    reply.type(JSON_TYPE).headers(propertyHeaders(message));
    return envelopeJson(message, broker.eventId(message.position));
  });
}
