/**
 * Every error that Jangada gives on purpose: one class, one stable code each. Edges map codes to HTTP statuses and
 * MQTT reason codes; docs/errors.md lists them (a test compares).
 */

/** What may be told to a client, by code. The text says what to do; the code never changes. */
export const ERROR_CODES = {
  invalid_topic:
    "the topic name is not valid: 1 to 1024 bytes of UTF-8 without control characters, '+' or '#', at most 128 levels, not beginning with '$'",
  invalid_filter: "the topic filter is not valid: '#' only as the last level, '+' only as a whole level",
  invalid_request: "the request is not valid; the detail says which part",
  invalid_cursor: "the event id is not one of this stream; leave it out, or use ?from=earliest",
  forbidden: "pages of this origin may not change anything here; name it in --cors-origins",
  topic_not_found: "there is no such topic; publish to it or POST /topics to create it",
  topic_exists: "a topic of that name exists; PATCH it to change its retention",
  session_not_found: "there is no session of that client id; GET /sessions lists them",
  session_displaced: "another connection has taken over the session; use that one",
  too_many_sessions: "the ceiling of stored sessions is reached; let some expire or DELETE /sessions/:id",
  retained_not_found: "the topic has no retained message",
  not_found: "there is nothing at this path; GET /openapi.json lists the routes",
  method_not_allowed: "the path exists but not with this method",
  upgrade_required:
    "this path speaks MQTT over WebSocket: connect to it with a WebSocket client and the subprotocol mqtt",
  payload_too_large: "the payload is larger than --max-payload-bytes allows",
  batch_too_large: "a batch holds at most 10,000 messages; send several",
  too_many_topics: "the node's topic ceiling is reached; delete topics or raise --max-topics",
  too_many_connections: "the node's connection ceiling is reached; close some or raise --max-connections",
  too_many_subscriptions: "the connection's subscription ceiling is reached; unsubscribe or use a wildcard",
  retained_full: "the retained messages' ceiling is reached; delete some by retaining an empty payload",
  idempotency_conflict: "this Idempotency-Key was used with another request; use a new key",
  unsupported_media_type: "this route does not take that content type",
  not_acceptable: "this route cannot answer in the type that Accept asks for",
  member_unknown: "there is no member of that id; GET /cluster lists them",
  member_exists: "a member of that id exists with another address or another data directory; choose a new id",
  member_removed: "a member of that id was removed; ids are never used again: choose a new one",
  change_pending: "another change of membership is under way; retry when it is done",
  quorum_at_risk: "the change would leave too few voters that are alive; start or replace members first",
  transfer_failed: "the leadership was not taken over in time; the old leader goes on",
  no_leader: "the group has no leader now; retry after the Retry-After seconds",
  outcome_unknown: "whether it was committed is not known here; ask again with the same Idempotency-Key",
  not_ready: "the node cannot serve yet; retry after the Retry-After seconds",
  overloaded: "too much is waiting to be committed; retry after the Retry-After seconds",
  disk_full: "the disk is full; writes are refused until there is room",
  shutting_down: "the node is stopping; use another node or retry",
  internal: "the node failed to do this; its log says why",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An expected failure with a stable code. `detail` is for people; `retryAfterSeconds` is set where waiting helps. */
export class JangadaError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    detail: string = ERROR_CODES[code],
    options: ErrorOptions & { retryAfterSeconds?: number } = {},
  ) {
    super(detail, options);
    this.name = "JangadaError";
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** A bad flag, variable or configuration value: exit code 2 and one line. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}

/** The node cannot go on or cannot start (port taken, directory locked, log corrupt): exit code 1 and one line. */
export class FatalError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FatalError";
    this.code = code;
  }
}

/** What was thrown, as an error: an error as it is, anything else as the text of one. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/**
 * Stays on in production: a broken rule stops the node rather than let it lie.
 * Throws `FatalError` with code `invariant`.
 */
export function assertInvariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new FatalError("invariant", message);
}
