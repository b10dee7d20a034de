/** CR, LF and what else could end a line: in whatever a publisher names, it makes no header, no field, no event and no record of its own. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connected, publish } from "../mqtt/support/v5.js";
import { jsonOf } from "../support/answers.js";
import { parsedResponse, RawConnection } from "../support/raw-http.js";
import { startTestNode, type TestNode } from "../support/test-node.js";

const EVIL = "x\r\nX-Evil: 1\r\n\r\nevent: evil\nid: 1\n\ndata: evil";

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
  const client = await connected(node.mqttPort, "publisher");
  await publish(client, "evil", EVIL, { retain: true, properties: properties() });
  client.drop();
});
afterAll(() => node.close());

const hex = (value: string): string => {
  const utf8 = Buffer.from(value);
  return `${utf8.length.toString(16).padStart(4, "0").replace(/(..)/g, "$1 ")}${utf8.toString("hex").replace(/(..)/g, " $1")}`;
};

/** Content type, correlation data and a user property of it. */
function properties(): string {
  return `03 ${hex(EVIL)} 09 ${hex(EVIL)} 26 ${hex(EVIL)} ${hex(EVIL)}`;
}

async function answerTo(...head: readonly string[]): Promise<ReturnType<typeof parsedResponse>> {
  const raw = await RawConnection.open(node.httpPort);
  return parsedResponse(await raw.sendHead(...head, "Host: x", "Connection: close").closed());
}

describe("in properties of a message", () => {
  it("are escaped in the headers of an answer", async () => {
    const { status, headers, body } = await answerTo("GET /topics/evil/retained HTTP/1.1");
    expect(status).toBe(200);
    expect(headers["x-evil"]).toBeUndefined();
    expect(headers["jangada-user-property"]).toContain("%0D%0A");
    expect(JSON.parse(body)).toMatchObject({ payload: EVIL, contentType: EVIL });
  });

  it("are escaped in records, of which each is one line", async () => {
    const response = await fetch(`${node.url}/topics/evil/messages`, {
      headers: { accept: "application/x-ndjson" },
    });
    const lines = (await response.text()).trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ payload: EVIL, contentType: EVIL });
  });

  it.each(["", "?format=json"])("make one event of one message in a stream%s", async (query) => {
    const raw = await RawConnection.open(node.httpPort);
    raw.sendHead(`GET /topics/evil/stream${query || "?"}&from=earliest HTTP/1.0`);
    const text = await raw.until((all) => all.includes("data: evil") || all.includes('"evil"'));
    raw.close();
    const lines = parsedResponse(text).body.split("\n");
    expect(lines.filter((line) => line.startsWith("event:"))).toEqual([]);
    expect(lines.filter((line) => line === "id: 1")).toEqual([]);
    expect(lines.every((line) => /^(?:$|:|retry: |id: \d+-0-|data: )/.test(line))).toBe(true);
  });
});

describe("in what a reader asks for", () => {
  it.each([
    ["/topics/a%0D%0AX-Evil:%201/stream", "invalid_filter"],
    ["/topics/a%0D%0AX-Evil:%201", "invalid_topic"],
    ["/topics/evil/stream?lastEventId=1%0D%0AX-Evil:%201", "invalid_cursor"],
    ["/topics/evil/messages?after=1%0Aevent:%20evil", "invalid_cursor"],
    ["/topics?cursor=YQ0KWC1FdmlsOiAx", "invalid_request"],
    ["/nowhere%0D%0AX-Evil:%201", "not_found"],
  ])("GET %s is %s, with no header of its own", async (path, code) => {
    const { headers, body } = await answerTo(`GET ${path} HTTP/1.1`);
    expect(headers["x-evil"]).toBeUndefined();
    expect(JSON.parse(body).code).toBe(code);
    expect(body).not.toContain("\n");
  });

  it("an origin is given back only when it is one", async () => {
    const { headers } = await answerTo("GET /healthz HTTP/1.1", "Origin: https://a.example X-Evil");
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("an idempotency key with a line end never gets in", async () => {
    const raw = await RawConnection.open(node.httpPort);
    raw.sendHead(
      "POST /topics/key/messages HTTP/1.1",
      "Host: x",
      "Idempotency-Key: a\nX: b\0",
      "Content-Length: 1",
    );
    expect(parsedResponse(await raw.send("x").closed()).status).toBe(400);
    expect((await jsonOf(await fetch(`${node.url}/topics/key`))).code).toBe("topic_not_found");
  });
});

it("there are no static files to climb out of: the root, /docs and every way round them are 404", async () => {
  for (const path of [
    "/",
    "/docs",
    "/docs/",
    "/docs/../../etc/passwd",
    "/static/..%2f..%2fetc/passwd",
    "/..%5c..%5cwindows",
    "//etc/passwd",
    "/%00",
  ]) {
    const { status } = await answerTo(`GET ${path} HTTP/1.1`);
    expect([path, status]).toEqual([path, 404]);
  }
});
