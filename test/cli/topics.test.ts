/** `jangada topics` against a stand-in: requests and output, page after page. */
import { afterEach, describe, expect, it, test } from "vitest";
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

const topic = (name: string, more: object = {}): object => ({
  name,
  messages: 3,
  bytes: 2048,
  createdAt: 1_700_000_000_000,
  retention: { ageMs: 3_600_000, bytes: null },
  ...more,
});

describe("ls", () => {
  it("follows the cursor to the end", async () => {
    const { url, seen } = await node((_request, response, number) => {
      if (number === 1) json(response, 200, { topics: [topic("a"), topic("b")], next: "b" });
      else json(response, 200, { topics: [topic("c\td")], next: null });
    });
    const { code, stdout } = await run(["topics", "ls", "--prefix", "é", "--url", url]);
    expect({ code, stdout: stdout.toString() }).toEqual({
      code: 0,
      stdout: "a\t3 messages\t2KiB\nb\t3 messages\t2KiB\nc d\t3 messages\t2KiB\n",
    });
    expect(seen.map((request) => request.url)).toEqual([
      "/topics?prefix=%C3%A9&limit=1000",
      "/topics?prefix=%C3%A9&limit=1000&cursor=b",
    ]);
  });

  test.each([
    [1, 1, "1 message\t1 byte"],
    [0, 0, "0 messages\t0 bytes"],
    [2, 1023, "2 messages\t1023 bytes"],
    [2, 113_894, "2 messages\t111.2KiB"],
    [2, 1024 ** 2, "2 messages\t1MiB"],
    [2, 1024 ** 2 - 1, "2 messages\t1MiB"],
    [2, 5 * 1024 ** 4, "2 messages\t5TiB"],
  ])("says %i and %i as people do", async (messages, bytes, said) => {
    const { url } = await node((_request, response) =>
      json(response, 200, { topics: [topic("a", { messages, bytes })], next: null }),
    );
    expect((await run(["topics", "ls", "--url", url])).stdout.toString()).toBe(`a\t${said}\n`);
  });

  it("prints JSON lines on demand, and nothing for nothing", async () => {
    const { url } = await node((_request, response, number) =>
      json(response, 200, { topics: number === 1 ? [topic("a")] : [], next: null }),
    );
    expect((await run(["topics", "ls", "--json", "--url", url])).stdout.toString()).toBe(
      `${JSON.stringify(topic("a"))}\n`,
    );
    expect((await run(["topics", "ls", "--url", url])).stdout.toString()).toBe("");
  });

  test.each(["[]", '{"items":[]}', "{", '{"topics":[1]}'])("does not trust the answer %s", async (body) => {
    const { url } = await node((_request, response) => response.writeHead(200).end(body));
    const { code, stderr } = await run(["topics", "ls", "--url", url]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^jangada: bad_answer: [^\n]+\n$/),
    });
  });
});

describe("create", () => {
  it("sends name and retention", async () => {
    const { url, seen } = await node((_request, response) => json(response, 201, topic("a/b")));
    const flags = ["--retention-age", "1h", "--retention-bytes", "10MiB"];
    const { stdout } = await run(["topics", "create", "a/b", ...flags, "--url", url]);
    expect(stdout.toString()).toBe("created a/b\n");
    expect(seen[0]).toMatchObject({ method: "POST", url: "/topics" });
    expect(seen[0]?.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(String(seen[0]?.body))).toEqual({
      name: "a/b",
      retention: { ageMs: 3_600_000, bytes: 10_485_760 },
    });
  });

  it("leaves retention out when nothing is said about it", async () => {
    const { url, seen } = await node((_request, response) => json(response, 201, topic("a")));
    await run(["topics", "create", "a", "--url", url]);
    expect(JSON.parse(String(seen[0]?.body))).toEqual({ name: "a" });
  });

  it("fails when the topic exists", async () => {
    const { url } = await node((_request, response) => problem(response, 409, "topic_exists", "it is there"));
    const { code, stderr } = await run(["topics", "create", "a", "--url", url]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "jangada: topic_exists: it is there\n" });
  });
});

describe("show and delete", () => {
  it("shows a field a line, sizes and times with units", async () => {
    const { url, seen } = await node((_request, response) => json(response, 200, topic("a/b")));
    const { stdout } = await run(["topics", "show", "a/b", "--url", url]);
    expect(stdout.toString()).toBe(
      "name: a/b\nmessages: 3\nbytes: 2KiB\ncreatedAt: 2023-11-14T22:13:20.000Z\nretention.age: 1h\nretention.bytes: null\n",
    );
    expect(seen[0]).toMatchObject({ method: "GET", url: "/topics/a%2Fb" });
  });

  it("deletes", async () => {
    const { url, seen } = await node((_request, response) => response.writeHead(204).end());
    const { stdout } = await run(["topics", "delete", "a/b", "--url", url]);
    expect(stdout.toString()).toBe("deleted a/b\n");
    expect(seen[0]).toMatchObject({ method: "DELETE", url: "/topics/a%2Fb" });
  });
});
