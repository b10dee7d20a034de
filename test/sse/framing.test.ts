/** Streams byte for byte, on bare sockets: head, first bytes, chunks, comments, end (WHATWG HTML, 9.2; RFC 9112, 7.1). */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { ManualClock } from "../support/manual-clock.js";
import { parsedResponse, RawConnection } from "../support/raw-http.js";

let host: HttpHost;
const clock = new ManualClock();
const open: RawConnection[] = [];
beforeAll(async () => {
  host = await startHttpHost({ clock });
});
afterEach(() => {
  for (const raw of open.splice(0)) raw.close();
});
afterAll(async () => {
  const stopped = host.close();
  clock.advance(5_000);
  await stopped;
});

async function request(...lines: readonly string[]): Promise<RawConnection> {
  const raw = await RawConnection.open(host.port);
  open.push(raw);
  return raw.sendHead(...lines);
}

const publish = (topic: string, body: string | Uint8Array<ArrayBuffer>) =>
  fetch(`${host.url}/topics/${encodeURIComponent(topic)}/messages`, { method: "POST", body });

/** Takes chunks apart; the terminating one shows as "". */
function chunksOf(text: string): string[] {
  const chunks: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, end), 16);
    chunks.push(text.slice(end + 2, end + 2 + size));
    expect(text.slice(end + 2 + size, end + 4 + size)).toBe("\r\n");
    at = end + 4 + size;
  }
  return chunks;
}

describe("the head", () => {
  it("keeps caches and proxies from holding the stream back, and comes at once", async () => {
    const raw = await request("GET /topics/head/stream HTTP/1.1", "Host: x");
    const { status, headers, body } = parsedResponse(await raw.until((text) => text.includes("retry:")));
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
      "transfer-encoding": "chunked",
    });
    expect(chunksOf(body)).toEqual([`retry: 1000\n:\n\nid: ${host.broker.eventId(host.broker.head)}\n\n`]);
  });

  it("is all that HEAD gets", async () => {
    const raw = await request("HEAD /topics/head/stream HTTP/1.1", "Host: x", "Connection: close");
    const { status, headers, body } = parsedResponse(await raw.closed());
    expect([status, headers["content-type"], body]).toEqual([200, "text/event-stream", ""]);
    expect(host.edge.clients()).toEqual([]);
  });
});

describe("events", () => {
  it("each publish is a chunk of its own when nothing else is going on", async () => {
    const raw = await request("GET /topics/live/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    const start = raw.text.length;
    await publish("live", "one");
    const first = host.broker.eventId(host.broker.head);
    await raw.until((text) => text.includes("one"));
    await publish("live", "a\r\nb");
    const second = host.broker.eventId(host.broker.head);
    await raw.until((text) => text.endsWith("b\n\n\r\n"));
    expect(chunksOf(raw.text.slice(start))).toEqual([
      `id: ${first}\ndata: one\n\n`,
      `id: ${second}\ndata: a\ndata: b\n\n`,
    ]);
  });

  it("line ends in a payload make no fields, ids or events", async () => {
    const raw = await request("GET /topics/evil/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    raw.clear();
    await publish("evil", "x\n\nid: 1\r\revent: gap\ndata: {}\n\n0\r\n\r\n");
    const [event = ""] = chunksOf(await raw.until((text) => text.endsWith("\n\n\r\n")));
    const [id, ...lines] = event.slice(0, -2).split("\n");
    expect(id).toMatch(/^id: \d+-0-test$/);
    expect(lines.every((line) => line.startsWith("data: "))).toBe(true);
    expect(event.indexOf("\n\n")).toBe(event.length - 2);
  });

  it("many publishes of one moment are one write", async () => {
    const raw = await request("GET /topics/burst/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    raw.clear();
    await fetch(`${host.url}/topics/burst/messages`, {
      method: "POST",
      body: "1\n2\n3",
      headers: { "content-type": "application/x-ndjson" },
    });
    const chunks = chunksOf(await raw.until((text) => text.includes("data: 3")));
    expect(chunks).toHaveLength(1);
    expect(chunks[0]?.match(/^data: /gm)).toHaveLength(3);
  });
});

describe("an HTTP/1.0 reader", () => {
  it("gets no chunks, and the end of the connection for an end", async () => {
    const raw = await request("GET /topics/old/stream HTTP/1.0", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    await publish("old", "hello");
    await raw.until((text) => text.includes("hello"));
    await fetch(`${host.url}/topics/old`, { method: "DELETE" });
    const { headers, body } = parsedResponse(await raw.closed());
    expect(headers).not.toHaveProperty("transfer-encoding");
    expect(body).toMatch(/^retry: 1000\n:\n\nid: .*\n\nid: .*\ndata: hello\n\nevent: deleted\ndata: .*\n\n$/);
  });
});

describe("comments", () => {
  it("go every 15 seconds to streams that are silent, and to no others", async () => {
    const silent = await request("GET /topics/silent/stream HTTP/1.1", "Host: x");
    const busy = await request("GET /topics/busy/stream HTTP/1.1", "Host: x");
    for (const raw of [silent, busy]) {
      await raw.until((text) => text.includes("retry:"));
    }
    clock.advance(15_000);
    for (const raw of [silent, busy]) raw.clear();
    await publish("busy", "news");
    await busy.until((text) => text.includes("news"));
    clock.advance(15_000);
    await silent.until((text) => text !== "");
    clock.advance(15_000);
    await busy.until((text) => text.endsWith(":\n\n\r\n"));
    await silent.until((text) => text.length > 8);
    expect(chunksOf(silent.text)).toEqual([":\n\n", ":\n\n"]);
    expect(chunksOf(busy.text).filter((chunk) => chunk === ":\n\n")).toHaveLength(1);
  });
});

describe("the end", () => {
  it("of a deleted topic: an event that says so, and an orderly end of the response", async () => {
    const raw = await request("GET /topics/dead/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    raw.clear();
    await fetch(`${host.url}/topics/dead`, { method: "DELETE" });
    const text = await raw.until((received) => received.endsWith("0\r\n\r\n"));
    expect(chunksOf(text)).toEqual(['event: deleted\ndata: {"topic":"dead"}\n\n', ""]);
    await expect.poll(() => host.edge.clients()).toEqual([]);
  });

  it("leaves the connection fit for the next request", async () => {
    const raw = await request("GET /topics/reuse/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    await fetch(`${host.url}/topics/reuse`, { method: "DELETE" });
    await raw.until((received) => received.endsWith("0\r\n\r\n"));
    raw.clear();
    raw.sendHead("GET /healthz HTTP/1.1", "Host: x");
    await raw.until((text) => text.endsWith('{"status":"ok"}'));
  });

  it("by the reader leaves nothing behind", async () => {
    const raw = await request("GET /topics/left/stream HTTP/1.1", "Host: x");
    await raw.until((text) => text.includes("retry:"));
    expect(host.edge.clients()).toHaveLength(1);
    raw.close();
    await expect.poll(() => host.edge.clients()).toEqual([]);
    await publish("left", "to nobody");
  });
});

describe("pipelined", () => {
  it("a stream behind an answer that is still to come opens after it", async () => {
    const commit = host.broker.holdCommits();
    const raw = await request("POST /topics/piped/messages HTTP/1.1", "Host: x", "Content-Length: 0");
    raw.sendHead("GET /topics/head/stream HTTP/1.1", "Host: x");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(raw.text).toBe("");
    commit();
    const text = await raw.until((received) => received.includes("retry:"));
    expect(text).toMatch(/^HTTP\/1\.1 201[\s\S]*HTTP\/1\.1 200/);
  });
});
