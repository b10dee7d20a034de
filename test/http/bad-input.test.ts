/** What strangers send: no HTTP, too much of it, too slowly. Each gets the protocol's own error and a closed connection. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SocketBudget } from "../../src/edges/socket-budget.js";
import { jsonOf } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { parsedResponse, problemCodeIn, RawConnection } from "../support/raw-http.js";

let host: HttpHost;
beforeAll(async () => {
  host = await startHttpHost({ headersTimeoutMs: 300, requestTimeoutMs: 600 });
});
afterAll(() => host.close());

/** Sends bytes, waits for the connection to be closed, gives the one answer. */
async function answerTo(
  ...parts: readonly (string | Uint8Array)[]
): Promise<ReturnType<typeof parsedResponse>> {
  const raw = await RawConnection.open(host.port);
  for (const part of parts) raw.send(part);
  return parsedResponse(await raw.closed());
}

async function isUnharmed(): Promise<boolean> {
  return (await fetch(`${host.url}/healthz`)).ok;
}

describe("what is not HTTP", () => {
  it.each([
    ["nonsense", "hello\r\n\r\n"],
    ["MQTT", Uint8Array.of(0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 0)],
    ["TLS", Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0)],
    ["HTTP/9", "GET / HTTP/9.0\r\n\r\n"],
    ["a space in a name", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"],
    ["NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"],
    ["a bare CR in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rB: c\r\n\r\n"],
    [
      "two lengths",
      "POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ],
    [
      "a length and chunks",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ["a negative length", "POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"],
    ["a length beyond numbers", `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${"9".repeat(30)}\r\n\r\n`],
    [
      "a chunk size that is none",
      "POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ["no host", "GET /healthz HTTP/1.1\r\n\r\n"],
  ])("%s is 400, and closed", async (_name, bytes) => {
    const { status, headers } = await answerTo(bytes);
    expect([status, headers["connection"]]).toEqual([400, "close"]);
    expect(await isUnharmed()).toBe(true);
  });

  it("is told so as a problem", async () => {
    const { headers, body } = await answerTo("hello\r\n\r\n");
    expect(headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(body)).toMatchObject({ status: 400, code: "invalid_request" });
  });

  it("after a publish does not look like the publish's answer", async () => {
    const commit = host.broker.holdCommits();
    const raw = await RawConnection.open(host.port);
    raw.sendHead("POST /topics/a/messages HTTP/1.1", "Host: x", "Content-Length: 1");
    const text = raw.send("xgarbage\r\n\r\n").closed();
    expect(await text).toBe("");
    commit();
  });

  it("after an answer is told as always", async () => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead("GET /healthz HTTP/1.1", "Host: x");
    await raw.until((text) => text.endsWith('{"status":"ok"}'));
    raw.clear();
    expect(problemCodeIn(await raw.send("garbage\r\n\r\n").closed())).toBe("invalid_request");
  });

  it("in the middle of a stream ends the stream and writes nothing into it", async () => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead("GET /topics/a/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    const text = await raw.send("garbage\r\n\r\n").closed();
    expect(text).not.toContain("400");
    await expect.poll(() => host.edge.clients()).toEqual([]);
  });
});

describe("too much", () => {
  it("of headers is 431", async () => {
    const { status, body } = await answerTo(
      `GET /healthz HTTP/1.1\r\nHost: x\r\nA: ${"b".repeat(17_000)}\r\n\r\n`,
    );
    expect([status, JSON.parse(body).code]).toEqual([431, "invalid_request"]);
  });

  it("of a path is 431, and up to there an invalid topic", async () => {
    expect((await answerTo(`GET /topics/${"x".repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)).status).toBe(
      431,
    );
    const long = await fetch(`${host.url}/topics/${"x".repeat(8_000)}`);
    expect([long.status, (await jsonOf(long)).code]).toEqual([400, "invalid_topic"]);
  });

  it("of chunk extensions is 413", async () => {
    const head = "POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    const { status } = await answerTo(head, `1;${"a".repeat(20_000)}\r\nx\r\n0\r\n\r\n`);
    expect(status).toBe(413);
  });
});

describe("too slowly", () => {
  it.each([
    ["nothing at all", []],
    ["half a line", ["GET /hea"]],
    ["headers without end", ["GET /healthz HTTP/1.1\r\nHost: x\r\nA: b\r\n"]],
    [
      "a body that does not come",
      ["POST /topics/a/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"],
    ],
  ])("%s is 408, and closed", async (_name, parts) => {
    const { status, headers } = await answerTo(...parts);
    expect([status, headers["content-type"]]).toEqual([408, "application/problem+json"]);
  });

  it("a byte now and then buys no time (slowloris)", async () => {
    const raw = await RawConnection.open(host.port);
    raw.send("GET /healthz HTTP/1.1\r\nHost: x\r\n");
    const drip = setInterval(() => raw.send("a"), 20);
    expect(parsedResponse(await raw.closed()).status).toBe(408);
    clearInterval(drip);
  });

  it("a stream lives on, however long it lasts", async () => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead("GET /topics/long/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    const slow = await RawConnection.open(host.port);
    await slow.send("GET /").closed();
    await fetch(`${host.url}/topics/long/messages`, { method: "POST", body: "still here" });
    await raw.until((text) => text.includes("still here"));
    raw.close();
  });
});

describe("too many connections", () => {
  it("are told 503, and those that are in stay in", async () => {
    const small = await startHttpHost({ connectionsMax: 2 });
    const inside = [await RawConnection.open(small.port), await RawConnection.open(small.port)];
    const get = ["GET /healthz HTTP/1.1", "Host: x"];
    for (const raw of inside) await raw.sendHead(...get).until((text) => text.includes("200 OK"));
    const outside = await RawConnection.open(small.port);
    const { status, headers, body } = parsedResponse(await outside.sendHead(...get).closed());
    expect([status, headers["retry-after"], JSON.parse(body).code]).toEqual([
      503,
      "1",
      "too_many_connections",
    ]);
    inside[0]?.close();
    await expect.poll(() => small.edge.connectionsOpen).toBe(1);
    const next = await RawConnection.open(small.port);
    await next.sendHead(...get).until((text) => text.includes("200 OK"));
    expect(await small.metrics()).toContain(
      'jangada_refused_total{edge="http",code="too_many_connections"} 1',
    );
    await small.close();
  });
});

it("too many sockets of all edges together: the connection is closed, and one that leaves makes room", async () => {
  const sockets = new SocketBudget(2);
  const small = await startHttpHost({ sockets });
  sockets.take();
  const get = ["GET /healthz HTTP/1.1", "Host: x"];
  const inside = await RawConnection.open(small.port);
  await inside.sendHead(...get).until((text) => text.includes("200 OK"));
  expect(await (await RawConnection.open(small.port)).closed()).toBe("");
  expect(small.edge.connectionsOpen).toBe(1);
  sockets.release();
  const next = await RawConnection.open(small.port);
  await next.sendHead(...get).until((text) => text.includes("200 OK"));
  inside.close();
  await expect.poll(() => small.edge.connectionsOpen).toBe(1);
  const another = await RawConnection.open(small.port);
  await another.sendHead(...get).until((text) => text.includes("200 OK"));
  await small.close();
});

describe("paths", () => {
  it.each([
    ["/topics/%", 400, "invalid_request"],
    ["/topics/%c0%80/messages", 400, "invalid_request"],
    ["/topics/a%00b", 400, "invalid_topic"],
    ["/../../etc/passwd", 404, "not_found"],
    ["/topics/../../etc/passwd", 404, "not_found"],
    ["/%2e%2e/%2e%2e/etc/passwd", 404, "not_found"],
    ["/topics/..%2f..%2fetc%2fpasswd", 404, "topic_not_found"],
    ["http://elsewhere/topics/nowhere?x", 404, "topic_not_found"],
    ["http://elsewhere/nowhere", 404, "not_found"],
    ["/topics/praça", 400, "invalid_request"],
    ["*", 404, "not_found"],
  ])("GET %s is %i %s", async (path, status, code) => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead(`GET ${path} HTTP/1.1`, "Host: x", "Connection: close");
    const answer = parsedResponse(await raw.closed());
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
  });
});
