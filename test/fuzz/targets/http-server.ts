/**
 * The HTTP edge as a stranger sees it: bytes into a connection, in pieces as the first byte says. Every answer is HTTP and none is a 500, nothing is logged as
 * an error, and when he is gone nothing of him is left.
 */
import { leave, mustHaveLoggedNothing, NodeForInputs, publishToAll, say, untilGone } from "../edges.js";
import { must, type Target } from "../target.js";

const TURNS = 6;
const STATUS = /(?:^|\r\n|\})HTTP\/1\.1 (\d{3}) /g;

const nodes = new NodeForInputs({ hasHttp: true });

async function run(input: Buffer): Promise<void> {
  const [pieces = 0] = input;
  const node = await nodes.next();
  try {
    const socket = node.connect();
    await say(socket, input.subarray(1), 1 + pieces * 8, TURNS);
    await publishToAll(node);
    const answered = socket.received.toString("latin1");
    must(answered === "" || answered.startsWith("HTTP/1.1 "), "an answer that is no HTTP");
    for (const [, status] of answered.matchAll(STATUS))
      must(status !== "500", "a request was answered with 500");
    await leave(socket);
    await untilGone(node);
    mustHaveLoggedNothing(node);
  } catch (error) {
    nodes.forget();
    throw error;
  }
}

const request = (line: string, headers: readonly string[] = [], body = ""): Buffer => {
  const length = body === "" ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return Buffer.from(
    `\xff${[`${line} HTTP/1.1`, "Host: a", ...headers, ...length].join("\r\n")}\r\n\r\n${body}`,
    "latin1",
  );
};

export const target: Target = {
  name: "http-server",
  inputBytesMax: 1_024,
  seeds: () => [
    request(
      "POST /topics/a%2Fb/messages?qos=2&retain=true&expires=60",
      [
        "Idempotency-Key: k1",
        "Content-Type: text/plain",
        "Jangada-User-Property: a=b, c=%20d",
        "Jangada-Response-Topic: r%2Fs",
        "Jangada-Correlation-Data: AAEC",
      ],
      "hello",
    ),
    request("POST /topics/a/messages", ["Content-Type: application/x-ndjson"], '{"a":1}\n\r\n{"b":2}\r\n'),
    request("POST /topics/a/messages", ["Transfer-Encoding: chunked", "Expect: 100-continue"]),
    request("GET /topics/a/stream?retained=true&from=earliest", [
      "Accept: text/event-stream",
      "Last-Event-ID: 1-0-test",
    ]),
    request("GET /stream?topic=%23&topic=a%2F%2B&lastEventId=0-0-test&format=json", [
      "Accept: application/x-ndjson;q=0.5, */*;q=0",
    ]),
    request("GET /topics?prefix=a&limit=2&cursor=YQ", ["Accept: application/json"]),
    request("PUT /topics/a", ["Content-Type: application/json"], '{"retention":{"ageMs":1000,"bytes":5}}'),
    request(
      "PATCH /topics/a",
      ["Content-Type: application/merge-patch+json"],
      '{"retention":{"ageMs":null}}',
    ),
    request("GET /topics/a"),
    request("DELETE /topics/a"),
    request("GET /topics/a/messages?after=0-0-test&limit=5&consistency=linearizable"),
    request("GET /topics/a/retained"),
    request("DELETE /topics/a/retained"),
    request("GET /sessions?limit=1&cursor=MQ"),
    request("GET /sessions/x"),
    request("DELETE /sessions/x"),
    request("GET /clients"),
    request("DELETE /clients/x"),
    request("GET /cluster"),
    request(
      "POST /cluster/members",
      ["Content-Type: application/json"],
      '{"id":"2","peer":"a:1","role":"learner"}',
    ),
    request("DELETE /cluster/members/2"),
    request("POST /cluster/leader", ["Content-Type: application/json"], '{"to":"2"}'),
    request("GET /metrics"),
    request("GET /readyz"),
    request("GET /openapi.json"),
    request("OPTIONS /topics/a", ["Origin: http://b", "Access-Control-Request-Method: PUT"]),
    request("GET /mqtt", [
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Protocol: mqtt",
    ]),
    Buffer.concat([
      request("GET /healthz"),
      request("GET /healthz").subarray(1),
      request("POST /topics/a/messages", [], "x").subarray(1),
    ]),
  ],
  dictionary: [
    "\r\n",
    "HTTP/1.0",
    "%00",
    "%2e%2e%2f",
    "%ff",
    "\u0000",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "__proto__",
    "constructor",
    "toString",
    "{}",
    "[]",
    "null",
  ],
  run,
};
