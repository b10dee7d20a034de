/** HTTP against a whole node with its log and stores on disk: what was acknowledged, and where readers stand, outlives a restart. */
import { expect, it } from "vitest";
import { expectProblem, jsonOf } from "../support/answers.js";
import { StreamClient } from "../support/stream-client.js";
import { startTestNode, type TestNode } from "../support/test-node.js";

const TOPIC = "pra%C3%A7a%2F1";

/** Stops a node and starts another in its directory. */
async function restarted(node: TestNode): Promise<TestNode> {
  await node.stop();
  return startTestNode({ dataDir: node.dataDir });
}

function publish(node: TestNode, body: string, init: RequestInit = {}, query = ""): Promise<Response> {
  return fetch(`${node.url}/topics/${TOPIC}/messages${query}`, { method: "POST", body, ...init });
}

it("a stream resumes across a restart without gap or repeat, and ids of before are good after", async () => {
  let node = await startTestNode();
  const live = await StreamClient.open(`${node.url}/topics/${TOPIC}/stream`);
  for (const body of ["0", "1", "2"]) expect((await publish(node, body)).status).toBe(201);
  await live.count(3);
  const lastId = live.events[1]?.id ?? "";
  node = await restarted(node);
  await live.ended();
  await publish(node, "3");
  const resumed = await StreamClient.open(`${node.url}/topics/${TOPIC}/stream`, { "last-event-id": lastId });
  await publish(node, "4");
  expect((await resumed.count(3)).data).toEqual(["2", "3", "4"]);
  const { messages } = await jsonOf(await fetch(`${node.url}/topics/${TOPIC}/messages?after=${lastId}`));
  expect(messages.map(({ offset, payload }) => [offset, payload])).toEqual([
    [2, "2"],
    [3, "3"],
    [4, "4"],
  ]);
  resumed.close();
  await node.close();
});

it("retained messages, retention, idempotency keys and deletions outlive a restart", async () => {
  let node = await startTestNode();
  const once = { headers: { "idempotency-key": "k" } };
  const first = await (await publish(node, "state", once, "?retain=true")).text();
  await fetch(`${node.url}/topics/${TOPIC}`, {
    method: "PATCH",
    body: '{"retention":{"bytes":5000}}',
    headers: { "content-type": "application/json" },
  });
  await fetch(`${node.url}/topics/gone/messages`, { method: "POST", body: "x" });
  expect((await fetch(`${node.url}/topics/gone`, { method: "DELETE" })).status).toBe(204);
  node = await restarted(node);
  const again = await publish(node, "state", once, "?retain=true");
  expect([await again.text(), again.headers.get("idempotent-replayed")]).toEqual([first, "true"]);
  await expectProblem(await publish(node, "other", once, "?retain=true"), 409, "idempotency_conflict");
  expect(await jsonOf(await fetch(`${node.url}/topics/${TOPIC}/retained`))).toMatchObject({
    payload: "state",
  });
  expect(await jsonOf(await fetch(`${node.url}/topics/${TOPIC}`))).toMatchObject({
    messages: 1,
    nextOffset: 1,
    retention: { bytes: 5000 },
  });
  await expectProblem(await fetch(`${node.url}/topics/gone`), 404, "topic_not_found");
  await node.close();
});

it("a foreign id is refused by another stream", async () => {
  const [one, other] = [await startTestNode(), await startTestNode()];
  const { id } = await jsonOf(await publish(one, "x"));
  await publish(other, "x");
  await expectProblem(await fetch(`${other.url}/topics/${TOPIC}/stream?from=${id}`), 400, "invalid_cursor");
  await Promise.all([one.close(), other.close()]);
});

it("a node tells how it is doing", async () => {
  const node = await startTestNode();
  await publish(node, "12345");
  expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
  expect(await (await fetch(`${node.url}/cluster`)).json()).toMatchObject({
    nodeId: "1",
    leaderId: "1",
    members: [{ id: "1", role: "leader", alive: true }],
  });
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  expect(metrics).toContain('jangada_messages_received_total{edge="http"} 1');
  expect(metrics).toMatch(/jangada_log_appends_total [1-9]/);
  await node.close();
});

it("many publishers at once: every answer names another place, and history has them all", async () => {
  const node = await startTestNode();
  const bodies = Array.from({ length: 300 }, (_, i) => `m${i}`);
  const answers = await Promise.all(bodies.map(async (body) => jsonOf(await publish(node, body))));
  const { messages, next } = await jsonOf(await fetch(`${node.url}/topics/${TOPIC}/messages?limit=1000`));
  expect(next).toBeNull();
  expect(messages.map(({ offset }) => offset)).toEqual(bodies.map((_, i) => i));
  const byOffset = new Map(messages.map(({ offset, payload, id }) => [offset, `${id} ${payload}`]));
  const told = answers.map(({ offset, id }, i) => byOffset.get(offset) === `${id} m${i}`);
  expect(told.every(Boolean)).toBe(true);
  await node.close();
});
