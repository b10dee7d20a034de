/** Publishing over real sockets: one message, batches, acknowledgements, refusals. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PublishCommand } from "../../src/commands/command.js";
import { STATUS_BY_CODE } from "../../src/edges/http/problem.js";
import { ERROR_CODES, type ErrorCode } from "../../src/errors.js";
import { limits } from "../../src/limits.js";
import { expectProblem, jsonOf } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { parsedResponse, problemCodeIn, RawConnection } from "../support/raw-http.js";

let host: HttpHost;
beforeAll(async () => {
  host = await startHttpHost({ payloadBytesMax: 100_000 });
});
afterAll(() => host.close());

const publish = (
  topic: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  query = "",
) =>
  fetch(`${host.url}/topics/${encodeURIComponent(topic)}/messages${query}`, {
    method: "POST",
    body,
    headers,
  });

const lastPublish = (): PublishCommand => host.broker.commands.at(-1) as PublishCommand;
const storedOf = (topic: string) =>
  host.broker.store.messages.filter((message) => message.topic.name === topic);

describe("one message", () => {
  it("is answered with its place once it is committed", async () => {
    const before = await publish("one", "first");
    const response = await publish("one", "second");
    expect(response.status).toBe(201);
    expect(response.headers.get("content-type")).toBe("application/json");
    const answer = await jsonOf(response);
    expect(answer).toEqual({
      topic: "one",
      id: host.broker.eventId(host.broker.head),
      offset: 1,
      timestamp: storedOf("one")[1]?.timestampMs,
    });
    expect((await jsonOf(before)).offset).toBe(0);
  });

  it("is not answered before", async () => {
    const commit = host.broker.holdCommits();
    let isAnswered = false;
    const answer = publish("held", "x").then((response) => {
      isAnswered = true;
      return response;
    });
    const earlier = host.broker.commands.length;
    while (host.broker.commands.length === earlier) await new Promise((resolve) => setImmediate(resolve));
    await fetch(`${host.url}/healthz`);
    expect(isAnswered).toBe(false);
    commit();
    expect((await answer).status).toBe(201);
  });

  it("is kept byte for byte with its content type", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await publish("bytes", bytes, { "content-type": "image/x-odd; a=b" });
    expect(storedOf("bytes")).toMatchObject([{ contentType: "image/x-odd; a=b" }]);
    expect(Buffer.from(storedOf("bytes")[0]!.payload).equals(bytes)).toBe(true);
  });

  it("may be empty, and may have no content type", async () => {
    expect((await publish("empty", new Uint8Array(0))).status).toBe(201);
    expect(storedOf("empty")).toMatchObject([{ contentType: "" }]);
    expect(storedOf("empty")[0]?.payload.length).toBe(0);
  });

  it("of any size up to the ceiling arrives whole, also in pieces", async () => {
    const body = Buffer.alloc(100_000, "abcdefghijk");
    expect((await publish("big", body)).status).toBe(201);
    expect(Buffer.from(storedOf("big")[0]!.payload).equals(body)).toBe(true);
    const raw = await RawConnection.open(host.port);
    raw.sendHead("POST /topics/pieces/messages HTTP/1.1", "Host: x", "Content-Length: 6").send("ab");
    await new Promise((resolve) => setImmediate(resolve));
    raw.send("cdef");
    await raw.until((text) => text.includes("201"));
    expect(Buffer.from(storedOf("pieces")[0]!.payload).toString()).toBe("abcdef");
    raw.close();
  });

  it("takes the options to the broker", async () => {
    await publish("options", "x", {}, "?retain=true&expires=60&qos=2");
    expect(lastPublish()).toMatchObject({
      topic: "options",
      autoCreate: true,
      idempotency: null,
      publisher: 0,
      receipt: null,
      messages: [{ qos: 2, retain: true, expiresAtMs: host.broker.nowMs() + 60_000 }],
    });
    await publish("options", "x");
    expect(lastPublish()).toMatchObject({ messages: [{ qos: 1, retain: false, expiresAtMs: 0 }] });
  });

  it("with a topic that JSON has to escape is answered in JSON", async () => {
    const answer = await jsonOf(await publish('pra"ça\\⛵', "x"));
    expect(answer.topic).toBe('pra"ça\\⛵');
  });

  it("many at once on one connection are answered in their order", async () => {
    const raw = await RawConnection.open(host.port);
    const request = (body: string) =>
      `POST /topics/line/messages HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    raw.send(["a", "bb", "ccc"].map(request).join(""));
    const text = await raw.until(
      (received) => received.split("HTTP/1.1 201").length === 4 && received.endsWith("}"),
    );
    expect([...text.matchAll(/"offset":(\d+)/g)].map(([, offset]) => offset)).toEqual(["0", "1", "2"]);
    raw.close();
  });
});

describe("?ack=none", () => {
  it("is answered 202 while the commit is still to come", async () => {
    const commit = host.broker.holdCommits();
    const response = await publish("queued", "x", {}, "?ack=none");
    expect([response.status, await response.text()]).toEqual([202, ""]);
    expect(storedOf("queued")).toEqual([]);
    commit();
    expect(storedOf("queued")).toHaveLength(1);
  });

  it("is refused like others when it was not taken", async () => {
    host.broker.refusal = "overloaded";
    const response = await publish("queued", "x", {}, "?ack=none");
    host.broker.refusal = null;
    await expectProblem(response, 503, "overloaded");
  });
});

describe("a batch of lines", () => {
  const ndjson = { "content-type": "application/x-ndjson" };

  it("is committed together: one message a line, blank lines skipped", async () => {
    const response = await publish("lines", '{"a":1}\r\n\n  \n"b"\n3', ndjson);
    expect(response.status).toBe(201);
    const head = host.broker.head;
    expect(await jsonOf(response)).toEqual({
      topic: "lines",
      count: 3,
      firstId: host.broker.eventId(head - 2),
      lastId: host.broker.eventId(head),
      firstOffset: 0,
      lastOffset: 2,
    });
    expect(lastPublish().messages).toHaveLength(3);
    const kept = storedOf("lines").map(({ payload, contentType }) => [
      Buffer.from(payload).toString(),
      contentType,
    ]);
    expect(kept).toEqual(['{"a":1}', '"b"', "3"].map((line) => [line, "application/json"]));
  });

  it("may be larger than one payload", async () => {
    const line = `"${"x".repeat(60_000)}"`;
    expect((await publish("wide", `${line}\n${line}\n${line}`, ndjson)).status).toBe(201);
  });

  it.each([
    ["nothing", "", 400, "invalid_request"],
    ["blank lines", "\n \r\n\n", 400, "invalid_request"],
    ["a line above the payload ceiling", `"${"x".repeat(100_000)}"`, 413, "payload_too_large"],
    ["10,001 lines", "1\n".repeat(10_001), 413, "batch_too_large"],
    ["more than 8 MiB", "1".repeat(8 * 1024 * 1024 + 1), 413, "payload_too_large"],
  ])("of %s is refused, all of it", async (_name, body, status, code) => {
    const before = host.broker.head;
    await expectProblem(await publish("refused", body, ndjson), status, code);
    expect(host.broker.head).toBe(before);
  });

  it("of 10,000 lines is taken", async () => {
    const response = await publish("full", "1\n".repeat(10_000), {
      "content-type": "Application/X-NDJSON; x=y",
    });
    expect((await jsonOf(response)).count).toBe(10_000);
  });
});

describe("Idempotency-Key", () => {
  const key = (value: string) => ({ "idempotency-key": value });

  it("a repeat gives the first answer, word for word, and appends nothing", async () => {
    const first = await publish("idem", "x", key("k1"));
    const answer = await first.text();
    const again = await publish("idem", "x", key("k1"));
    expect([again.status, await again.text()]).toEqual([201, answer]);
    expect([first, again].map(({ headers }) => headers.get("idempotent-replayed"))).toEqual([null, "true"]);
    expect(storedOf("idem")).toHaveLength(1);
  });

  it("works for batches as well", async () => {
    const headers = { ...key("k2"), "content-type": "application/x-ndjson" };
    const answers = [await publish("idem", "1\n2", headers), await publish("idem", "1\n2", headers)];
    const [first, again] = await Promise.all(answers.map((response) => response.text()));
    expect(again).toBe(first);
  });

  it.each([
    ["body", "idem2", "y", {}, ""],
    ["content type", "idem2", "x", { "content-type": "a/b" }, ""],
    ["option", "idem2", "x", {}, "?retain=true"],
  ])("with another %s is 409 and appends nothing", async (name, topic, body, headers, query) => {
    await publish("idem2", "x", key(`c-${name}`));
    const before = host.broker.head;
    const response = await publish(topic, body, { ...headers, ...key(`c-${name}`) }, query);
    await expectProblem(response, 409, "idempotency_conflict");
    expect(host.broker.head).toBe(before);
  });

  it("is a topic's own: two topics may have the same", async () => {
    const offsets = [await publish("idem4", "x", key("k4")), await publish("idem5", "y", key("k4"))];
    expect(offsets.map(({ status }) => status)).toEqual([201, 201]);
  });

  it.each([
    ["empty", ""],
    ["too long", "k".repeat(256)],
  ])("%s is 400", async (_name, value) => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead(
      "POST /topics/a/messages HTTP/1.1",
      "Host: x",
      `Idempotency-Key: ${value}`,
      "Content-Length: 1",
      "Connection: close",
    );
    expect(problemCodeIn(await raw.send("x").closed())).toBe("invalid_request");
  });
});

describe("refusals", () => {
  it.each([
    ["a filter", "a/#", "", 400, "invalid_topic"],
    ["one level of a filter", "+", "", 400, "invalid_topic"],
    ["a topic of the broker's own", "$SYS/uptime", "", 400, "invalid_topic"],
    ["NUL", "a\0b", "", 400, "invalid_topic"],
    ["QoS 3, which is none", "a", "?qos=3", 400, "invalid_request"],
    ["an escape that is none", "a", "?qos=%zz", 400, "invalid_request"],
  ])("%s", async (_name, topic, query, status, code) => {
    await expectProblem(await publish(topic, "x", {}, query), status, code);
  });

  it("an empty topic is no topic", async () => {
    const response = await fetch(`${host.url}/topics//messages`, { method: "POST", body: "x" });
    await expectProblem(response, 400, "invalid_topic");
  });

  it("an encoded body would not be kept as it is: 415", async () => {
    await expectProblem(
      await publish("a", "x", { "content-encoding": "gzip" }),
      415,
      "unsupported_media_type",
    );
  });

  it("a content type that never ends is 400", async () => {
    const response = await publish("a", "x", { "content-type": `a/${"b".repeat(300)}` });
    await expectProblem(response, 400, "invalid_request");
  });

  it.each(Object.keys(ERROR_CODES) as ErrorCode[])("%s of the broker has its status", async (code) => {
    host.broker.refusal = code;
    const response = await publish("a", "x");
    host.broker.refusal = null;
    expect(response.headers.get("retry-after") !== null).toBe(response.status === 503);
    await expectProblem(response, STATUS_BY_CODE[code], code);
  });

  it("without auto-create a missing topic is 404", async () => {
    const strict = await startHttpHost({ autoCreate: false });
    const response = await fetch(`${strict.url}/topics/a/messages`, { method: "POST", body: "x" });
    await expectProblem(response, 404, "topic_not_found");
    await strict.close();
  });

  it("are counted by code, and messages by number and bytes", async () => {
    const counted = await startHttpHost();
    const post = (topic: string, body: string, headers: Record<string, string> = {}) =>
      fetch(`${counted.url}/topics/${topic}/messages`, { method: "POST", body, headers });
    await post("%23", "x");
    await post("a", "12345");
    const text = await counted.metrics();
    expect(text).toContain('jangada_refused_total{edge="http",code="invalid_topic"} 1');
    expect(text).toContain('jangada_messages_received_total{edge="http"} 1');
    expect(text).toContain('jangada_message_received_bytes_total{edge="http"} 5');
    // Line ends and empty lines are no payload.
    await post("a", "1\n\r\n22\r\n333\n", { "content-type": "application/x-ndjson" });
    expect(await counted.metrics()).toContain('jangada_message_received_bytes_total{edge="http"} 11');
    await counted.close();
  });
});

describe("too large a body", () => {
  it("that is announced is refused before it is sent", async () => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead("POST /topics/a/messages HTTP/1.1", "Host: x", "Content-Length: 100001");
    const { status, headers } = parsedResponse(await raw.closed());
    expect([status, headers["connection"]]).toEqual([413, "close"]);
    expect(problemCodeIn(raw.text)).toBe("payload_too_large");
  });

  it("that was asked about is refused instead of asked for (100-continue)", async () => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead(
      "POST /topics/a/messages HTTP/1.1",
      "Host: x",
      "Content-Length: 100001",
      "Expect: 100-continue",
    );
    expect(await raw.closed()).toMatch(/^HTTP\/1\.1 413/);
    const small = await RawConnection.open(host.port);
    small.sendHead(
      "POST /topics/a/messages HTTP/1.1",
      "Host: x",
      "Content-Length: 1",
      "Expect: 100-continue",
    );
    await small.until((text) => text.startsWith("HTTP/1.1 100"));
    await small.send("x").until((text) => text.includes("HTTP/1.1 201"));
    small.close();
  });

  it("that comes in chunks without end is cut off", async () => {
    const raw = await RawConnection.open(host.port);
    raw.sendHead("POST /topics/a/messages HTTP/1.1", "Host: x", "Transfer-Encoding: chunked");
    const chunk = `8000\r\n${"x".repeat(0x8000)}\r\n`;
    for (let i = 0; i < 8; i += 1) raw.send(chunk);
    const { status, headers } = parsedResponse(await raw.closed());
    expect([status, headers["connection"]]).toEqual([413, "close"]);
  });

  it("is read to its end by the edge, so that a client that sends first gets the answer", async () => {
    const response = await publish("a", new Uint8Array(8 * 1024 * 1024));
    await expectProblem(response, 413, "payload_too_large");
  });
});

it("bodies that do not end share one budget: past it the next is 503, and what is let go of is free again", async () => {
  const head = [
    "POST /topics/a/messages HTTP/1.1",
    "Host: x",
    "Content-Type: application/x-ndjson",
    `Content-Length: ${limits.batchBytesMax}`,
  ];
  const part = Buffer.alloc(limits.batchBytesMax - 1, "x");
  const senders: RawConnection[] = [];
  const isOver = () => senders.some(({ text }) => text.includes("503"));
  for (let i = 0; i <= limits.httpBodyBytesUnderWayMax / part.length; i += 1) {
    const raw = await RawConnection.open(host.port);
    senders.push(raw.sendHead(...head).send(part));
  }
  await expect.poll(isOver).toBe(true);
  const refused = senders.find(({ text }) => text.includes("503"));
  expect(problemCodeIn(refused?.text ?? "")).toBe("overloaded");
  for (const raw of senders) raw.close();
  const body = `"${"x".repeat(90_000)}"\n`.repeat(80);
  const batch = () => publish("budget", body, { "content-type": "application/x-ndjson" });
  await expect.poll(async () => (await batch()).status).toBe(201);
});

it("a client that goes away in the middle of a body leaves nothing behind", async () => {
  const before = host.broker.commands.length;
  const raw = await RawConnection.open(host.port);
  raw.sendHead("POST /topics/a/messages HTTP/1.1", "Host: x", "Content-Length: 10").send("abc");
  await new Promise((resolve) => setImmediate(resolve));
  raw.close();
  while (host.edge.connectionsOpen > 0) {
    await fetch(`${host.url}/healthz`, { headers: { connection: "close" } });
  }
  expect(host.broker.commands.length).toBe(before);
});
