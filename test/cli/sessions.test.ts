/** `jangada sessions` against a stand-in, and once against a node. */
import mqtt from "mqtt";
import { afterEach, describe, expect, it, test } from "vitest";
import { startTestNode } from "../support/test-node.js";
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

const session = (clientId: string, more: object = {}): object => ({
  clientId,
  connected: true,
  node: "2",
  kept: true,
  expirySeconds: 60,
  endsAt: null,
  createdAt: 1_700_000_000_000,
  since: 1_700_000_000_000,
  subscriptions: 1,
  lag: 3,
  inFlight: 0,
  will: false,
  ...more,
});

describe("ls", () => {
  it("says where clients are and how far, page after page", async () => {
    const offline = { connected: false, node: null, subscriptions: 2, lag: 0 };
    const { url, seen } = await node((_request, response, number) => {
      const ends = session("b\tb", { ...offline, endsAt: 1_700_000_060_000 });
      if (number === 1) json(response, 200, { sessions: [session("a"), ends], next: "Mg" });
      else json(response, 200, { sessions: [session("c", offline)], next: null });
    });
    const { code, stdout } = await run(["sessions", "ls", "--url", url]);
    expect({ code, stdout: stdout.toString() }).toEqual({
      code: 0,
      stdout:
        "a\tconnected to node 2\t1 subscription\tlag 3\n" +
        "b b\toffline, ends 2023-11-14T22:14:20.000Z\t2 subscriptions\tlag 0\n" +
        "c\toffline\t2 subscriptions\tlag 0\n",
    });
    expect(seen.map((request) => request.url)).toEqual([
      "/sessions?limit=1000",
      "/sessions?limit=1000&cursor=Mg",
    ]);
  });

  it("asks one node only on demand, and prints JSON lines", async () => {
    const { url, seen } = await node((_request, response) =>
      json(response, 200, { sessions: [session("a")], next: null }),
    );
    const { stdout } = await run(["sessions", "ls", "--local", "--json", "--url", url]);
    expect(stdout.toString()).toBe(`${JSON.stringify(session("a"))}\n`);
    expect(seen[0]?.url).toBe("/sessions?consistency=local&limit=1000");
  });
});

describe("show and rm", () => {
  it("escape the client id", async () => {
    const { url, seen } = await node((request, response) => {
      if (request.method === "DELETE") response.writeHead(204).end();
      else json(response, 200, session("a/é", { filters: [{ filter: "x/#", qos: 1 }] }));
    });
    const shown = await run(["sessions", "show", "a/é", "--url", url]);
    expect(shown.stdout.toString()).toContain("clientId: a/é\nconnected: true\n");
    expect(shown.stdout.toString()).toContain("since: 2023-11-14T22:13:20.000Z\n");
    expect(shown.stdout.toString()).toContain('filters: [{"filter":"x/#","qos":1}]\n');
    const gone = await run(["sessions", "rm", "a/é", "--url", url]);
    expect([gone.code, gone.stdout.toString()]).toEqual([0, "forgot a/é\n"]);
    expect(seen.map(({ method, url: path }) => `${method} ${path}`)).toEqual([
      "GET /sessions/a%2F%C3%A9",
      "DELETE /sessions/a%2F%C3%A9",
    ]);
  });

  test.each(["show", "rm"])("%s of one that is not there fails with its code", async (word) => {
    const { url } = await node((_request, response) =>
      problem(response, 404, "session_not_found", "there is none"),
    );
    const { code, stderr } = await run(["sessions", word, "nobody", "--url", url]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^jangada: session_not_found: /)]);
  });
});

test.each([
  [["sessions"], "sessions needs one of ls, show, rm"],
  [["sessions", "shwo", "a"], "did you mean show?"],
  [["sessions", "show"], "sessions show needs CLIENT-ID"],
  [["sessions", "ls", "a"], "too many arguments: a"],
  [["sessions", "rm", "a", "--local"], "only with sessions ls or show"],
])("%j is asked wrongly", async (args, said) => {
  const { code, stderr } = await run(args);
  expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
});

test.each(["", ".", ".."])("a URL cannot name the client %j", async (clientId) => {
  const { code, stderr } = await run(["sessions", "rm", clientId]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("invalid_request")]);
});

it("works on a node", async () => {
  const { url, mqttPort, close } = await startTestNode();
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
    clientId: "kept",
    clean: false,
    reconnectPeriod: 0,
  });
  await client.subscribeAsync("a/#", { qos: 1 });
  const said = async (...args: string[]): Promise<string> =>
    (await run(["sessions", ...args, "--url", url])).stdout.toString();
  expect(await said("ls")).toBe("kept\tconnected to node 1\t1 subscription\tlag 0\n");
  expect(await said("show", "kept")).toContain('"filter":"a/#"');
  expect(await said("rm", "kept")).toBe("forgot kept\n");
  expect(await said("ls")).toBe("");
  await client.endAsync(true);
  await close();
});
