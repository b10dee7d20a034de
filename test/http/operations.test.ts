/** For operators: health, readiness, metrics, clients; pages of other origins; starting and stopping. */
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { expectProblem, jsonOf } from "../support/answers.js";
import { type HttpHost, HttpTestBroker, startHttpHost } from "../support/http-edge-host.js";
import { RawConnection } from "../support/raw-http.js";
import { StreamClient } from "../support/stream-client.js";

const hosts: HttpHost[] = [];
async function host(...args: Parameters<typeof startHttpHost>): Promise<HttpHost> {
  const started = await startHttpHost(...args);
  hosts.push(started);
  return started;
}
afterEach(async () => {
  for (const one of hosts.splice(0)) await one.close();
});

describe("health and readiness", () => {
  it("a node that serves is alive and ready", async () => {
    const { url } = await host();
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: "ready" });
  });

  it("a node that does not serve is alive, says why, and takes no stream", async () => {
    const { url, broker } = await host();
    broker.ready = { ready: false, reason: "the node is stopping", canRead: false };
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const response = await fetch(`${url}/readyz`);
    expect(response.headers.get("retry-after")).toBe("1");
    const problem = await jsonOf(response);
    expect([response.status, problem.code, problem.detail]).toEqual([
      503,
      "not_ready",
      "the node is stopping",
    ]);
    await expectProblem(await fetch(`${url}/topics/a/stream`), 503, "not_ready");
  });

  it("a node without a leader is not ready, and serves streams: a browser that is refused one gives up", async () => {
    const { url, broker } = await host();
    broker.ready = { ready: false, reason: "the group has no leader", canRead: true };
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    const leaving = new AbortController();
    const stream = await fetch(`${url}/stream?topic=%23`, { signal: leaving.signal });
    expect(stream.status).toBe(200);
    leaving.abort();
  });
});

it("metrics are Prometheus text", async () => {
  const { url } = await host();
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await response.text()).toContain("# TYPE jangada_messages_received_total counter");
});

describe("clients", () => {
  it("are listed with what they follow and how far behind they are", async () => {
    const { url } = await host();
    const stream = await StreamClient.open(`${url}/stream?topic=a&topic=b%2F%23`);
    expect(await (await fetch(`${url}/clients`)).json()).toEqual({
      clients: [
        {
          id: expect.stringMatching(/^sse-\d+$/),
          edge: "sse",
          address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
          connectedAt: expect.any(Number),
          subscriptions: ["a", "b/#"],
          lag: 0,
          behind: false,
        },
      ],
      next: null,
    });
    stream.close();
    await expect.poll(async () => (await jsonOf(await fetch(`${url}/clients`))).clients).toEqual([]);
  });

  it("can be disconnected; one that is not there is 404", async () => {
    const { url } = await host();
    const stream = await StreamClient.open(`${url}/topics/a/stream`);
    const [client] = (await jsonOf(await fetch(`${url}/clients`))).clients;
    const remove = (id: string) => fetch(`${url}/clients/${encodeURIComponent(id)}`, { method: "DELETE" });
    expect((await remove(client?.id ?? "")).status).toBe(204);
    await stream.ended();
    await expectProblem(await remove(client?.id ?? ""), 404, "not_found");
    await expectProblem(await remove("a/b c"), 404, "not_found");
    await expectProblem(await fetch(`${url}/clients/%zz`, { method: "DELETE" }), 400, "invalid_request");
  });

  it("of other edges are reached as well", async () => {
    const kicked: string[] = [];
    const { url } = await host({ clients: () => [], kick: (id) => kicked.push(id) > 0 });
    expect((await fetch(`${url}/clients/sensor%2F1%23`, { method: "DELETE" })).status).toBe(204);
    expect(kicked).toEqual(["sensor/1#"]);
  });
});

