/** The shapes that several routes share, by name, and short ways to write a route's schema. */
import { ERROR_CODES, type ErrorCode } from "../../errors.js";
import { POSITION_HEADER } from "./consistency.js";
import { PROBLEM_TYPE, STATUS_BY_CODE } from "./problem.js";
import { PropertyHeader } from "./properties.js";

/** A JSON Schema, as a value. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a route says of itself to OpenAPI. */
export interface RouteSchema {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly params?: JsonSchema;
  readonly querystring?: JsonSchema;
  readonly headers?: JsonSchema;
  readonly body?: JsonSchema;
  readonly response: Readonly<Record<number, JsonSchema>>;
}

const ID = { type: "string", description: "An event id: opaque, the place in the whole stream." };
const TIMESTAMP = { type: "integer", description: "Milliseconds since 1970." };
const OFFSET = { type: "integer", minimum: 0, description: "The place in the topic: contiguous from 0." };
const NULLABLE_ID = { type: ["string", "null"], description: ID.description };
const COUNT = { type: "integer", minimum: 0 };
const TEXT = { type: "string" };
const POSITIVE = { type: "integer", minimum: 1 };
const NULLABLE_POSITIVE = { type: ["integer", "null"], minimum: 1 };
const MEMBER_ID = {
  type: "string",
  pattern: "^[1-9][0-9]{0,14}$",
  description: "Never used before or again.",
};
const PEER = { type: "string", description: "Where peers dial it: `host:port`, IPv6 in brackets." };
const TAG = {
  type: "string",
  description: "Of its data directory; left out for a node that is not there yet.",
};
const LEARNER = { type: "boolean", default: false, description: "Never votes." };
const CURSOR = { type: ["string", "null"], description: "`cursor` of the next page; null on the last." };
const NULLABLE_TIMESTAMP = { type: ["integer", "null"], description: TIMESTAMP.description };
/** What a list shows of a session. */
const SESSION = {
  clientId: TEXT,
  connected: { type: "boolean" },
  node: { type: ["string", "null"], description: "The node that it is connected to." },
  kept: {
    type: "boolean",
    description: "Its subscriptions and progress are replicated: any node goes on with it.",
  },
  expirySeconds: {
    type: ["integer", "null"],
    description: "How long it outlives its connection; null for ever.",
  },
  endsAt: { ...NULLABLE_TIMESTAMP, description: "When it ends if nobody comes back." },
  createdAt: TIMESTAMP,
  since: { ...TIMESTAMP, description: "When the present connection began, or the last one ended." },
  subscriptions: {
    ...COUNT,
    description: "Replicated ones; those of a session that is not kept are its node's.",
  },
  lag: { ...COUNT, description: "Positions between what is dealt with and the newest message." },
  inFlight: { ...COUNT, description: "Messages of shares, and of QoS 2 between PUBREC and PUBCOMP." },
  will: { type: "boolean" },
};
const GAP = object({ after: ID, resumedAt: ID });

function object(properties: JsonSchema, optional: readonly string[] = []): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required };
}

/** An object that a client sends: the routes refuse what they do not know. */
function strictObject(properties: JsonSchema, optional: readonly string[] = []): JsonSchema {
  return { ...object(properties, optional), additionalProperties: false };
}

/** An array of one kind. */
export function list(items: JsonSchema): JsonSchema {
  return { type: "array", items };
}

/** A shared shape by name. */
export function ref(name: keyof typeof components): JsonSchema {
  return { $ref: `${name}#` };
}

/** An answer of one shared shape as JSON. */
export function json(name: keyof typeof components, description: string): JsonSchema {
  return { description, content: { "application/json": { schema: ref(name) } } };
}

/** Any bytes. */
export function binary(description: string): JsonSchema {
  return { type: "string", format: "binary", description };
}

/** A text in the query, a header or a path. */
export function text(description: string): JsonSchema {
  return { type: "string", description };
}

/** A whole number in the query. */
export function integerQuery(minimum: number, maximum: number, byDefault: number): JsonSchema {
  return { type: "integer", minimum, maximum, default: byDefault };
}

/** Whether a read waits until the node has caught up. */
export const consistencyQuery: JsonSchema = {
  type: "string",
  enum: ["linearizable", "local"],
  default: "linearizable",
  description: "`local`: what this node knows now, which may be a moment behind the group.",
};

/** Response headers that tell how far the node is. */
export const positionHeaders = {
  [POSITION_HEADER]: { ...ID, description: "The newest message that this node has applied, as an event id." },
};

/** MQTT 5 properties of a message, as headers. */
export const propertyHeaderSchemas = {
  [PropertyHeader.User]: {
    type: "string",
    description:
      "`name=value`, both percent-encoded; may come several times, or several separated by commas.",
  },
  [PropertyHeader.ResponseTopic]: {
    type: "string",
    description: "A topic name, percent-encoded: where an answer is expected.",
  },
  [PropertyHeader.CorrelationData]: {
    type: "string",
    contentEncoding: "base64",
    description: "What an answer carries back.",
  },
};

/** The answer of what was done and has nothing to say. */
export const NO_CONTENT = { description: "Done; no body.", type: "null" };

/** What everything can be refused with that goes through the log. */
export const WRITES = [
  "not_ready",
  "no_leader",
  "overloaded",
  "disk_full",
  "shutting_down",
  "outcome_unknown",
] as const;

