/** `jangada cluster`: the status of a lone real node; everything else against a stand-in that shows the requests. */
import { afterEach, describe, expect, it, test } from "vitest";
import { startTestNode, type TestNode } from "../support/test-node.js";
import { json, problem, run, type StandIn, standIn } from "./support.js";

const opened: (StandIn | TestNode)[] = [];

async function node(...wanted: Parameters<typeof standIn>): Promise<StandIn> {
  const server = await standIn(...wanted);
  opened.push(server);
  return server;
}

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

const GROUP = {
  nodeId: "2",
  leaderId: "1",
  term: 7,
  commitIndex: 1_200,
  appliedIndex: 1_198,
  members: [
    { id: "1", role: "leader", peer: "127.0.0.1:7001", alive: true, matchIndex: 1_200 },
    { id: "2", role: "voter", peer: "[::1]:7002", alive: true, matchIndex: 1_190 },
    { id: "13", role: "learner", peer: "node-13\n.example:7003", alive: false, matchIndex: 4 },
  ],
};

describe("status", () => {
  it("is a table, from whichever node", async () => {
    const { url, seen } = await node((_request, response) => json(response, 200, GROUP));
    const { code, stdout } = await run(["cluster", "status", "--url", url]);
    expect({ code, stdout: stdout.toString().split("\n") }).toEqual({
      code: 0,
      stdout: [
        "node 2 answers: leader 1, term 7, commit 1200, applied here 1198",
        "id  role     peer                   alive  match  lag",
        "1   leader   127.0.0.1:7001         yes    1200   0",
        "2   voter    [::1]:7002             yes    1190   10",
        "13  learner  node-13 .example:7003  no     4      1196",
        "",
      ],
    });
    expect(seen.map(({ method, url: path }) => `${method} ${path}`)).toEqual(["GET /cluster"]);
  });

  it("of one node alone says what that one knows, also without a leader", async () => {
    const lost = { ...GROUP, leaderId: "" };
    const { url, seen } = await node((_request, response) => json(response, 200, lost));
    const { stdout } = await run(["cluster", "status", "--local", "--url", url]);
    const [first, , row] = stdout.toString().split("\n");
    expect(first).toBe("node 2 answers: no leader, term 7, commit 1200, applied here 1198");
    expect(row).toBe("1   leader   127.0.0.1:7001         yes    -      -");
    expect(seen.map(({ url: path }) => path)).toEqual(["/cluster?consistency=local"]);
  });

  it("is JSON on demand", async () => {
    const { url } = await node((_request, response) => json(response, 200, GROUP));
    const { stdout } = await run(["cluster", "status", "--json"], { env: { JANGADA_URL: url } });
    expect(stdout.toString()).toBe(`${JSON.stringify(GROUP)}\n`);
  });

  it("of a real node that is alone", async () => {
    const lone = await startTestNode();
    opened.push(lone);
    const { code, stdout } = await run(["cluster", "status", "--url", lone.url]);
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(
      /^node 1 answers: leader 1, term \d+, commit \d+, applied here \d+\nid +role +peer +alive +match +lag\n1 +leader +- +yes +\d+ +0\n$/,
    );
  });

  it("without a leader is a failure with the node's code", async () => {
    const { url } = await node((_request, response) =>
      problem(response, 503, "no_leader", "the group has no leader now", { "retry-after": "1" }),
    );
    const { code, stderr } = await run(["cluster", "status", "--url", url]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "jangada: no_leader: the group has no leader now\n",
    });
  });

  test.each(["[]", "{}", '{"members":{}}', '{"members":[1]}', "{"])(
    "does not trust the answer %s",
    async (body) => {
      const { url } = await node((_request, response) => response.writeHead(200).end(body));
      const { code, stderr } = await run(["cluster", "status", "--url", url]);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/^jangada: bad_answer: [^\n]+\n$/),
      });
    },
  );
});

