/**
 * Errors as `application/problem+json` (RFC 9457): every stable code has one status, and what a client may not know (a stack, a
 * path, a cause) stays in the log.
 */
import { type ServerResponse, STATUS_CODES } from "node:http";
import { ERROR_CODES, type ErrorCode, JangadaError } from "../../errors.js";

/** The status of every code. 503 means that waiting helps. */
export const STATUS_BY_CODE = {
  invalid_topic: 400,
  invalid_filter: 400,
  invalid_request: 400,
  invalid_cursor: 400,
  forbidden: 403,
  topic_not_found: 404,
  topic_exists: 409,
  retained_not_found: 404,
  not_found: 404,
  method_not_allowed: 405,
  upgrade_required: 426,
  payload_too_large: 413,
  batch_too_large: 413,
  too_many_topics: 507,
  too_many_connections: 503,
  too_many_subscriptions: 400,
  retained_full: 507,
  idempotency_conflict: 409,
  unsupported_media_type: 415,
  not_acceptable: 406,
  member_unknown: 404,
  session_not_found: 404,
  session_displaced: 409,
  too_many_sessions: 507,
  member_exists: 409,
  member_removed: 409,
  change_pending: 409,
  quorum_at_risk: 409,
  transfer_failed: 504,
  no_leader: 503,
  outcome_unknown: 504,
  not_ready: 503,
  overloaded: 503,
  disk_full: 507,
  shutting_down: 503,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

export const PROBLEM_TYPE = "application/problem+json";
const RETRY_AFTER_SECONDS = 1;

/** A problem ready to be sent. */
export interface Problem {
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The problem that tells of an error; `status` is given where HTTP has a finer one than the code's (408, 431). */
export function problemOf(
  code: ErrorCode,
  detail: string = ERROR_CODES[code],
  options: { readonly retryAfterSeconds?: number | undefined; readonly status?: number } = {},
): Problem {
  const status = options.status ?? STATUS_BY_CODE[code];
  const title = STATUS_CODES[status] ?? "Error";
  const body = JSON.stringify({ type: "about:blank", title, status, code, detail });
  const headers: Record<string, string> = {
    "Content-Type": PROBLEM_TYPE,
    "Content-Length": String(Buffer.byteLength(body)),
    "X-Content-Type-Options": "nosniff",
  };
  if (status === 503) headers["Retry-After"] = String(options.retryAfterSeconds ?? RETRY_AFTER_SECONDS);
  return { code, status, headers, body };
}

/** The problem that tells of what was thrown: expected errors as they are, everything else as `internal`. */
export function problemOfError(error: unknown): Problem {
  if (!(error instanceof JangadaError)) return problemOf("internal");
  return problemOf(error.code, error.message, { retryAfterSeconds: error.retryAfterSeconds });
}

/** Sends a problem on a response of which nothing was sent yet; `extra` are headers such as CORS. */
export function sendProblem(
  response: ServerResponse,
  problem: Problem,
  extra: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(problem.status, { ...extra, ...problem.headers });
  response.end(problem.body);
}

/** A problem as a whole HTTP response that closes the connection, for a socket that has no response object (yet). */
export function problemBytes(problem: Problem): string {
  const status = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? "Error"}`;
  const lines = Object.entries(problem.headers).map(([name, value]) => `${name}: ${value}`);
  return [status, ...lines, "Connection: close", "", problem.body].join("\r\n");
}
