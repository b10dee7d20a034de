/**
 * Which web pages may call (Fetch standard, CORS protocol): an allow-list of origins, empty by default. A page that is not on it
 * gets no header and so, from its browser, nothing.
 */
import { PropertyHeader } from "./properties.js";

/** Response headers that a page may read. */
const EXPOSED = [
  ...["Idempotent-Replayed", "Jangada-Position", "Link", "Location", "Retry-After"],
  ...Object.values(PropertyHeader),
].join(", ");
/** Request headers that a page may send. */
const ALLOWED = [
  ...["Accept", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
  ...Object.values(PropertyHeader),
].join(", ");
const PREFLIGHT_MAX_AGE_SECONDS = 600;

export type CorsHeaders = Readonly<Record<string, string>>;
const NONE: CorsHeaders = Object.freeze({});

export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #any: boolean;
  /** Shared by every answer to a page that is not allowed: caches must not hand it to one that is. */
  readonly #refused: CorsHeaders;

  /** Takes the allowed origins (`https://a.example`); `*` allows any. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
    this.#any = this.#origins.has("*");
    this.#refused = origins.length === 0 || this.#any ? NONE : Object.freeze({ Vary: "Origin" });
  }

  /**
   * Whether a browser sends this for a page that may not change anything here. A page can send a simple POST to any address without
   * asking first; CORS would only hide the answer from it. Programs send no `Origin`, a node's own pages send its host.
   */
  isForeign(method: string | undefined, origin: string | undefined, host: string | undefined): boolean {
    if (method === "GET" || method === "HEAD" || method === "OPTIONS") return false;
    return this.isForeignPage(origin, host);
  }

  /** Whether that is a page that may not change anything here. What it may do over a WebSocket depends on nothing else: browsers ask nobody. */
  isForeignPage(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined) return false;
    if (this.#any || this.#origins.has(origin)) return false;
    return host === undefined || (origin !== `http://${host}` && origin !== `https://${host}`);
  }

  /** Headers for the answer to a request from `origin` (`undefined`: from no page). */
  headersFor(origin: string | undefined): CorsHeaders {
    if (this.#any) {
      return { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED };
    }
    if (origin === undefined || !this.#origins.has(origin)) return this.#refused;
    return {
      "Access-Control-Allow-Origin": origin,
      "Access-Control-Expose-Headers": EXPOSED,
      Vary: "Origin",
    };
  }

  /** Headers for the answer to a preflight; the browser refuses by itself when the origin's are missing. */
  preflightHeaders(origin: string | undefined, methods: string): CorsHeaders {
    const headers = this.headersFor(origin);
    if (headers["Access-Control-Allow-Origin"] === undefined) return headers;
    return {
      ...headers,
      "Access-Control-Allow-Methods": methods,
      "Access-Control-Allow-Headers": ALLOWED,
      "Access-Control-Max-Age": String(PREFLIGHT_MAX_AGE_SECONDS),
    };
  }
}
