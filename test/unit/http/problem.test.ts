/** Errors as problems, and which pages may read them. */
import { describe, expect, it } from "vitest";
import { Cors } from "../../../src/edges/http/cors.js";
import { problemBytes, problemOf, problemOfError, STATUS_BY_CODE } from "../../../src/edges/http/problem.js";
import { ERROR_CODES, type ErrorCode, JangadaError } from "../../../src/errors.js";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

describe("a problem (RFC 9457)", () => {
  it.each(CODES)("%s has a status, a title and a text", (code) => {
    const { status, headers, body } = problemOf(code);
    expect(status).toBe(STATUS_BY_CODE[code]);
    expect(JSON.parse(body)).toEqual({
      type: "about:blank",
      title: expect.stringMatching(/\w/),
      status,
      code,
      detail: ERROR_CODES[code],
    });
    expect(headers["Content-Type"]).toBe("application/problem+json");
    expect("Retry-After" in headers).toBe(status === 503);
  });

  it("has a row for every code and for nothing else", () => {
    expect(Object.keys(STATUS_BY_CODE).sort()).toEqual([...CODES].sort());
  });

  it("keeps the detail and the wait of an expected error", () => {
    const problem = problemOfError(new JangadaError("overloaded", "too much", { retryAfterSeconds: 7 }));
    expect(problem).toMatchObject({ status: 503, headers: { "Retry-After": "7" } });
    expect(JSON.parse(problem.body).detail).toBe("too much");
  });

  it("tells nothing of an unexpected one", () => {
    const { status, body } = problemOfError(new Error("/etc/secret"));
    expect(status).toBe(500);
    expect(body).not.toContain("secret");
  });

  it("is a whole response where there is no request yet", () => {
    const text = problemBytes(problemOf("invalid_request", "praça", { status: 431 }));
    const [head = "", body = ""] = text.split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
    expect(head).toContain("Connection: close");
  });
});

describe("pages of other origins", () => {
  const origin = "https://a.example";

  it.each([
    ["nobody allowed", [], origin, undefined, undefined],
    ["on the list", [origin], origin, origin, "Origin"],
    ["not on the list", [origin], "https://b.example", undefined, "Origin"],
    ["a prefix of one on the list", [origin], "https://a.exampl", undefined, "Origin"],
    ["no page at all", [origin], undefined, undefined, "Origin"],
    ["anybody allowed", ["*"], origin, "*", undefined],
    ["null is an origin like others", [origin], "null", undefined, "Origin"],
  ])("%s", (_name, allowed, from, allowOrigin, vary) => {
    const headers = new Cors(allowed).headersFor(from);
    expect(headers["Access-Control-Allow-Origin"]).toBe(allowOrigin);
    expect(headers["Vary"]).toBe(vary);
    expect("Access-Control-Expose-Headers" in headers).toBe(allowOrigin !== undefined);
  });

  it("a preflight is answered only for an allowed one", () => {
    const cors = new Cors([origin]);
    expect(cors.preflightHeaders(origin, "GET")).toMatchObject({
      "Access-Control-Allow-Methods": "GET",
      "Access-Control-Allow-Headers": expect.stringContaining("Last-Event-ID"),
    });
    expect(cors.preflightHeaders("https://b.example", "GET")).toEqual({ Vary: "Origin" });
  });
});
