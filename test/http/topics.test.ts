/** Topics as resources, over real sockets. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectProblem, jsonOf } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";

let host: HttpHost;
beforeAll(async () => {
  host = await startHttpHost();
});
afterAll(() => host.close());

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(`${host.url}${path}`, {
    method,
    ...(body === undefined
      ? { headers }
      : {
          body: typeof body === "string" ? body : JSON.stringify(body),
          headers: { "content-type": "application/json", ...headers },
        }),
  });

describe("creating", () => {
  it("answers 201 with the topic and where it is", async () => {
    const response = await call("POST", "/topics", { name: "made/a b", retention: { ageMs: 60_000 } });
    expect(response.status).toBe(201);
    expect(response.headers.get("location")).toBe("/topics/made%2Fa%20b");
    expect(await jsonOf(response)).toEqual({
      name: "made/a b",
      messages: 0,
      bytes: 0,
      nextOffset: 0,
      newestId: null,
      createdAt: expect.any(Number),
      retention: { ageMs: 60_000 },
    });
  });

  it("a second time is 409", async () => {
    await call("POST", "/topics", { name: "twice" });
    await expectProblem(await call("POST", "/topics", { name: "twice" }), 409, "topic_exists");
  });

  it.each([
    ["no JSON", "{", 400, "invalid_request"],
    ["nothing", "", 400, "invalid_request"],
    ["no name", {}, 400, "invalid_request"],
    ["a name that is no text", { name: 1 }, 400, "invalid_request"],
    ["a field that is not ours", { name: "x", retenion: {} }, 400, "invalid_request"],
    ["retention of nothing", { name: "x", retention: { bytes: 0 } }, 400, "invalid_request"],
    ["retention beyond numbers", { name: "x", retention: { ageMs: 1e300 } }, 400, "invalid_request"],
    ["retention by halves", { name: "x", retention: { ageMs: 1.5 } }, 400, "invalid_request"],
    ["an empty name", { name: "" }, 400, "invalid_topic"],
    ["a wildcard", { name: "a/#" }, 400, "invalid_topic"],
    ["NUL", { name: "a\0" }, 400, "invalid_topic"],
    ["half a character", { name: "\ud800" }, 400, "invalid_topic"],
    ["a name of the broker's own", { name: "$SYS/x" }, 400, "invalid_topic"],
    ["too deep a name", { name: "/".repeat(128) }, 400, "invalid_topic"],
    ["too long a name", { name: "x".repeat(1025) }, 400, "invalid_topic"],
    ["too long a body", { name: "x".repeat(70_000) }, 413, "payload_too_large"],
  ])("with %s is refused", async (_name, body, status, code) => {
    await expectProblem(await call("POST", "/topics", body), status, code);
  });

  it("takes JSON and nothing else", async () => {
    const response = await call("POST", "/topics", '{"name":"x"}', { "content-type": "text/plain" });
    await expectProblem(response, 415, "unsupported_media_type");
    const bare = await call("POST", "/topics", '{"name":"x"}', {
      "content-type": "application/json; charset=utf-8",
    });
    expect(bare.status).toBe(201);
  });

  it("names the wrong field", async () => {
    const response = await call("POST", "/topics", { name: "x", retention: { ageMs: "1h" } });
    expect((await jsonOf(response)).detail).toContain("retention.ageMs");
  });
});

describe("showing, changing, deleting", () => {
  it("shows what it holds", async () => {
    const body = Buffer.from("12345");
    const published = await call("POST", "/topics/shown/messages", body.toString());
    const topic = await jsonOf(await call("GET", "/topics/shown"));
    expect(topic).toMatchObject({
      messages: 1,
      bytes: 5,
      nextOffset: 1,
      newestId: (await jsonOf(published)).id,
    });
  });

  it("changes the retention field by field; null goes back to the default", async () => {
    await call("POST", "/topics", { name: "changed", retention: { ageMs: 1000 } });
    const first = await call("PATCH", "/topics/changed", { retention: { bytes: 5000 } });
    expect((await jsonOf(first)).retention).toEqual({ ageMs: 1000, bytes: 5000 });
    const second = await call("PATCH", "/topics/changed", { retention: { ageMs: null } });
    expect((await jsonOf(second)).retention).toEqual({ bytes: 5000 });
  });

  it("deletes, and is gone", async () => {
    await call("POST", "/topics", { name: "gone" });
    const response = await call("DELETE", "/topics/gone");
    expect([response.status, await response.text()]).toEqual([204, ""]);
    await expectProblem(await call("GET", "/topics/gone"), 404, "topic_not_found");
    await expectProblem(await call("DELETE", "/topics/gone"), 404, "topic_not_found");
    await expectProblem(await call("PATCH", "/topics/gone", { retention: {} }), 404, "topic_not_found");
  });

  it.each([
    ["GET", "/topics/%23", "invalid_topic"],
    ["GET", "/topics/", "invalid_topic"],
    ["DELETE", "/topics/a%2F%2B", "invalid_topic"],
    ["GET", "/topics/%zz", "invalid_request"],
    ["GET", "/topics/%ff", "invalid_request"],
  ])("%s %s is 400", async (method, path, code) => {
    await expectProblem(await call(method, path), 400, code);
  });

  it("a percent sign, a slash and two dots are parts of a name like others", async () => {
    for (const name of ["100%", "a%2Fb", "a/b", "../../etc/passwd", "..%2f..", "a?b&c;d", "a b"]) {
      await call("POST", "/topics", { name });
      const topic = await jsonOf(await call("GET", `/topics/${encodeURIComponent(name)}`));
      expect(topic.name).toBe(name);
    }
  });
});

describe("listing", () => {
  beforeAll(async () => {
    for (let i = 0; i < 7; i += 1) await call("POST", "/topics", { name: `list/${i}` });
  });

  it("pages through every name once, in order", async () => {
    const names: string[] = [];
    let query = "limit=3";
    for (let pages = 1; ; pages += 1) {
      const page = await jsonOf(await call("GET", `/topics?prefix=list%2F&${query}`));
      names.push(...page.topics.map(({ name }) => name));
      if (page.next === null) {
        expect(pages).toBe(3);
        break;
      }
      query = `limit=3&cursor=${encodeURIComponent(page.next)}`;
    }
    expect(names).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `list/${i}`));
  });

  it("a page that ends exactly with the list has no next one", async () => {
    expect((await jsonOf(await call("GET", "/topics?prefix=list%2F&limit=7"))).next).toBeNull();
  });

  it.each([
    "limit=0",
    "limit=1001",
    "limit=-1",
    "limit=99999999999999999999",
    "limit=1e3",
    "limit=1&limit=2",
    "cursor=!",
    "cursor=AAAA",
    "cursor=%ff",
    "prefix=%zz",
  ])("?%s is 400", async (query) => {
    await expectProblem(await call("GET", `/topics?${query}`), 400, "invalid_request");
  });
});

describe("what is not there", () => {
  it.each(["/nope", "/topics/a/b", "/topics/a/messages/1", "/topics/../etc/passwd", "//topics", "/TOPICS"])(
    "%s is 404",
    async (path) => {
      await expectProblem(await call("GET", path), 404, "not_found");
    },
  );

  it.each([
    ["PUT", "/topics", "GET, HEAD, OPTIONS, POST"],
    ["POST", "/topics/a", "DELETE, GET, HEAD, OPTIONS, PATCH"],
    ["DELETE", "/topics/a/messages", "GET, HEAD, OPTIONS, POST"],
    ["PUT", "/topics/a%2Fb/stream?x=1", "GET, HEAD, OPTIONS"],
    ["PROPFIND", "/clients", "GET, HEAD, OPTIONS"],
  ])("%s %s is 405", async (method, path, allow) => {
    const response = await call(method, path);
    expect(response.headers.get("allow")).toBe(allow);
    await expectProblem(response, 405, "method_not_allowed");
  });

  it.each([
    ["QUERY", "/topics/a", null, {}],
    ["PUT", "/topics", "x", { "content-type": "garbage" }],
    ["POST", "/metrics", "x", { "content-type": "/" }],
  ])("%s %s is 405 before anything else is wrong with it", async (method, path, body, headers) => {
    const response = await fetch(`${host.url}${path}`, { method, body, headers });
    expect(response.headers.get("allow")).toContain("OPTIONS");
    await expectProblem(response, 405, "method_not_allowed");
  });

  it("what is wrong with a body does not hide that there is nothing at the path", async () => {
    const headers = { "content-type": "garbage" };
    const response = await fetch(`${host.url}/nowhere`, { method: "POST", body: "x", headers });
    await expectProblem(response, 404, "not_found");
  });

  it("OPTIONS tells the methods, HEAD the head", async () => {
    const options = await call("OPTIONS", "/topics/a");
    expect([options.status, options.headers.get("allow")]).toEqual([
      204,
      "DELETE, GET, HEAD, OPTIONS, PATCH",
    ]);
    const head = await call("HEAD", "/topics");
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(0);
  });
});
