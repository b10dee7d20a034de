/** `jangada sub` against a stand-in: what it prints, how it comes back after a drop, how it ends. */
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { outcomeOf, problem, run, type StandIn, saying, standIn, start } from "./support.js";

const opened: StandIn[] = [];

async function node(...wanted: Parameters<typeof standIn>): Promise<StandIn> {
  const server = await standIn(...wanted);
  opened.push(server);
  return server;
}

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

function begin(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(": hello\n\n");
}

function record(response: ServerResponse, id: string, fields: object): void {
  response.write(`id: ${id}\ndata: ${JSON.stringify({ id, topic: "t", ...fields })}\n\n`);
}

describe("printing", () => {
  it("prints payloads, byte for byte, a line feed after each", async () => {
    const { url, seen } = await node((_request, response) => {
      begin(response);
      record(response, "1", { payload: "oi\r\nolá" });
      record(response, "2", { payloadBase64: Buffer.from([0, 255, 10]).toString("base64") });
      record(response, "3", { payload: "" });
    });
    const { code, stdout } = await run(["sub", "a/b", "--count", "3", "--url", url]);
    expect(stdout).toEqual(Buffer.concat([Buffer.from("oi\r\nolá\n"), Buffer.from([0, 255, 10, 10, 10])]));
    expect(code).toBe(0);
    expect(seen[0]?.url).toBe("/topics/a%2Fb/stream?format=json");
    expect(seen[0]?.headers).toMatchObject({ accept: "text/event-stream" });
  });

  it("prints records, one a line", async () => {
    const { url } = await node((_request, response) => {
      begin(response);
      record(response, "1", { payload: "x" });
    });
    const { stdout } = await run(["sub", "t", "--format", "json", "--count", "1", "--url", url]);
    expect(stdout.toString()).toBe('{"id":"1","topic":"t","payload":"x"}\n');
  });

  it("asks for several filters in one stream", async () => {
    const { url, seen } = await node((_request, response) => {
      begin(response);
      record(response, "1", { payload: "x" });
    });
    await run(["sub", "a/+", "#", "--from", "earliest", "--count", "1", "--url", url]);
    expect(seen[0]?.url).toBe("/stream?format=json&topic=a%2F%2B&topic=%23&from=earliest");
  });

  it("tells gaps on standard error and goes on", async () => {
    const { url } = await node((_request, response) => {
      begin(response);
      response.write('event: gap\ndata: {"after":"1","resumedAt":"5"}\n\n');
      record(response, "6", { payload: "x" });
    });
    const { stdout, stderr } = await run(["sub", "t", "--count", "1", "--url", url]);
    expect(stdout.toString()).toBe("x\n");
    expect(stderr).toBe(
      'jangada: gap: messages were trimmed before they could be shown: {"after":"1","resumedAt":"5"}\n',
    );
  });

  it("leaves events alone that it does not know", async () => {
    const { url } = await node((_request, response) => {
      begin(response);
      response.write("event: news\ndata: ?\n\n");
      record(response, "1", { payload: "x" });
    });
    const { stdout } = await run(["sub", "t", "--count", "1", "--url", url]);
    expect(stdout.toString()).toBe("x\n");
  });
});

