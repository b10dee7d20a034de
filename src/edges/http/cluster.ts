/** The group over HTTP: how it is doing, who belongs to it, who leads. Any node answers; what only the leader can do is sent to it. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { splitPeer } from "../../config/peer-address.js";
import { JangadaError } from "../../errors.js";
import { isLocalRead } from "./consistency.js";
import type { HttpContext } from "./context.js";
import { schemas } from "./schemas-cluster.js";
import { decodeSegment, pathOf } from "./topic-path.js";
import { bodyOf } from "./topics.js";

const MEMBERS_PREFIX = "/cluster/members/";
/** A tag is a few random hexadecimal digits; the ceiling only keeps a stranger's text out of the log. */
const TAG_LENGTH_MAX = 64;

const memberId = z.string().regex(/^[1-9]\d{0,14}$/, "a positive whole number as text");
const memberBody = z.strictObject({
  id: memberId,
  peer: z.string().refine((peer) => splitPeer(peer) !== undefined, "host:port, IPv6 in brackets"),
  tag: z
    .string()
    .max(TAG_LENGTH_MAX)
    .regex(/^[\x21-\x7e]*$/, "printable ASCII")
    .optional(),
  learner: z.boolean().optional(),
});
const leaderBody = z.strictObject({ id: memberId.optional() });

/** The member that a request names. Throws `invalid_request` for what can be no id. */
function memberOf(request: FastifyRequest): string {
  const [segment = ""] = pathOf(request.raw.url ?? "")
    .slice(MEMBERS_PREFIX.length)
    .split("/");
  const id = decodeSegment(segment);
  if (memberId.safeParse(id).success) return id;
  throw new JangadaError(
    "invalid_request",
    "a member's id is a positive whole number; GET /cluster lists them",
  );
}

function hasBody({ body }: FastifyRequest): boolean {
  return Buffer.isBuffer(body) && body.length > 0;
}

/** Adds the routes of the group. */
export function addClusterRoutes(app: FastifyInstance, { cluster }: HttpContext): void {
  app.get("/cluster", { schema: schemas.cluster }, (request) =>
    cluster.status(isLocalRead(request.raw.url ?? "")),
  );

  app.post("/cluster/members", { schema: schemas.addMember }, async (request, reply) => {
    const { id, peer, tag = "", learner = false } = bodyOf(request, memberBody);
    const ticket = await cluster.addMember({ id, peer, tag, wantsVote: !learner });
    return reply.code(201).send(ticket);
  });

  app.delete("/cluster/members/:id", { schema: schemas.removeMember }, async (request, reply) => {
    await cluster.removeMember(memberOf(request));
    return reply.code(204).send();
  });

  app.post("/cluster/members/:id/promote", { schema: schemas.promoteMember }, async (request) => {
    const id = memberOf(request);
    await cluster.promoteMember(id);
    return { id };
  });

  app.post("/cluster/leader", { schema: schemas.transferLeadership }, async (request) => {
    const { id = null } = hasBody(request) ? bodyOf(request, leaderBody) : {};
    return { leaderId: await cluster.transferLeadership(id) };
  });
}
