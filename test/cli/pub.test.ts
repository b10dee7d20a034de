/** `jangada pub` against a stand-in: what goes over the wire, what is printed, when it tries again. */
import { afterEach, describe, expect, it } from "vitest";
import { json, problem, run, type StandIn, standIn } from "./support.js";

const opened: StandIn[] = [];

async function node(...wanted: Parameters<typeof standIn>): Promise<StandIn> {
  const server = await standIn(...wanted);
  opened.push(server);
  return server;
}

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

const created = { topic: "t", id: "s1-7", offset: 6, timestamp: 1 };

describe("one message", () => {
  it("posts the payload byte for byte and prints the id", async () => {
    const { url, seen } = await node((_request, response) => json(response, 201, created));
    const { code, stdout } = await run(["pub", "praça/1", "olá", "--url", url]);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "s1-7\n" });
    expect(seen[0]).toMatchObject({
      method: "POST",
      url: "/topics/pra%C3%A7a%2F1/messages",
      body: Buffer.from("olá"),
    });
    expect(seen[0]?.headers["content-type"]).toBeUndefined();
    expect(seen[0]?.headers["idempotency-key"]).toMatch(/^[a-z0-9]{24}$/);
  });

  it("passes retain, expiry, QoS, content type and key on", async () => {
    const { url, seen } = await node((_request, response) => json(response, 201, created));
    const flags = [
      "--retain",
      "--expires",
      "2m",
      "--qos",
      "2",
      "--content-type",
      "text/plain",
      "--key",
      "k 1",
    ];
    await run(["pub", "t", "x", ...flags, "--url", url]);
    expect(seen[0]?.url).toBe("/topics/t/messages?retain=true&expires=120&qos=2");
    expect(seen[0]?.headers).toMatchObject({ "content-type": "text/plain", "idempotency-key": "k 1" });
  });

  it.each([
    ["pub", "t"],
    ["pub", "t", "-"],
  ])("reads the payload from standard input: %s %s %s", async (...args) => {
    const { url, seen } = await node((_request, response) => json(response, 201, created));
    const input = Buffer.from([0, 255, 10, 13, 10]);
    await run([...args.filter((arg) => arg !== undefined), "--url", url], { input });
    expect(seen[0]?.body).toEqual(input);
  });

  it("takes an empty message, and one that begins with a dash after --", async () => {
    const { url, seen } = await node((_request, response) => json(response, 201, created));
    await run(["pub", "t", "", "--retain"], { env: { JANGADA_URL: url } });
    await run(["pub", "--url", url, "--", "t", "--help"]);
    expect(seen.map(({ body }) => body.toString())).toEqual(["", "--help"]);
  });

  it("prints the whole answer with --json", async () => {
    const { url } = await node((_request, response) => json(response, 201, created));
    const { stdout } = await run(["pub", "t", "x", "--json", "--url", url]);
    expect(JSON.parse(stdout.toString())).toEqual(created);
  });

  it("keeps the path of a node behind a proxy", async () => {
    const { url, seen } = await node((_request, response) => json(response, 201, created));
    await run(["pub", "t", "x", "--url", `${url}/broker`]);
    expect(seen[0]?.url).toBe("/broker/topics/t/messages");
  });
});

describe("failures", () => {
  it("prints code and detail of a refusal in one line and exits 1", async () => {
    const { url, seen } = await node((_request, response) =>
      problem(response, 413, "payload_too_large", "too\nbig"),
    );
    const { code, stdout, stderr } = await run(["pub", "t", "x", "--url", url]);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr: "jangada: payload_too_large: too big\n",
    });
    expect(seen).toHaveLength(1);
  });

  it("survives an answer that is no problem+json", async () => {
    const { url } = await node((_request, response) => response.writeHead(502).end("<html>"));
    const { code, stderr } = await run(["pub", "t", "x", "--url", url]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "jangada: http_502: the node answered 502 Bad Gateway\n",
    });
  });

  it("tries a 503 again with the same key", async () => {
    const { url, seen } = await node((_request, response, number) => {
      if (number < 3) problem(response, 503, "overloaded", "wait", { "retry-after": "0" });
      else json(response, 201, created);
    });
    const { code, stdout } = await run(["pub", "t", "x", "--url", url]);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "s1-7\n" });
    expect(seen).toHaveLength(3);
    expect(new Set(seen.map(({ headers }) => headers["idempotency-key"])).size).toBe(1);
  });

  it("tries a broken connection again with the same key", async () => {
    const { url, seen } = await node((_request, response, number) => {
      if (number === 1) response.destroy();
      else json(response, 201, created);
    });
    expect((await run(["pub", "t", "x", "--url", url])).code).toBe(0);
    expect(seen[1]?.headers["idempotency-key"]).toBe(seen[0]?.headers["idempotency-key"]);
  });

  it("gives up in the end", async () => {
    const { url, seen } = await node((_request, response) =>
      problem(response, 503, "not_ready", "starting", { "retry-after": "0" }),
    );
    const { code, stderr } = await run(["pub", "t", "x", "--url", url]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "jangada: not_ready: starting\n" });
    expect(seen).toHaveLength(5);
  });

  it("says in one line that nobody is there", async () => {
    const gone = await standIn(() => undefined);
    await gone.close();
    const { code, stderr } = await run(["pub", "t", "x", "--url", gone.url]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      `jangada: unreachable: no node answers at ${gone.url} (ECONNREFUSED); is it running there?\n`,
    );
  });

  it.each([".", ".."])("refuses the topic %s, which no URL can name", async (topic) => {
    const { code, stderr } = await run(["pub", topic, "x"]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("invalid_topic") });
  });
});

describe("--ndjson", () => {
  it("sends lines in order and prints a line a batch", async () => {
    const { url, seen } = await node((_request, response) =>
      json(response, 201, { count: 2, firstId: "a", lastId: "b" }),
    );
    const { code, stdout } = await run(["pub", "t", "--ndjson", "--url", url], { input: '{"a":1}\n\n"b"' });
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "2 a b\n" });
    expect(seen[0]?.headers["content-type"]).toBe("application/x-ndjson");
    expect(seen[0]?.body.toString()).toBe('{"a":1}\n"b"\n');
  });

  it("cuts a long input into batches with keys of their own, the same ones every time", async () => {
    const { url, seen } = await node((_request, response) =>
      json(response, 201, { count: 1, firstId: "a", lastId: "b" }),
    );
    const input = `${Array.from({ length: 6_000 }, (_, i) => i).join("\n")}\n`;
    await run(["pub", "t", "--ndjson", "--key", "k", "--url", url], { input });
    expect(seen.map(({ headers }) => headers["idempotency-key"])).toEqual(["k-1", "k-2", "k-3"]);
    expect(Buffer.concat(seen.map(({ body }) => body)).toString()).toBe(input);
  });

  it("sends nothing for nothing", async () => {
    const { url, seen } = await node((_request, response) => json(response, 201, created));
    expect(await run(["pub", "t", "--ndjson", "--url", url])).toMatchObject({ code: 0 });
    expect(seen).toHaveLength(0);
  });
});
