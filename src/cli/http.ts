/** HTTP to a node, for the client commands: addresses, and failures turned into one line with a code. */
import { checkValue } from "../config/check.js";
import { httpUrl } from "../config/kinds.js";
import { heldFetch } from "../runtime/held-fetch.js";
import type { Option } from "./command.js";
import { ClientFailure } from "./failure.js";

const DEFAULT_URL = "http://127.0.0.1:8080";
/** A node answers within its own 10 s; the rest is for what is sent to it over a slow line. */
const HEAD_MS = 60_000;

/** Flags that every client command has. */
export const urlOption: Option<string> = {
  kind: httpUrl(),
  help: `the node's HTTP address (JANGADA_URL, else ${DEFAULT_URL})`,
};

/** The node to talk to: flag, then `JANGADA_URL`, then this machine. Throws `ConfigError`. */
export function nodeUrl(flag: string | undefined): URL {
  const variable = process.env["JANGADA_URL"];
  const fromVariable = (): string =>
    variable === undefined || variable === ""
      ? DEFAULT_URL
      : checkValue(urlOption.kind, variable, "variable JANGADA_URL");
  const url = new URL(flag ?? fromVariable());
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** The address of a path below the node's, with a query; `undefined` values are left out. */
export function address(
  base: URL,
  path: string,
  query: Readonly<Record<string, string | number | undefined>> = {},
): URL {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

/** `topics/...` for a topic. URLs cannot name `.` and `..` (they are removed from paths): `invalid_topic`. */
export function topicPath(topic: string, rest = ""): string {
  if (topic === "." || topic === "..") {
    throw new ClientFailure("invalid_topic", `a URL cannot name the topic ${topic}; use MQTT for it`);
  }
  if (topic === "") throw new ClientFailure("invalid_topic", "the topic is empty");
  return `topics/${encodeURIComponent(topic)}${rest}`;
}

/** Sends a request and gives the answer when it is a good one. Throws `ClientFailure`. */
export async function request(url: URL, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await heldFetch(url, init, HEAD_MS);
  } catch (cause) {
    throw connectionFailure(cause, url);
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

/** The JSON of an answer. Throws `ClientFailure` when there is none. */
export async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new ClientFailure("bad_answer", "the answer is not JSON");
    throw connectionFailure(cause, new URL(response.url));
  }
}

/** An object of an answer. */
export type Fields = Readonly<Record<string, unknown>>;

/** The object that an answer is. Throws `ClientFailure` `bad_answer` for anything else. */
export function fieldsOf(value: unknown): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw new ClientFailure("bad_answer", "the answer is no object");
}

/** Failures before which nothing can have reached a node. */
const NEVER_ARRIVED: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** What `fetch` or reading a body threw, as a failure. An abort stays what it is. */
export function connectionFailure(thrown: unknown, url: URL): unknown {
  if (!(thrown instanceof Error) || thrown.name === "AbortError") return thrown;
  const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
  const code = "code" in cause ? String(cause.code) : "";
  if (NEVER_ARRIVED.has(code)) {
    return new ClientFailure(
      "unreachable",
      `no node answers at ${url.origin} (${code}); is it running there?`,
    );
  }
  const reason = code === "" ? cause.message : code;
  return new ClientFailure("connection_lost", `the connection to ${url.origin} broke (${reason})`, {
    retryable: true,
  });
}

/** Statuses that ask to come again (RFC 9110, 15.6.4; RFC 6585, 4). */
const COME_AGAIN: ReadonlySet<number> = new Set([429, 503]);

async function problemOf(response: Response): Promise<ClientFailure> {
  const retryable = COME_AGAIN.has(response.status);
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
  const text = await response.text().catch(() => "");
  const { code, detail } = problemIn(text);
  return new ClientFailure(
    code ?? `http_${response.status}`,
    oneLine(detail ?? `the node answered ${response.status} ${response.statusText}`),
    { retryable, retryAfterMs },
  );
}

/** Reads problem+json (RFC 9457) as far as it is there. */
function problemIn(text: string): { readonly code?: string; readonly detail?: string } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return {};
  }
  if (typeof body !== "object" || body === null) return {};
  const code = "code" in body && typeof body.code === "string" ? { code: body.code } : {};
  const detail = "detail" in body && typeof body.detail === "string" ? { detail: body.detail } : {};
  return { ...code, ...detail };
}

/** Text from elsewhere, fit for one line of a terminal: control characters are gone. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}
