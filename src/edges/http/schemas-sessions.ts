/** What GET /openapi.json says of sessions and clients. Description only, like schemas.ts. */
import { limits } from "../../limits.js";
import {
  consistencyQuery,
  integerQuery,
  type JsonSchema,
  json,
  NO_CONTENT,
  problems,
  type RouteSchema,
  text,
  WRITES,
} from "./schema-parts.js";

const clientParam: JsonSchema = {
  type: "object",
  required: ["id"],
  properties: { id: text("A client id, percent-encoded.") },
};
const page = {
  limit: integerQuery(1, limits.listLimitMax, limits.listLimitDefault),
  cursor: text("`next` of the page before."),
};
const consistency = { type: "object", properties: { consistency: consistencyQuery } };

export const schemas = {
  listSessions: {
    operationId: "listSessions",
    tags: ["sessions"],
    summary: "Lists the MQTT sessions of the whole group, oldest first",
    querystring: { type: "object", properties: { ...page, consistency: consistencyQuery } },
    response: { 200: json("SessionPage", "A page."), ...problems("invalid_request", "no_leader") },
  },
  showSession: {
    operationId: "showSession",
    tags: ["sessions"],
    summary: "Shows a session with its replicated subscriptions",
    params: clientParam,
    querystring: consistency,
    response: {
      200: json("SessionDetails", "The session."),
      ...problems("invalid_request", "session_not_found", "no_leader"),
    },
  },
  forgetSession: {
    operationId: "forgetSession",
    tags: ["sessions"],
    summary:
      "Ends a session: its client is disconnected wherever it is, its subscriptions and messages are forgotten",
    params: clientParam,
    response: { 204: NO_CONTENT, ...problems("invalid_request", "session_not_found", ...WRITES) },
  },
  clients: {
    operationId: "clients",
    tags: ["operations"],
    summary: "Who is connected to this node, over all protocols",
    querystring: { type: "object", properties: page },
    response: { 200: json("ClientPage", "A page, by id."), ...problems("invalid_request") },
  },
  kickClient: {
    operationId: "kickClient",
    tags: ["operations"],
    summary: "Disconnects a client; one of MQTT on whichever node it is",
    params: clientParam,
    response: { 204: NO_CONTENT, ...problems("not_found", "invalid_request", ...WRITES) },
  },
} as const satisfies Record<string, RouteSchema>;
