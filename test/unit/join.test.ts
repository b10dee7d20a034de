/** Asking to belong, over HTTP: until a member answers, or refuses. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { joinCluster } from "../../src/join.js";
import { silentLogger } from "../../src/runtime/logger.js";

const MEMBER = { id: "4", peer: "h4:1", tag: "t4", wantsVote: true };
const TICKET = {
  clusterId: "c",
  members: [
    { id: "1", peer: "h1:1", role: "leader" },
    { id: "4", peer: "h4:1", role: "learner" },
  ],
};

type Answer = (response: ServerResponse) => void;

const json =
  (status: number, body: unknown): Answer =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };

const problem = (status: number, code: string): Answer =>
  json(status, { code, detail: `because of ${code}` });

let server: Server;
let url: string;
/** Given one after the other; the last one again and again. */
let answers: Answer[];
let requests: { readonly method: string; readonly path: string; readonly body: unknown }[];

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

beforeEach(async () => {
  answers = [];
  requests = [];
  server = createServer(async (request, response) => {
    const { method = "", url: path = "" } = request;
    requests.push({ method, path, body: JSON.parse(await textOf(request)) });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    answer?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("announces who it is and gives what it has to know", async () => {
  answers = [json(201, { ...TICKET, andMore: "of a newer release" })];
  expect(await joinCluster(url, MEMBER, silentLogger)).toEqual(TICKET);
  expect(requests).toEqual([
    {
      method: "POST",
      path: "/cluster/members",
      body: { id: "4", peer: "h4:1", tag: "t4", learner: false },
    },
  ]);
});

test.each(["", "/", "/behind/a/proxy", "/behind/a/proxy/"])("asks below the path of %j", async (path) => {
  answers = [json(201, TICKET)];
  await joinCluster(`${url}${path}`, { ...MEMBER, wantsVote: false }, silentLogger);
  expect(requests[0]?.path).toBe(`${path.replace(/\/$/, "")}/cluster/members`);
  expect(requests[0]?.body).toMatchObject({ learner: true });
});

test("asks again while there is no leader, nobody answers, or another change is under way", async () => {
  answers = [
    problem(503, "no_leader"),
    (response) => response.destroy(),
    problem(409, "change_pending"),
    json(201, TICKET),
  ];
  expect(await joinCluster(url, MEMBER, silentLogger)).toEqual(TICKET);
  expect(requests).toHaveLength(4);
});

test.each([
  ["an id that is taken", problem(409, "member_exists"), "member_exists: because of member_exists"],
  ["an id that was used before", problem(409, "member_removed"), "member_removed"],
  ["a request that is not valid", problem(400, "invalid_request"), "invalid_request"],
  ["something that is no node", json(404, { message: "nothing here" }), "http_404"],
  ["an answer that is none", json(200, { welcome: true }), "http_200"],
])("gives up at once for %s", async (_what, answer, text) => {
  answers = [answer];
  const joined = joinCluster(url, MEMBER, silentLogger);
  await expect(joined).rejects.toMatchObject({ code: "join_refused" });
  await expect(joined).rejects.toThrow(text);
  expect(requests).toHaveLength(1);
});
