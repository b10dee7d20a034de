/**
 * GET /topics/:topic/stream and GET /stream: works out filters, cursor and format, makes the topics that a subscription
 * makes, and opens the stream. The cursor, from the strongest: the `Last-Event-ID` header (a browser reconnects with it while its
 * URL still holds the first one), `?lastEventId=` (polyfills), `?from=`.
 */
import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import { FilterSet } from "../../topics/filter-set.js";
import { isTopicFilter, isTopicName, isWildcard } from "../../topics/topic-name.js";
import { preferredType } from "./accept.js";
import { caughtUp, positionHeader } from "./consistency.js";
import { type HttpContext, submitted } from "./context.js";
import { Query } from "./query.js";
import { schemas } from "./schemas.js";
import {
  createStreamFormats,
  EVENT_STREAM_TYPE,
  NDJSON_TYPE,
  type StreamFormat,
  type StreamFormats,
} from "./stream-formats.js";
import { type EventStreams, type StreamPlan, streamHeaders } from "./streams.js";
import { topicFilterOf } from "./topic-path.js";
import { topicNamed } from "./topics.js";

function filtersOf(names: readonly string[]): FilterSet {
  if (names.length === 0) throw new JangadaError("invalid_request", "?topic= is missing");
  if (names.length > limits.streamFiltersMax) {
    throw new JangadaError(
      "too_many_subscriptions",
      `a stream has at most ${limits.streamFiltersMax} filters`,
    );
  }
  for (const name of names) {
    if (!isTopicFilter(name)) throw new JangadaError("invalid_filter");
    if (!isWildcard(name) && !isTopicName(name)) throw new JangadaError("invalid_topic");
  }
  return new FilterSet(names.map((filter) => ({ filter, qos: 0 })));
}

function formatOf(
  request: IncomingMessage,
  query: Query,
  formats: StreamFormats,
  raw: boolean,
): StreamFormat {
  const asked = query.one("format");
  if (asked !== undefined && asked !== "json") {
    throw new JangadaError("invalid_request", "?format= is either json or left out");
  }
  const type = preferredType(request.headers.accept, [EVENT_STREAM_TYPE, NDJSON_TYPE]);
  if (type === null) throw new JangadaError("not_acceptable");
  if (type === NDJSON_TYPE) return formats.lines;
  return raw && asked === undefined ? formats.raw : formats.records;
}

/** The id that the header brings; the empty one means none (WHATWG HTML, 9.2.4). */
function headerCursor(request: IncomingMessage): string | undefined {
  const header = request.headers["last-event-id"];
  const id = Array.isArray(header) ? header[0] : header;
  return id === "" ? undefined : id;
}

function queryCursor(query: Query): string | undefined {
  const id = query.one("lastEventId") ?? query.one("last_event_id");
  return id === "" ? undefined : id;
}

/** Works out a stream from a request. Throws the problem that it has. */
export function streamPlanOf(
  context: Pick<HttpContext, "broker">,
  formats: StreamFormats,
  request: IncomingMessage,
  single: boolean,
): StreamPlan {
  const url = request.url ?? "";
  const query = new Query(url);
  const filters = filtersOf(single ? [topicFilterOf(url)] : query.all("topic"));
  const resumed = headerCursor(request);
  const retained = query.flag("retained");
  const cursor = resumed ?? queryCursor(query) ?? query.one("from");
  return {
    filters,
    format: formatOf(request, query, formats, single && filters.exactTopic !== null),
    start: startOf(context, cursor, resumed === undefined),
    // A reconnect goes on where it was: it has had them.
    retained: retained && resumed === undefined,
  };
}

function startOf(
  { broker }: Pick<HttpContext, "broker">,
  cursor: string | undefined,
  fromQuery: boolean,
): StreamPlan["start"] {
  if (cursor === undefined) return "live";
  if (fromQuery && cursor === "earliest") return "earliest";
  return broker.positionOf(cursor);
}

/** Makes the named topics that are missing, or says that one is. */
async function ensureTopics(context: HttpContext, filters: FilterSet): Promise<void> {
  for (const { filter } of filters.filters) {
    if (isWildcard(filter) || context.broker.topic(filter) !== undefined) continue;
    if (!context.autoCreate) await caughtUp(context, () => topicNamed(context.broker, filter));
    else await submitted(context, { kind: "create-topic", topic: filter, retention: {}, ifMissing: true });
  }
}

/** A stream needs no leader: a browser that is refused one gives up for good. */
function assertReadable({ broker }: HttpContext): void {
  const readiness = broker.readiness();
  if (!readiness.ready && !readiness.canRead) throw new JangadaError("not_ready", readiness.reason);
}

/** Adds the stream routes. */
export function addStreamRoutes(app: FastifyInstance, context: HttpContext, streams: EventStreams): void {
  const formats = createStreamFormats(context.broker);
  const open = async (
    request: FastifyRequest,
    reply: FastifyReply,
    single: boolean,
  ): Promise<FastifyReply> => {
    assertReadable(context);
    const plan = await caughtUp(context, () => streamPlanOf(context, formats, request.raw, single));
    if (request.method === "HEAD") {
      return reply.headers({ ...positionHeader(context), ...streamHeaders(plan.format) }).send();
    }
    await ensureTopics(context, plan.filters);
    // Nothing of the reply has been sent: a failure up to here is a problem, and one from here on as well.
    const headers = { ...context.cors.headersFor(request.headers.origin), ...positionHeader(context) };
    streams.open(request.raw, reply.raw, plan, headers);
    return reply.hijack();
  };
  app.get("/topics/:topic/stream", { schema: schemas.topicStream }, (request, reply) =>
    open(request, reply, true),
  );
  app.get("/stream", { schema: schemas.stream }, (request, reply) => open(request, reply, false));
}
