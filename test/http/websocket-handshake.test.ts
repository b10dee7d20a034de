/** The opening handshake of GET /mqtt: who may open a WebSocket, and what requests get that ask for something else. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { parsedResponse, problemCodeIn } from "../support/raw-http.js";
import {
  ACCEPT,
  answerTo,
  closeAll,
  type Headers,
  openRaw,
  openUpgraded,
  sendOpening,
  startServing,
} from "../support/websocket-host.js";

afterEach(closeAll);

describe("the opening handshake (RFC 6455, 4.2)", () => {
  let host: HttpHost;
  beforeAll(async () => {
    host = await startHttpHost({
      corsOrigins: ["https://app.example"],
      serveMqtt: (stream) => stream.on("error", () => undefined),
    });
  });
  afterAll(() => host.close());

  it("answers the key, chooses the subprotocol and no extension (MQTT-6.0.0-4)", async () => {
    const { status, headers } = await answerTo(host, {
      "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
    });
    expect(status).toBe(101);
    expect(headers).toEqual({
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-accept": ACCEPT,
      "sec-websocket-protocol": "mqtt",
    });
  });

  it.each<[string, Headers, string]>([
    ["mqtt among others", { "Sec-WebSocket-Protocol": "chat, mqtt" }, "mqtt"],
    ["mqtt beside mqttv3.1", { "Sec-WebSocket-Protocol": "mqttv3.1,mqtt" }, "mqtt"],
    ["mqttv3.1 alone", { "Sec-WebSocket-Protocol": "mqttv3.1" }, "mqttv3.1"],
    ["Upgrade in capitals", { Upgrade: "WebSocket", Connection: "keep-alive, upgrade" }, "mqtt"],
    ["the origin of the node itself", { Origin: "http://broker.example" }, "mqtt"],
    ["an origin on the list", { Origin: "https://app.example" }, "mqtt"],
  ])("takes %s", async (_name, changes, protocol) => {
    const { status, headers } = await answerTo(host, changes);
    expect([status, headers["sec-websocket-protocol"]]).toEqual([101, protocol]);
  });

  it("takes a query behind the path", async () => {
    expect((await answerTo(host, {}, "GET /mqtt?x=1 HTTP/1.1")).status).toBe(101);
  });

  it.each<[string, Headers, number, string]>([
    ["no subprotocol (MQTT-6.0.0-3)", { "Sec-WebSocket-Protocol": null }, 400, "invalid_request"],
    ["another subprotocol", { "Sec-WebSocket-Protocol": "chat" }, 400, "invalid_request"],
    [
      "a subprotocol that is only like it",
      { "Sec-WebSocket-Protocol": "mqtt2, MQTT" },
      400,
      "invalid_request",
    ],
    ["a malformed list of them", { "Sec-WebSocket-Protocol": "mqtt,," }, 400, "invalid_request"],
    ["one twice", { "Sec-WebSocket-Protocol": "mqtt, mqtt" }, 400, "invalid_request"],
    ["no key", { "Sec-WebSocket-Key": null }, 400, "invalid_request"],
    ["a key that is none", { "Sec-WebSocket-Key": "abc" }, 400, "invalid_request"],
    ["no version", { "Sec-WebSocket-Version": null }, 426, "upgrade_required"],
    ["a draft's version", { "Sec-WebSocket-Version": "8" }, 426, "upgrade_required"],
    ["a foreign origin", { Origin: "https://evil.example" }, 403, "forbidden"],
    ["the origin of a file", { Origin: "null" }, 403, "forbidden"],
    ["the node's host as a prefix", { Origin: "http://broker.example.evil.example" }, 403, "forbidden"],
  ])("refuses %s", async (_name, changes, status, code) => {
    const answer = await answerTo(host, changes);
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
  });

  it("says which version it speaks (RFC 6455, 4.4)", async () => {
    const { headers } = await answerTo(host, { "Sec-WebSocket-Version": "99" });
    expect([headers["sec-websocket-version"], headers["upgrade"]]).toEqual(["13", "websocket"]);
  });

  it("any origin may with --cors-origins *", async () => {
    const { host: open } = await startServing({ corsOrigins: ["*"] });
    expect((await answerTo(open, { Origin: "https://evil.example" })).status).toBe(101);
  });

  it("counts what it refuses", async () => {
    const { host: counted } = await startServing();
    await answerTo(counted, { "Sec-WebSocket-Protocol": null });
    expect(await counted.metrics()).toContain('jangada_refused_total{edge="http",code="invalid_request"} 1');
  });
});

describe("requests that ask for something else", () => {
  let host: HttpHost;
  beforeAll(async () => {
    host = await startHttpHost();
  });
  afterAll(() => host.close());

  it.each<[string, Headers]>([
    ["no upgrade", { Upgrade: null, Connection: null }],
    ["HTTP/2", { Upgrade: "h2c", Connection: "Upgrade, HTTP2-Settings" }],
    ["several at once", { Upgrade: "h2c, websocket" }],
  ])("GET /mqtt with %s is 426, and the connection goes on", async (_name, changes) => {
    const raw = await openRaw(host);
    sendOpening(raw, changes);
    const text = await raw.until((all) => all.endsWith("}"));
    const { status, headers } = parsedResponse(text);
    expect([status, problemCodeIn(text)]).toEqual([426, "upgrade_required"]);
    expect([headers["upgrade"], headers["connection"]]).toEqual(["websocket", "Upgrade"]);
    raw.clear();
    raw.sendHead("GET /healthz HTTP/1.1", "Host: x");
    expect(await raw.until((all) => all.endsWith("}"))).toContain("200 OK");
  });

  it("HTTP/1.0 has no upgrade (RFC 9110, 7.8)", async () => {
    const raw = await openRaw(host);
    sendOpening(raw, {}, "GET /mqtt HTTP/1.0");
    expect(await raw.closed()).toContain("426 Upgrade Required");
  });

  it.each<[string, string, Headers, string]>([
    ["GET /healthz", "200", {}, ""],
    ["GET /nowhere", "404", {}, ""],
    ["POST /mqtt", "405", { "Content-Length": "2" }, "ab"],
    ["POST /topics/up/messages", "201", { "Content-Length": "2" }, "ab"],
  ])("%s is what it is, whatever upgrade is offered", async (line, status, changes, body) => {
    for (const Upgrade of ["h2c", "websocket"]) {
      const raw = await openRaw(host);
      sendOpening(raw, { Upgrade, ...changes }, `${line} HTTP/1.1`);
      raw.send(body);
      expect(await raw.until((all) => all.endsWith("}"))).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    }
  });

  it("CONNECT is nothing that a broker serves: the connection is closed", async () => {
    const raw = await openRaw(host);
    raw.sendHead("CONNECT a.example:443 HTTP/1.1", "Host: a.example:443");
    expect(await raw.closed()).toBe("");
  });
});

describe("when there is no place for it", () => {
  it("one more than --max-connections is refused", async () => {
    const { host } = await startServing({ connectionsMax: 1 });
    await openUpgraded(host);
    const { status, body } = await answerTo(host, {});
    expect([status, JSON.parse(body).code]).toEqual([503, "too_many_connections"]);
  });

  it("none is taken while the edge stops", async () => {
    const { host } = await startServing();
    const raw = await openRaw(host);
    while (host.edge.connectionsOpen === 0) await new Promise((resolve) => setImmediate(resolve));
    host.edge.stopAccepting();
    sendOpening(raw);
    expect(problemCodeIn(await raw.closed())).toBe("shutting_down");
  });

  it("one behind a request that is not answered ends the connection", async () => {
    const { host, streams } = await startServing();
    host.broker.holdCommits();
    const raw = await openRaw(host);
    raw.sendHead("POST /topics/slow/messages HTTP/1.1", "Host: x", "Content-Length: 1");
    raw.send("a");
    sendOpening(raw);
    expect(await raw.closed()).toBe("");
    expect(streams).toEqual([]);
  });
});
