/** Who is connected: this node's clients of all protocols, and how to end a connection, wherever it is. */
import type { FastifyInstance } from "fastify";
import { JangadaError } from "../../errors.js";
import type { ClientView, ConnectedClient } from "../edge.js";
import { type HttpContext, submitted } from "./context.js";
import { askedPage, pageOf } from "./paging.js";
import { Query } from "./query.js";
import { schemas } from "./schemas-sessions.js";
import { decodeSegment, pathOf } from "./topic-path.js";

const PREFIX = "/clients/";

/** The order of the list. Client ids hold no control character, so that one is not the beginning of another's key. */
function keyOf({ id, edge }: Pick<ConnectedClient, "id" | "edge">): string {
  return `${id}\n${edge}`;
}

const byKey = (one: ConnectedClient, other: ConnectedClient): number => {
  const [key, otherKey] = [keyOf(one), keyOf(other)];
  if (key === otherKey) return 0;
  return key < otherKey ? -1 : 1;
};

function clientJson({ connectedAtMs, ...client }: ClientView): object {
  return { ...client, connectedAt: connectedAtMs };
}

/** Ends a client's connection. False when there is none on any node. */
async function disconnect(context: HttpContext, clientId: string): Promise<boolean> {
  if (context.kick(clientId)) return true;
  await context.cluster.readBarrier();
  const session = context.broker.sessionOf(clientId);
  if (session === undefined || session.owner === null) return false;
  await submitted(context, { kind: "displace-session", clientId, forget: false });
  return true;
}

/** Adds the routes of clients. */
export function addClientRoutes(app: FastifyInstance, context: HttpContext): void {
  app.get("/clients", { schema: schemas.clients }, async (request) => {
    const { after, limit } = askedPage(new Query(request.raw.url ?? ""), (key) => key.includes("\n"));
    const found = [...context.clients()]
      .sort(byKey)
      .filter((client) => after === null || keyOf(client) > after)
      .slice(0, limit + 1);
    const { rows, next } = pageOf(found, limit, keyOf);
    return { clients: rows.map((client) => clientJson(client.view())), next };
  });

  app.delete("/clients/:id", { schema: schemas.kickClient }, async (request, reply) => {
    const clientId = decodeSegment(pathOf(request.raw.url ?? "").slice(PREFIX.length));
    if (!(await disconnect(context, clientId)))
      throw new JangadaError(
        "not_found",
        "there is no client of that id; GET /clients and GET /sessions list them",
      );
    return reply.code(204).send();
  });
}
