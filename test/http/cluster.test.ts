/** The group over HTTP: status, members, leadership; reads that wait for the group; positions; what a group without a leader answers. */
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import type { OutgoingMessage } from "../../src/commands/command.js";
import { expectProblem, jsonOf } from "../support/answers.js";
import { type HttpHost, startHttpHost } from "../support/http-edge-host.js";
import { StreamClient } from "../support/stream-client.js";

let host: HttpHost;
beforeEach(async () => {
  host = await startHttpHost();
});
afterEach(() => host.close());

const get = (path: string): Promise<Response> => fetch(`${host.url}${path}`);
const send = (method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(`${host.url}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });

/** As if another node had taken it and this one had only now applied it. */
async function publishBehind(topic: string): Promise<string> {
  const message: OutgoingMessage = {
    payload: Buffer.from("x"),
    contentType: "",
    qos: 1,
    retain: true,
    expiresAtMs: 0,
    properties: new Uint8Array(0),
  };
  await host.broker.perform({
    kind: "publish",
    topic,
    messages: [message],
    autoCreate: true,
    idempotency: null,
    publisher: 0,
    receipt: null,
  });
  return host.broker.eventId(host.broker.head);
}

describe("status", () => {
  it("is the leader's, or with ?consistency=local the node's own", async () => {
    expect(await (await get("/cluster")).json()).toEqual(host.broker.status());
    await get("/cluster?consistency=linearizable");
    await get("/cluster?consistency=local");
    expect(host.cluster.calls).toEqual([
      ["status", false],
      ["status", false],
      ["status", true],
    ]);
  });

  it("of a group without a leader is refused, not invented", async () => {
    host.cluster.refusal = "no_leader";
    const response = await get("/cluster");
    expect(response.headers.get("retry-after")).toBe("1");
    await expectProblem(response, 503, "no_leader");
  });
});

describe("members", () => {
  it("are added as voters to be", async () => {
    const response = await send("POST", "/cluster/members", { id: "4", peer: "node-4:7004", tag: "abc" });
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({
      clusterId: "c1",
      members: [{ id: "4", peer: "node-4:7004", role: "learner" }],
    });
    expect(host.cluster.calls).toEqual([
      ["addMember", { id: "4", peer: "node-4:7004", tag: "abc", wantsVote: true }],
    ]);
  });

  it("are added as learners for good, and before they are there", async () => {
    await send("POST", "/cluster/members", { id: "5", peer: "[::1]:7005", learner: true });
    expect(host.cluster.calls).toEqual([
      ["addMember", { id: "5", peer: "[::1]:7005", tag: "", wantsVote: false }],
    ]);
  });

  test.each([
    [{}, "id"],
    [{ id: 4, peer: "a:1" }, "id"],
    [{ id: "0", peer: "a:1" }, "id: a positive whole number as text"],
    [{ id: "n4", peer: "a:1" }, "id: a positive whole number as text"],
    [{ id: "4" }, "peer"],
    [{ id: "4", peer: "a" }, "peer: host:port, IPv6 in brackets"],
    [{ id: "4", peer: "a:0" }, "peer: host:port, IPv6 in brackets"],
    [{ id: "4", peer: "a:1\r\nX: y" }, "peer: host:port, IPv6 in brackets"],
    [{ id: "4", peer: "a:1", tag: "x\ny" }, "tag"],
    [{ id: "4", peer: "a:1", tag: "x".repeat(65) }, "tag"],
    [{ id: "4", peer: "a:1", learner: "yes" }, "learner"],
    [{ id: "4", peer: "a:1", role: "voter" }, "role"],
    [[], "the body"],
  ])("are not added as %j", async (body, detail) => {
    const response = await send("POST", "/cluster/members", body);
    const problem = await jsonOf(response);
    expect([response.status, problem.code]).toEqual([400, "invalid_request"]);
    expect(problem.detail).toContain(detail);
    expect(host.cluster.calls).toEqual([]);
  });

  it("are added by JSON alone", async () => {
    const body = '{"id":"4","peer":"a:1"}';
    const response = await fetch(`${host.url}/cluster/members`, { method: "POST", body });
    await expectProblem(response, 415, "unsupported_media_type");
  });

  it("are removed and promoted", async () => {
    expect((await send("DELETE", "/cluster/members/4")).status).toBe(204);
    const promoted = await send("POST", "/cluster/members/5/promote");
    expect([promoted.status, await promoted.json()]).toEqual([200, { id: "5" }]);
    expect(host.cluster.calls).toEqual([
      ["removeMember", "4"],
      ["promoteMember", "5"],
    ]);
  });

  test.each(["0", "n4", "4%2F5", "-1", "%zz", "1".repeat(16)])("%s is no member's id", async (id) => {
    await expectProblem(await send("DELETE", `/cluster/members/${id}`), 400, "invalid_request");
    await expectProblem(await send("POST", `/cluster/members/${id}/promote`), 400, "invalid_request");
    expect(host.cluster.calls).toEqual([]);
  });

  test.each([
    ["member_unknown", 404],
    ["member_exists", 409],
    ["member_removed", 409],
    ["change_pending", 409],
    ["quorum_at_risk", 409],
    ["no_leader", 503],
    ["outcome_unknown", 504],
  ] as const)("a refusal with %s is a %i", async (code, status) => {
    host.cluster.refusal = code;
    await expectProblem(await send("DELETE", "/cluster/members/4"), status, code);
    await expectProblem(await send("POST", "/cluster/members", { id: "4", peer: "a:1" }), status, code);
    await expectProblem(await send("POST", "/cluster/members/4/promote"), status, code);
  });

  it("are not changed by pages of other origins", async () => {
    const headers = { origin: "https://b.example" };
    const remove = await fetch(`${host.url}/cluster/members/4`, { method: "DELETE", headers });
    await expectProblem(remove, 403, "forbidden");
    const transfer = await fetch(`${host.url}/cluster/leader`, { method: "POST", headers });
    await expectProblem(transfer, 403, "forbidden");
    expect(host.cluster.calls).toEqual([]);
  });

  it("are reached with the methods of their routes alone", async () => {
    const response = await get("/cluster/members/4");
    expect(response.headers.get("allow")).toBe("DELETE, OPTIONS");
    await expectProblem(response, 405, "method_not_allowed");
  });
});

describe("leadership", () => {
  test.each([
    ["nobody in particular, without a body", undefined, null],
    ["nobody in particular", {}, null],
    ["one that is named", { id: "3" }, "3"],
  ])("goes to %s", async (_what, body, to) => {
    const response = await send("POST", "/cluster/leader", body);
    expect([response.status, await response.json()]).toEqual([200, { leaderId: to ?? "1" }]);
    expect(host.cluster.calls).toEqual([["transferLeadership", to]]);
  });

  test.each([{ id: 3 }, { id: "" }, { leaderId: "3" }])("is not handed over by %j", async (body) => {
    await expectProblem(await send("POST", "/cluster/leader", body), 400, "invalid_request");
  });

  it("that nobody takes over in time is a 504", async () => {
    host.cluster.refusal = "transfer_failed";
    await expectProblem(await send("POST", "/cluster/leader", { id: "3" }), 504, "transfer_failed");
  });
});

describe("management reads", () => {
  const READS = ["/topics", "/topics/news", "/topics/news/retained"];

  test.each(READS)("%s waits until this node has caught up", async (path) => {
    host.cluster.onBarrier = async () => void (await publishBehind("news"));
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(JSON.stringify(await response.json())).toContain("news");
    expect(host.cluster.calls).toEqual([["readBarrier"]]);
  });

  test.each(READS)("%s?consistency=local does not", async (path) => {
    await publishBehind("news");
    host.cluster.refusal = "no_leader";
    expect((await get(`${path}?consistency=local`)).status).toBe(200);
    await expectProblem(await get(path), 503, "no_leader");
    await expectProblem(await get(`${path}?consistency=linearizable`), 503, "no_leader");
    expect(host.cluster.calls.length).toBe(2);
  });

  test.each([...READS, "/cluster"])("%s knows no other consistency", async (path) => {
    for (const word of ["", "strong", "Local"]) {
      await expectProblem(await get(`${path}?consistency=${word}`), 400, "invalid_request");
    }
    await expectProblem(await get(`${path}?consistency=local&consistency=local`), 400, "invalid_request");
    expect(host.cluster.calls).toEqual([]);
  });

  test.each([
    ["/topics?limit=0", "invalid_request"],
    ["/topics/%23", "invalid_topic"],
    ["/topics/%23/retained", "invalid_topic"],
  ])("%s is refused without asking the group", async (path, code) => {
    await expectProblem(await get(path), 400, code);
    expect(host.cluster.calls).toEqual([]);
  });

  it("clients are this node's own: nobody is waited for", async () => {
    host.cluster.refusal = "no_leader";
    expect((await get("/clients")).status).toBe(200);
  });
});

describe("the position", () => {
  it("of history, the retained message and streams is the head of this node", async () => {
    const id = await publishBehind("news");
    const paths = [
      "/topics/news/messages",
      "/topics/news/retained",
      "/topics/news/stream",
      "/stream?topic=%23",
    ];
    for (const path of paths) {
      const response = await get(path);
      expect([path, response.status, response.headers.get("jangada-position")]).toEqual([path, 200, id]);
      await response.body?.cancel();
    }
    const head = await fetch(`${host.url}/topics/news/stream`, { method: "HEAD" });
    expect(head.headers.get("jangada-position")).toBe(id);
  });

  it("is where a reader of history goes on by stream", async () => {
    await publishBehind("news");
    const position = (await get("/topics/news/messages")).headers.get("jangada-position") ?? "";
    await publishBehind("news");
    const stream = await StreamClient.open(`${host.url}/topics/news/stream?from=${position}`);
    const id = host.broker.eventId(host.broker.head);
    await expect.poll(() => stream.events.map((event) => event.id)).toContain(id);
    stream.close();
  });

  it("can be read by pages of origins on the list", async () => {
    const open = await startHttpHost({ corsOrigins: ["https://a.example"] });
    const response = await fetch(`${open.url}/topics`, { headers: { origin: "https://a.example" } });
    expect(response.headers.get("access-control-expose-headers")).toContain("Jangada-Position");
    await open.close();
  });
});

describe("a reader that comes from a node that is further", () => {
  it("goes on at its event id once this node has caught up", async () => {
    await publishBehind("news");
    const ahead = host.broker.eventId(host.broker.head + 1);
    host.cluster.onBarrier = async () => void (await publishBehind("news"));
    const headers = { "last-event-id": ahead };
    const stream = await fetch(`${host.url}/topics/news/stream`, { headers });
    expect([stream.status, stream.headers.get("jangada-position")]).toEqual([200, ahead]);
    await stream.body?.cancel();
    expect(host.cluster.calls).toEqual([["readBarrier"]]);
  });

  it("reads history after its event id, and of a topic that is new here", async () => {
    host.cluster.onBarrier = async () => void (await publishBehind("news"));
    expect((await get("/topics/news/messages")).status).toBe(200);
    const ahead = host.broker.eventId(host.broker.head + 1);
    expect((await get(`/topics/news/messages?after=${ahead}`)).status).toBe(200);
    expect(host.cluster.calls).toEqual([["readBarrier"], ["readBarrier"]]);
  });

  it("follows a topic that is new here, where topics are not made by subscribing", async () => {
    const strict = await startHttpHost({ autoCreate: false }, host.broker);
    strict.cluster.onBarrier = async () => void (await publishBehind("news"));
    const response = await fetch(`${strict.url}/topics/news/stream`);
    expect(response.status).toBe(200);
    await response.body?.cancel();
    await expectProblem(await fetch(`${strict.url}/topics/other/stream`), 404, "topic_not_found");
    await strict.close();
  });

  it("is refused when nobody here or elsewhere has shown that id", async () => {
    await publishBehind("news");
    for (const id of ["nonsense", host.broker.eventId(host.broker.head + 1)]) {
      await expectProblem(await get(`/topics/news/stream?from=${id}`), 400, "invalid_cursor");
      await expectProblem(await get(`/topics/news/messages?after=${id}`), 400, "invalid_cursor");
    }
  });

  it("is asked to come again while there is no leader to catch up with", async () => {
    host.cluster.refusal = "no_leader";
    await expectProblem(await get("/topics/news/messages"), 503, "no_leader");
  });
});

describe("a publish", () => {
  const publish = (): Promise<Response> =>
    fetch(`${host.url}/topics/news/messages`, { method: "POST", body: "x" });

  it("without a leader is refused with Retry-After: nothing was done", async () => {
    host.broker.refusal = "no_leader";
    const response = await publish();
    expect(response.headers.get("retry-after")).toBe("1");
    await expectProblem(response, 503, "no_leader");
  });

  it("of which nobody knows whether it was committed is a 504, which asks for no repeat", async () => {
    host.broker.refusal = "outcome_unknown";
    const response = await publish();
    expect(response.headers.get("retry-after")).toBeNull();
    await expectProblem(response, 504, "outcome_unknown");
  });
});

it("an error that nobody expected stays in the log", async () => {
  host.cluster.onBarrier = () => {
    throw new TypeError("a secret");
  };
  const response = await get("/topics");
  const problem = await jsonOf(response);
  expect([response.status, problem.code]).toEqual([500, "internal"]);
  expect(problem.detail).not.toContain("secret");
  expect(host.errors).toMatchObject([{ err: expect.any(TypeError) }]);
});