describe("pages of other origins", () => {
  const from = (origin: string) => ({ headers: { origin } });

  it("may read every kind of answer when they are on the list", async () => {
    const { url } = await host({ corsOrigins: ["https://a.example"] });
    const publish = { method: "POST", body: "x" };
    const paths: [string, RequestInit][] = [
      ["/topics", {}],
      ["/topics/a/messages", publish],
      ["/topics/%23/messages", publish],
      ["/topics/a/stream", {}],
      ["/topics/%23%23/stream", {}],
      ["/nope", {}],
      ["/topics/%zz", {}],
    ];
    for (const [path, init] of paths) {
      const response = await fetch(`${url}${path}`, { ...init, ...from("https://a.example") });
      expect([path, response.headers.get("access-control-allow-origin")]).toEqual([
        path,
        "https://a.example",
      ]);
      expect(response.headers.get("vary")).toBe("Origin");
      await response.body?.cancel();
      const other = await fetch(`${url}${path}`, { ...init, ...from("https://b.example") });
      expect(other.headers.get("access-control-allow-origin")).toBeNull();
      await other.body?.cancel();
    }
  });

  it("may change nothing when they are not on the list, also by what a browser sends unasked", async () => {
    const { url, broker } = await host({ corsOrigins: ["https://a.example"] });
    const post = (origin: string): Promise<Response> =>
      fetch(`${url}/topics/csrf/messages`, { method: "POST", body: "x", ...from(origin) });
    for (const origin of ["https://b.example", "null", "http://127.0.0.1:1"]) {
      await expectProblem(await post(origin), 403, "forbidden");
    }
    expect(broker.topic("csrf")).toBeUndefined();
    expect((await post("https://a.example")).status).toBe(201);
    expect((await post(url)).status).toBe(201);
    expect(broker.topic("csrf")?.nextOffset).toBe(2);
  });

  it("ask first, and are told", async () => {
    const { url } = await host({ corsOrigins: ["https://a.example"] });
    const ask = (origin: string) =>
      fetch(`${url}/topics/a/messages`, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "x" },
      });
    const yes = await ask("https://a.example");
    expect([yes.status, yes.headers.get("access-control-allow-methods")]).toEqual([
      204,
      "GET, HEAD, OPTIONS, POST",
    ]);
    expect((await ask("https://b.example")).headers.get("access-control-allow-origin")).toBeNull();
  });

  it("get nothing by default", async () => {
    const { url } = await host();
    const response = await fetch(`${url}/topics`, from("https://a.example"));
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  });
});

it("a fault of our own is 500, tells nothing, and is in the log", async () => {
  class Broken extends HttpTestBroker {
    override topics(): never {
      throw new Error("/etc/secret");
    }
    override submit(): never {
      throw new Error("/etc/secret");
    }
  }
  const { url, errors } = await host({}, new Broken());
  const answers = [
    await fetch(`${url}/topics`),
    await fetch(`${url}/topics/a/messages`, { method: "POST", body: "x" }),
  ];
  for (const response of answers) {
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
  }
  expect(errors).toHaveLength(2);
});

describe("starting and stopping", () => {
  it("a port that is taken is one clear error", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    await expect(startHttpHost({ port })).rejects.toMatchObject({ code: "port_taken" });
    await expect(startHttpHost({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "listen_failed" });
    taken.close();
  });

  it("an edge that stops accepting goes on answering", async () => {
    const { port, edge, broker } = await host();
    const raw = await RawConnection.open(port);
    const commit = broker.holdCommits();
    raw.sendHead("POST /topics/a/messages HTTP/1.1", "Host: x", "Content-Length: 1").send("x");
    await expect.poll(() => broker.commands.length).toBe(1);
    edge.stopAccepting();
    await expect(RawConnection.open(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    commit();
    expect(await raw.closed()).toMatch(/^HTTP\/1\.1 201[\s\S]*Connection: close/);
  });

  it("streams end in order, idle connections are closed, and stopping is done", async () => {
    const { url, port, edge } = await host();
    const stream = await RawConnection.open(port);
    await stream
      .sendHead("GET /topics/a/stream HTTP/1.1", "Host: x")
      .until((text) => text.includes("retry:"));
    const idle = await RawConnection.open(port);
    await idle.sendHead("GET /healthz HTTP/1.1", "Host: x").until((text) => text.includes("ok"));
    const silent = await RawConnection.open(port);
    await expect.poll(() => edge.connectionsOpen).toBe(3);
    await edge.stop();
    expect(await silent.closed()).toBe("");
    expect(await stream.closed()).toMatch(/\r\n0\r\n\r\n$/);
    await idle.closed();
    await expect.poll(() => edge.connectionsOpen).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it("stops although a reader does not read", async () => {
    const { port, edge, broker } = await host();
    const raw = await RawConnection.open(port);
    await raw.sendHead("GET /topics/a/stream HTTP/1.1", "Host: x").until((text) => text.includes("retry:"));
    raw.socket.pause();
    const message = {
      payload: Buffer.alloc(900_000),
      contentType: "",
      qos: 1,
      retain: false,
      expiresAtMs: 0,
      properties: new Uint8Array(0),
    } as const;
    for (let i = 0; i < 12; i += 1) {
      await broker.perform({
        kind: "publish",
        topic: "a",
        messages: [message],
        autoCreate: true,
        idempotency: null,
        publisher: 0,
        receipt: null,
      });
    }
    await edge.stop();
    await expect.poll(() => edge.connectionsOpen).toBe(0);
    raw.close();
  });

  it("may be stopped before it was started", async () => {
    const { edge } = await host();
    await edge.stop();
    await edge.stop();
  });
});
