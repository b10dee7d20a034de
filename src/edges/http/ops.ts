/** For operators and probes: alive, serving, metrics, who is connected, the description of it all. */
import type { FastifyInstance } from "fastify";
import { JangadaError } from "../../errors.js";
import type { HttpContext } from "./context.js";
import { schemas } from "./schemas.js";
import { decodeSegment, pathOf } from "./topic-path.js";

const CLIENT_PREFIX = "/clients/";

/** The client id in a request target: everything after the prefix, decoded once. */
function clientIdOf(url: string): string {
  return decodeSegment(pathOf(url).slice(CLIENT_PREFIX.length));
}

/** Adds the operators' routes. */
export function addOperatorRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker } = context;

  app.get("/healthz", { schema: schemas.healthz }, async () => ({ status: "ok" }));

  app.get("/readyz", { schema: schemas.readyz }, async () => {
    const readiness = broker.readiness();
    if (!readiness.ready) throw new JangadaError("not_ready", readiness.reason);
    return { status: "ready" };
  });

  app.get("/metrics", { schema: schemas.metrics }, async (_request, reply) => {
    const { text, contentType } = await context.expose();
    return reply.type(contentType).send(text);
  });

  app.get("/clients", { schema: schemas.clients }, async () => ({
    clients: context.clients().map(({ connectedAtMs, ...client }) => ({
      ...client,
      connectedAt: connectedAtMs,
    })),
  }));

  app.delete("/clients/:id", { schema: schemas.kickClient }, async (request, reply) => {
    const isKicked = context.kick(clientIdOf(request.raw.url ?? ""));
    if (!isKicked)
      throw new JangadaError("not_found", "there is no client of that id; GET /clients lists them");
    return reply.code(204).send();
  });

  app.get("/openapi.json", { schema: schemas.openapi }, async (_request, reply) =>
    reply.type("application/json").send(app.swagger()),
  );
}