/** The problem answers of some codes, by status. */
export function problems(...codes: readonly ErrorCode[]): Record<number, JsonSchema> {
  const answers: Record<number, JsonSchema> = {};
  for (const status of new Set(codes.map((code) => STATUS_BY_CODE[code]))) {
    // Every code of the status: calls for one route may be several, and the last one would win.
    const known = Object.entries(STATUS_BY_CODE).filter(([, its]) => its === status);
    answers[status] = {
      description: known.map(([code]) => `\`${code}\``).join(", "),
      content: { [PROBLEM_TYPE]: { schema: ref("Problem") } },
    };
  }
  return answers;
}

/** The topic in the path. */
export const topicParam: JsonSchema = {
  type: "object",
  required: ["topic"],
  properties: {
    topic: {
      type: "string",
      description: "An MQTT topic name, percent-encoded: `sensors/a` is `sensors%2Fa`.",
    },
  },
};

export const components = {
  Problem: object({
    type: TEXT,
    title: TEXT,
    status: { type: "integer" },
    code: { type: "string", enum: Object.keys(ERROR_CODES) },
    detail: TEXT,
  }),
  Retention: strictObject({ ageMs: POSITIVE, bytes: POSITIVE }, ["ageMs", "bytes"]),
  NewTopic: strictObject({ name: { type: "string", minLength: 1 }, retention: { $ref: "Retention#" } }, [
    "retention",
  ]),
  TopicChange: strictObject({
    retention: strictObject({ ageMs: NULLABLE_POSITIVE, bytes: NULLABLE_POSITIVE }, ["ageMs", "bytes"]),
  }),
  Topic: object({
    name: TEXT,
    messages: COUNT,
    bytes: COUNT,
    nextOffset: OFFSET,
    newestId: NULLABLE_ID,
    createdAt: TIMESTAMP,
    retention: { $ref: "Retention#" },
  }),
  TopicPage: object({ topics: list({ $ref: "Topic#" }), next: CURSOR }),
  Published: object({ topic: TEXT, id: ID, offset: OFFSET, timestamp: TIMESTAMP }),
  PublishedBatch: object({
    topic: TEXT,
    count: POSITIVE,
    firstId: ID,
    lastId: ID,
    firstOffset: OFFSET,
    lastOffset: OFFSET,
  }),
  Envelope: object(
    {
      id: ID,
      topic: TEXT,
      offset: OFFSET,
      timestamp: TIMESTAMP,
      payload: { type: "string", description: "The payload's own text, JSON or not." },
      payloadBase64: { type: "string", contentEncoding: "base64", description: "When it is not UTF-8." },
      contentType: TEXT,
      userProperties: {
        ...list({ type: "array", prefixItems: [TEXT, TEXT], minItems: 2, maxItems: 2 }),
        description: "In their order; a name may come several times.",
      },
      responseTopic: TEXT,
      correlationData: { type: "string", contentEncoding: "base64" },
    },
    ["payload", "payloadBase64", "contentType", "userProperties", "responseTopic", "correlationData"],
  ),
  HistoryPage: object({ messages: list({ $ref: "Envelope#" }), next: NULLABLE_ID, gap: GAP }, ["gap"]),
  Status: object({ status: TEXT }),
  Client: object({
    id: TEXT,
    edge: { type: "string", enum: ["mqtt", "sse"] },
    address: TEXT,
    connectedAt: TIMESTAMP,
    subscriptions: list(TEXT),
    lag: COUNT,
    behind: { type: "boolean" },
  }),
  ClientPage: object({ clients: list({ $ref: "Client#" }), next: CURSOR }),
  Session: object(SESSION),
  SessionDetails: object({ ...SESSION, filters: list({ $ref: "SessionFilter#" }) }),
  SessionFilter: object({
    filter: { type: "string", description: "With `$share/name/` where it is shared." },
    qos: { type: "integer", minimum: 0, maximum: 2 },
    noLocal: { type: "boolean" },
    retainAsPublished: { type: "boolean" },
    retainHandling: { type: "integer", minimum: 0, maximum: 2 },
    subscriptionId: NULLABLE_POSITIVE,
  }),
  SessionPage: object({ sessions: list({ $ref: "Session#" }), next: CURSOR }),
  Member: object({
    id: TEXT,
    role: { type: "string", enum: ["leader", "voter", "learner"] },
    peer: { type: ["string", "null"] },
    alive: { type: "boolean" },
    matchIndex: COUNT,
  }),
  Cluster: object({
    nodeId: TEXT,
    leaderId: TEXT,
    term: COUNT,
    commitIndex: COUNT,
    appliedIndex: COUNT,
    members: list({ $ref: "Member#" }),
  }),
  NewMember: strictObject({ id: MEMBER_ID, peer: PEER, tag: TAG, learner: LEARNER }, ["tag", "learner"]),
  JoinTicket: object({
    clusterId: TEXT,
    members: list(object({ id: MEMBER_ID, peer: PEER, role: TEXT })),
  }),
  NewLeader: strictObject({ id: MEMBER_ID }, ["id"]),
  MemberId: object({ id: MEMBER_ID }),
  LeaderId: object({ leaderId: MEMBER_ID }),
} as const;
