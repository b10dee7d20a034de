/** For operators and probes: alive, serving, metrics, the description of it all. */
import type { FastifyInstance } from "fastify";
import { JangadaError } from "../../errors.js";
import type { HttpContext } from "./context.js";
import { schemas } from "./schemas.js";

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

  app.get("/openapi.json", { schema: schemas.openapi }, async (_request, reply) =>
    reply.type("application/json").send(app.swagger()),
  );
}
