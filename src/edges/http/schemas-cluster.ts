/** What GET /openapi.json says of the routes of the group. Description only, like schemas.ts. */
import { consistencyQuery, type JsonSchema, json, problems, type RouteSchema, ref } from "./schema-parts.js";

/** Membership changes go through the log. */
const CHANGES = ["no_leader", "shutting_down", "disk_full", "outcome_unknown"] as const;

const memberParam: JsonSchema = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", description: "An id that GET /cluster gives." } },
};

export const schemas = {
  cluster: {
    operationId: "cluster",
    tags: ["cluster"],
    summary: "How the group is doing, as its leader sees it",
    querystring: { type: "object", properties: { consistency: consistencyQuery } },
    response: {
      200: json("Cluster", "`nodeId` is the node that answers; it asks the leader for the rest."),
      ...problems("invalid_request", "no_leader"),
    },
  },
  addMember: {
    operationId: "addMember",
    tags: ["cluster"],
    summary: "Adds a node: first a learner, then a voter when it has caught up",
    body: { content: { "application/json": { schema: ref("NewMember") } } },
    response: {
      201: json("JoinTicket", "It is a learner. Asking again for the same node gives the same answer."),
      ...problems(
        "invalid_request",
        "member_exists",
        "unsupported_media_type",
        "payload_too_large",
        ...CHANGES,
      ),
    },
  },
  removeMember: {
    operationId: "removeMember",
    tags: ["cluster"],
    summary: "Removes a node for good: it stops, and its id is never used again",
    params: memberParam,
    response: {
      204: { description: "It is out.", type: "null" },
      ...problems("invalid_request", "member_unknown", "change_pending", "quorum_at_risk", ...CHANGES),
    },
  },
  promoteMember: {
    operationId: "promoteMember",
    tags: ["cluster"],
    summary: "Gives a learner a vote as soon as it has caught up",
    params: memberParam,
    response: {
      200: json("MemberId", "It will vote."),
      ...problems("invalid_request", "member_unknown", "change_pending", ...CHANGES),
    },
  },
  transferLeadership: {
    operationId: "transferLeadership",
    tags: ["cluster"],
    summary: "Hands the leadership to a voter: the one that is named, or the one that is furthest",
    body: { content: { "application/json": { schema: ref("NewLeader") } } },
    response: {
      200: json("LeaderId", "Who leads now."),
      ...problems("invalid_request", "member_unknown", "unsupported_media_type", "payload_too_large"),
      ...problems("no_leader", "transfer_failed"),
    },
  },
} as const satisfies Record<string, RouteSchema>;
