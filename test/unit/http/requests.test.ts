/** What the edge reads out of a request before it does anything: type wanted, query, topic in the path, publish target. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preferredType } from "../../../src/edges/http/accept.js";
import { PublishTargets, publishTargetOf } from "../../../src/edges/http/publish-target.js";
import { Query } from "../../../src/edges/http/query.js";
import { RouteTable } from "../../../src/edges/http/route-table.js";
import { topicFilterOf, topicNameOf, topicSegment } from "../../../src/edges/http/topic-path.js";

describe("the type a client wants (RFC 9110, 12.5.1)", () => {
  const offers = ["application/json", "application/x-ndjson"] as const;
  it.each([
    [undefined, "application/json"],
    ["", "application/json"],
    ["*/*", "application/json"],
    ["application/*", "application/json"],
    ["application/x-ndjson", "application/x-ndjson"],
    ["Application/X-NDJSON; charset=utf-8", "application/x-ndjson"],
    ["application/json;q=0.1, application/x-ndjson;q=0.5", "application/x-ndjson"],
    ["application/x-ndjson;q=0, */*", "application/json"],
    ["text/html, */*;q=0.1", "application/json"],
    ["text/html", null],
    ["application/json;q=0", null],
    ["application/json;q=nonsense", null],
    [",,;", null],
  ])("%j gives %j", (accept, expected) => {
    expect(preferredType(accept, offers)).toBe(expected);
  });
});

describe("a query", () => {
  it.each([
    ["/x", undefined],
    ["/x?", undefined],
    ["/x?a=1", "1"],
    ["/x?a", ""],
    ["/x?&&a=b=c&", "b=c"],
    ["/x?a=1+2%2B3", "1 2+3"],
    ["/x?%61=pra%C3%A7a", "praça"],
    ["/x?a=1#a=2", "1"],
  ])("%s", (url, expected) => {
    expect(new Query(url).one("a")).toBe(expected);
  });

  it("refuses malformed escapes and options given twice", () => {
    expect(() => new Query("/x?a=%zz")).toThrowError(expect.objectContaining({ code: "invalid_request" }));
    expect(() => new Query("/x?a=%ff")).toThrowError(expect.objectContaining({ code: "invalid_request" }));
    expect(() => new Query("/x?a=1&a=1").one("a")).toThrowError(
      expect.objectContaining({ code: "invalid_request" }),
    );
    expect(new Query("/x?a=1&a=2").all("a")).toEqual(["1", "2"]);
  });

  it.each(["0", "11", "-1", "1.5", "1e1", " 1", "0x1", "", "99999999999999999999", "٣", "NaN", "Infinity"])(
    "?n=%s is no whole number from 1 to 10",
    (value) => {
      const query = new Query(`/x?n=${encodeURIComponent(value)}`);
      expect(() => query.integer("n", 1, 10)).toThrowError(/1 to 10/);
    },
  );

  it("reads flags and numbers", () => {
    const query = new Query("/x?yes=true&no=false&odd=1&n=010");
    expect([query.flag("yes"), query.flag("no"), query.flag("none")]).toEqual([true, false, false]);
    expect(() => query.flag("odd")).toThrowError(/true or false/);
    expect([query.integer("n", 1, 10), query.integer("none", 1, 10)]).toEqual([10, undefined]);
  });
});

describe("the topic in a path", () => {
  it.each([
    ["/topics/a/messages", "a"],
    ["/topics/a?x=/", "a"],
    ["/topics/a#x", "a"],
    ["/topics/sensors%2Fa/messages", "sensors/a"],
    ["/topics/sensors%252Fa/messages", "sensors%2Fa"],
    ["/topics/pra%C3%A7a/messages", "praça"],
    ["http://elsewhere:80/topics/a%2Fb/messages", "a/b"],
    ["/topics/..%2f..%2Fetc%2Fpasswd/messages", "../../etc/passwd"],
    ["/topics/a+b/messages", "a+b"],
    ["/topics/%20/messages", " "],
    ["/topics//messages", ""],
  ])("%s", (url, expected) => {
    expect(topicSegment(url)).toBe(expected);
  });

  it("gives every name back that encodeURIComponent took", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (name) => {
        expect(topicSegment(`/topics/${encodeURIComponent(name)}/messages?x`)).toBe(name);
      }),
    );
  });

  it.each(["%", "%z", "%zz", "%c3", "%ff%fe", "%c0%80"])("refuses the escape %s", (segment) => {
    expect(() => topicSegment(`/topics/${segment}/messages`)).toThrowError(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });

  it.each(["", "%23", "a%2F%23", "%2B", "a%00", "%24SYS%2Fx", "x".repeat(1025), "%2F".repeat(128)])(
    "%s is no name to publish to",
    (segment) => {
      expect(() => topicNameOf(`/topics/${segment}/messages`)).toThrowError(
        expect.objectContaining({ code: "invalid_topic" }),
      );
    },
  );

  it.each(["", "%23%2Fa", "a%23", "%2Ba", "a%00"])("%s is no filter", (segment) => {
    expect(() => topicFilterOf(`/topics/${segment}/stream`)).toThrowError(
      expect.objectContaining({ code: "invalid_filter" }),
    );
  });
});

describe("a publish target", () => {
  it("has defaults", () => {
    expect(publishTargetOf("/topics/a/messages")).toEqual({
      name: "a",
      json: '"a"',
      isAscii: true,
      retain: false,
      expiresSeconds: 0,
      qos: 1,
      acknowledged: true,
    });
  });

  it("takes every option", () => {
    const target = publishTargetOf("/topics/%C3%A7%22/messages?retain=true&expires=60&qos=0&ack=none");
    expect(target).toEqual({
      name: 'ç"',
      json: '"ç\\""',
      isAscii: false,
      retain: true,
      expiresSeconds: 60,
      qos: 0,
      acknowledged: false,
    });
  });

  it.each([
    "qos=3",
    "qos=-1",
    "qos=",
    "expires=0",
    "expires=1.5",
    "expires=4294967296",
    "retain=yes",
    "ack=all",
  ])("refuses ?%s", (query) => {
    expect(() => publishTargetOf(`/topics/a/messages?${query}`)).toThrowError(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });

  it("is remembered, and never mixed up", () => {
    const targets = new PublishTargets();
    expect(targets.of("/topics/a/messages")).toBe(targets.of("/topics/a/messages"));
    for (let i = 0; i < 10_000; i += 1) expect(targets.of(`/topics/${i}/messages`).name).toBe(String(i));
    const long = `/topics/${"x".repeat(600)}/messages`;
    expect(targets.of(long)).not.toBe(targets.of(long));
  });
});

it("a path has the methods of every route that it matches", () => {
  const table = new RouteTable();
  table.add("GET", "/topics/:topic");
  table.add(["PATCH", "HEAD"], "/topics/:topic");
  table.add("GET", "/openapi.json");
  expect(table.methodsOf("/topics/a%2Fb?x=1")).toBe("GET, HEAD, OPTIONS, PATCH");
  expect(table.methodsOf("/openapi.json")).toBe("GET, OPTIONS");
  expect(table.methodsOf("/openapixjson")).toBeNull();
  expect(table.methodsOf("/topics/a/b")).toBeNull();
});