describe("changes", () => {
  test.each([
    [
      ["add", "4", "10.0.0.4:7001"],
      "POST /cluster/members",
      { id: "4", peer: "10.0.0.4:7001", learner: false },
      "added 4; it votes when it has caught up\n",
    ],
    [
      ["add", "4", "[::1]:7001", "--learner"],
      "POST /cluster/members",
      { id: "4", peer: "[::1]:7001", learner: true },
      "added 4 as a learner\n",
    ],
    [["remove", "4"], "DELETE /cluster/members/4", null, "removed 4\n"],
    [["promote", "4"], "POST /cluster/members/4/promote", null, "4 votes when it has caught up\n"],
    [["transfer", "3"], "POST /cluster/leader", { id: "3" }, "node 3 leads\n"],
    [["transfer"], "POST /cluster/leader", {}, "node 3 leads\n"],
  ])("%j is %s", async (args, request, body, said) => {
    const { url, seen } = await node(({ method }, response) => {
      if (method === "DELETE") response.writeHead(204).end();
      else json(response, 200, { id: "4", leaderId: "3" });
    });
    const { code, stdout, stderr } = await run(["cluster", ...args, "--url", url]);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 0, stdout: said, stderr: "" });
    const [one] = seen;
    expect(`${one?.method} ${one?.url}`).toBe(request);
    const sent = one?.body.toString() ?? "";
    expect(sent === "" ? null : JSON.parse(sent)).toEqual(body);
  });

  it("print what the node answers on demand", async () => {
    const ticket = { clusterId: "c", members: [] };
    const { url } = await node((_request, response) => json(response, 201, ticket));
    const { stdout } = await run(["cluster", "add", "4", "a:1", "--json", "--url", url]);
    expect(stdout.toString()).toBe(`${JSON.stringify(ticket)}\n`);
  });

  it("that are refused end with the node's code", async () => {
    const { url } = await node((_request, response) =>
      problem(response, 409, "quorum_at_risk", "start or replace members first"),
    );
    const { code, stderr } = await run(["cluster", "remove", "2", "--url", url]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "jangada: quorum_at_risk: start or replace members first\n",
    });
  });

  it("are for a group: a node that is alone refuses them", async () => {
    const lone = await startTestNode();
    opened.push(lone);
    const { code, stderr } = await run(["cluster", "transfer", "2", "--url", lone.url]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^jangada: [a-z_]+: [^\n]+\n$/);
  });
});

describe("asked wrongly", () => {
  test.each([
    [[], "cluster needs one of status, add, remove, promote, transfer"],
    [["stat"], "unknown command cluster stat; did you mean status?"],
    [["status", "1"], "cluster status: too many arguments: 1"],
    [["add"], "cluster add needs ID HOST:PORT"],
    [["add", "4"], "cluster add needs ID HOST:PORT"],
    [
      ["add", "4", "a"],
      'HOST:PORT: must be host:port with a port from 1 to 65535, IPv6 in brackets, not "a"',
    ],
    [["add", "n4", "a:1"], 'ID: must be a positive whole number of at most 15 digits, not "n4"'],
    [["add", "4", "a:1", "5"], "cluster add: too many arguments: 5"],
    [["remove"], "cluster remove needs ID"],
    [["remove", "../topics/a"], "ID: must be a positive whole number"],
    [["promote"], "cluster promote needs ID"],
    [["transfer", "1", "2"], "cluster transfer: too many arguments: 2"],
    [["transfer", "x"], "ID: must be a positive whole number"],
    [["remove", "4", "--learner"], "flag --learner: only with cluster add"],
    [["add", "4", "a:1", "--local"], "flag --local: only with cluster status"],
    [["status", "--jsno"], "unknown flag --jsno; did you mean --json?"],
  ])("%j: exit code 2 and one line", async (args, line) => {
    const { code, stdout, stderr } = await run(["cluster", ...args]);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(`jangada: ${line}`);
    expect(stderr.trimEnd()).not.toContain("\n");
  });
});

it("is in the help", async () => {
  expect((await run(["--help"])).stdout.toString()).toContain(
    "jangada cluster status|add|remove|promote|transfer",
  );
  expect((await run(["help", "cluster"])).stdout.toString()).toContain(
    "cluster add ID HOST:PORT [--learner]",
  );
});
