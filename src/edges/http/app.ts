/**
 * fastify with our manners: no schema runs at a request, every error is a problem, a known path with the wrong method is 405, and
 * the document at /openapi.json is made of the routes themselves.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import swagger from "@fastify/swagger";
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import { SMALL_ANSWER_BYTES } from "./answer-budget.js";
import { waitsForLeave } from "./body.js";
import { addClientRoutes } from "./clients.js";
import { addClusterRoutes } from "./cluster.js";
import { type HttpContext, refuse } from "./context.js";
import { addHistoryRoutes } from "./history.js";
import { addOperatorRoutes } from "./ops.js";
import { type Problem, problemOf, problemOfError } from "./problem.js";
import { PublishRoute } from "./publish.js";
import { RouteTable } from "./route-table.js";
import { components } from "./schema-parts.js";
import { schemas } from "./schemas.js";
import { addSessionRoutes } from "./sessions.js";
import type { EventStreams } from "./streams.js";
import { addStreamRoutes } from "./subscribe.js";
import { addTopicRoutes } from "./topics.js";
import { addWebSocketRoute } from "./websocket.js";

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** fastify's own refusals in our words. */
function problemOfFastify(error: unknown): Problem {
  if (error instanceof JangadaError) return problemOfError(error);
  const { code, statusCode = 500 } = error as Partial<FastifyError>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    const detail = `the body of this route is at most ${limits.managementBodyBytesMax} bytes`;
    return problemOf("payload_too_large", detail);
  }
  if (code === "FST_ERR_BAD_URL")
    return problemOf("invalid_request", "the path has a malformed percent-escape");
  if (statusCode === 415) return problemOf("unsupported_media_type");
  if (statusCode < 500) return problemOf("invalid_request");
  return problemOf("internal");
}

function replyWith(
  context: HttpContext,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = problemOfFastify(error);
  if (problem.code === "internal") context.logger.error({ err: error }, "a request failed");
  context.metrics.refused(problem.code);
  // As bytes: to a text fastify would add a charset.
  // fastify runs no hook for a path that it cannot read.
  reply.headers(context.cors.headersFor(request.headers.origin));
  return reply.code(problem.status).headers(problem.headers).send(Buffer.from(problem.body));
}

function createApp(context: HttpContext): FastifyInstance {
  return Fastify({
    logger: false,
    bodyLimit: limits.managementBodyBytesMax,
    routerOptions: {
      // A topic of 1 KiB is three times as long when it is escaped; the ceiling on headers comes first.
      maxParamLength: limits.headerBytesMax,
      // Our routes read the query themselves, strictly.
      querystringParser: () => ({}),
    },
    frameworkErrors: (error, request, reply) => {
      replyWith(context, error, request, reply);
    },
  });
}

async function describe(app: FastifyInstance): Promise<void> {
  for (const [name, schema] of Object.entries(components)) app.addSchema({ $id: name, ...schema });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Jangada",
        version: "0.1.0",
        description:
          "A Raft-replicated topic broker: publish and subscribe over HTTP; MQTT shares the topics.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: "/" }],
    },
    refResolver: { buildLocalReference: (schema) => String(schema["$id"]) },
  });
}

/** Counts a large answer; gives the refusal when too many of them wait. */
function refusalOf(context: HttpContext, reply: FastifyReply, payload: unknown): JangadaError | undefined {
  const isCounted = typeof payload === "string" || Buffer.isBuffer(payload);
  if (!isCounted || payload.length <= SMALL_ANSWER_BYTES) return undefined;
  try {
    context.answers.count(reply.raw, payload.length);
    return undefined;
  } catch (error) {
    if (error instanceof JangadaError) return error;
    throw error;
  }
}

function addManners(app: FastifyInstance, context: HttpContext): void {
  const routes = new RouteTable();
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.addHook("onRoute", ({ method, url }) => routes.add(method, url));
  // At sending, not at receiving: publishes and streams, which send by themselves, do not pay for it.
  app.addHook("onSend", (request, reply, payload, done) => {
    reply.headers(context.cors.headersFor(request.headers.origin));
    reply.header("X-Content-Type-Options", "nosniff");
    const refused = refusalOf(context, reply, payload);
    if (refused === undefined) done();
    else done(refused);
  });
  app.addHook("preParsing", (request, reply, _payload, done) => {
    if (waitsForLeave(request.raw)) reply.raw.writeContinue();
    done();
  });
  // What is wrong with the body of a request that goes nowhere is not its first trouble.
  app.setErrorHandler((error, request, reply) =>
    request.is404
      ? answerUnrouted(context, routes, request, reply)
      : replyWith(context, error, request, reply),
  );
  app.setNotFoundHandler((request, reply) => answerUnrouted(context, routes, request, reply));
}

function answerUnrouted(
  context: HttpContext,
  routes: RouteTable,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const methods = routes.methodsOf(request.raw.url ?? "");
  if (methods === null) return replyWith(context, new JangadaError("not_found"), request, reply);
  reply.header("Allow", methods);
  if (request.method !== "OPTIONS")
    return replyWith(context, new JangadaError("method_not_allowed"), request, reply);
  return reply.headers(context.cors.preflightHeaders(request.headers.origin, methods)).code(204).send();
}

function addPublishRoute(app: FastifyInstance, context: HttpContext): void {
  const publish = new PublishRoute(context);
  const takeOver = (request: FastifyRequest, reply: FastifyReply): void => {
    reply.hijack();
    publish.handle(request.raw, reply.raw);
  };
  // Taken over before fastify reads the body; the handler is there because a route has to have one.
  app.post("/topics/:topic/messages", { schema: schemas.publish, onRequest: takeOver }, takeOver);
}

/** Builds all routes and gives what serves a request. */
export async function buildApp(context: HttpContext, streams: EventStreams): Promise<RequestHandler> {
  const app = createApp(context);
  await describe(app);
  addManners(app, context);
  addPublishRoute(app, context);
  addStreamRoutes(app, context, streams);
  addTopicRoutes(app, context);
  addHistoryRoutes(app, context);
  addOperatorRoutes(app, context);
  addSessionRoutes(app, context);
  addClientRoutes(app, context);
  addClusterRoutes(app, context);
  addWebSocketRoute(app);
  await app.ready();
  return (request, response) => {
    const { origin, host } = request.headers;
    if (context.cors.isForeign(request.method, origin, host)) {
      request.resume();
      refuse(context, response, problemOf("forbidden"), origin);
    } else app.routing(request, response);
  };
}