describe("coming back", () => {
  it("resumes after the last id, not at the start again", async () => {
    const { url, seen } = await node((_request, response, number) => {
      begin(response);
      record(response, String(number), { payload: `m${number}` });
      response.end();
    });
    const { code, stdout, stderr } = await run([
      "sub",
      "t",
      "--from",
      "earliest",
      "--count",
      "3",
      "--url",
      url,
    ]);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "m1\nm2\nm3\n" });
    expect(seen.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, "1", "2"]);
    expect(seen.map(({ url: path }) => path.includes("from=earliest"))).toEqual([true, false, false]);
    expect(stderr).toContain("reconnecting\n");
  });

  it("resumes after the end of a gap when nothing came since", async () => {
    const { url, seen } = await node((_request, response, number) => {
      begin(response);
      if (number === 1) response.end('id: 5\nevent: gap\ndata: {"after":"1","resumedAt":"5"}\n\n');
      else record(response, "6", { payload: "x" });
    });
    await run(["sub", "t", "--from", "1", "--count", "1", "--url", url]);
    expect(seen[1]?.headers["last-event-id"]).toBe("5");
  });

  it("resumes where a live stream began when nothing came since", async () => {
    const { url, seen } = await node((_request, response, number) => {
      begin(response);
      if (number === 1) response.end("retry: 1\n:\n\nid: s-41\n\n");
      else record(response, "s-42", { payload: "x" });
    });
    const { stderr } = await run(["sub", "t", "--count", "1", "--url", url]);
    expect(seen[1]?.headers["last-event-id"]).toBe("s-41");
    expect(stderr).toContain("; reconnecting\n");
  });

  it("says so when a live stream drops before its first message", async () => {
    const { url } = await node((_request, response, number) => {
      begin(response);
      if (number === 1) response.end();
      else record(response, "1", { payload: "x" });
    });
    const { stderr } = await run(["sub", "t", "--count", "1", "--url", url]);
    expect(stderr).toContain("reconnecting live: what is published meanwhile is not shown");
  });

  it("comes back after a torn connection, a refusal to wait and a node that is away", async () => {
    const first = await standIn((_request, response) => {
      begin(response);
      record(response, "1", { payload: "a" });
    });
    const port = Number(new URL(first.url).port);
    const child = start(["sub", "t", "--count", "2", "--url", first.url]);
    const whole = outcomeOf(child);
    await saying(child.stdout, "a\n");
    await first.close();
    await saying(child.stderr, "reconnecting");
    const second = await node((_request, response, number) => {
      if (number === 1) return problem(response, 503, "not_ready", "starting", { "retry-after": "0" });
      begin(response);
      record(response, "2", { payload: "b" });
    }, port);
    expect(await whole).toMatchObject({ code: 0, stdout: Buffer.from("a\nb\n") });
    expect(second.seen.at(-1)?.headers["last-event-id"]).toBe("1");
  });
});

describe("ending", () => {
  it("ends when the topic is deleted", async () => {
    const { url } = await node((_request, response) => {
      begin(response);
      response.end("event: deleted\ndata: {}\n\n");
    });
    const { code, stderr } = await run(["sub", "t", "--url", url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "jangada: the topic was deleted\n" });
  });

  it.each(["SIGINT", "SIGTERM"] as const)("ends well on %s", async (signal) => {
    const { url } = await node((_request, response) => {
      begin(response);
      record(response, "1", { payload: "x" });
    });
    const child = start(["sub", "t", "--url", url]);
    const whole = outcomeOf(child);
    await saying(child.stdout, "x\n");
    child.kill(signal);
    expect(await whole).toMatchObject({ code: 0, signal: null, stderr: "" });
  });

  it("ends quietly when nobody reads", async () => {
    const { url } = await node((_request, response) => {
      begin(response);
      record(response, "1", { payload: "x" });
      const timer = setInterval(() => record(response, "2", { payload: "x".repeat(65_536) }), 5);
      response.on("close", () => clearInterval(timer));
    });
    const child = start(["sub", "t", "--url", url]);
    const whole = outcomeOf(child);
    await saying(child.stdout, "x\n");
    child.stdout.destroy();
    expect(await whole).toMatchObject({ code: 0, signal: null, stderr: "" });
  });

  it("fails when the node refuses the id", async () => {
    const { url } = await node((_request, response) =>
      problem(response, 400, "invalid_cursor", "not of this stream"),
    );
    const { code, stderr } = await run(["sub", "t", "--from", "zz", "--url", url]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "jangada: invalid_cursor: not of this stream\n" });
  });

  it("fails when nobody was ever there", async () => {
    const gone = await standIn(() => undefined);
    await gone.close();
    const { code, stderr } = await run(["sub", "t", "--url", gone.url]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("jangada: unreachable: ") });
  });
});
