/**
 * Client ids and user names are words of strangers. There are no rules of access yet that they could be put into; what there is (topics
 * that nobody may subscribe to, lists, routes, maps) takes them for what they are: text that means nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bytes,
  packet,
  publishPacket,
  RawClient,
  subscribePacket,
  text,
} from "../mqtt/support/raw-client.js";
import { jsonOf } from "../support/answers.js";
import { startTestNode, type TestNode } from "../support/test-node.js";

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode({ denySubscribe: ["secret/#"] });
});
afterAll(() => node.close());

/** CONNECT of 3.1.1 with a user name and a clean session. */
async function connected(id: string, userName: string): Promise<RawClient> {
  const client = await RawClient.open(node.mqttPort);
  client.send(packet(0x10, text("MQTT"), bytes("04 82 00 00"), text(id), text(userName)));
  await client.expect("20 02 00 00");
  return client;
}

const clientIds = async (): Promise<readonly string[]> =>
  (await jsonOf(await fetch(`${node.url}/clients`))).clients.map(({ id }) => id);

describe.each([
  "#",
  "+",
  "+/+",
  "/",
  "a/b",
  "$SYS",
  "%23",
  "..",
  "../../etc/passwd",
  "__proto__",
  "constructor",
  "é ☕",
  "%u",
  "{id}",
])("the name %s", (name) => {
  it("as client id and user name is that of one client, listed, and disconnected by it alone", async () => {
    const bystander = await connected("bystander", "b");
    const client = await connected(name, name);
    expect([...(await clientIds())].sort()).toEqual(["bystander", name].sort());
    const path = `/clients/${encodeURIComponent(name).replaceAll(".", "%2E")}`;
    const raw = await fetch(`${node.url}${path}`, { method: "DELETE" });
    // A URL may not end in a segment of two dots, however it is escaped: clients take it away before they ask.
    expect(raw.status).toBe(name === ".." ? 404 : 204);
    if (name === "..") client.drop();
    else await client.expectClosed();
    await expect.poll(clientIds).toEqual(["bystander"]);
    await bystander.expectNothing();
    bystander.drop();
    await expect.poll(clientIds).toEqual([]);
  });

  it("opens nothing that is closed, and gets nobody else's messages", async () => {
    const client = await connected(name, name);
    client.send(subscribePacket(1, 1, "secret/#", "own/+"));
    await client.expect("90 04 00 01 80 01");
    const publisher = await RawClient.connected(node.mqttPort, "publisher");
    publisher.send(publishPacket("other/1", "x", 7));
    await publisher.expect("40 02 00 07");
    await client.expectNothing();
    client.drop();
    publisher.drop();
    await expect.poll(clientIds).toEqual([]);
  });
});

describe("control characters", () => {
  it.each([
    ["LF", "a\nb"],
    ["CR LF, as if a line of a log followed", "a\r\nINFO all is well"],
    ["escape", "\u001b[2J"],
    ["of the second block", "a\u0085b"],
    ["DEL", "a\u007f"],
  ])("in a client id (%s) are refused as such", async (_name, id) => {
    const client = await RawClient.open(node.mqttPort);
    client.send(packet(0x10, text("MQTT"), bytes("04 02 00 00"), text(id)));
    await client.expect("20 02 00 02");
    await client.expectClosed();
  });
});

describe("ids in the paths of HTTP", () => {
  const pathsOf = (id: string): readonly string[] =>
    ["clients", "sessions"].map((kind) => `/${kind}/${encodeURIComponent(id)}`);
  const remove = (path: string): Promise<Response> => fetch(`${node.url}${path}`, { method: "DELETE" });
  const sessionIds = async (): Promise<readonly string[]> =>
    (await jsonOf(await fetch(`${node.url}/sessions`))).sessions.map(({ clientId }) => clientId).sort();

  /** CONNECT of 3.1.1 that leaves a session. */
  async function kept(id: string): Promise<RawClient> {
    const client = await RawClient.open(node.mqttPort);
    client.send(packet(0x10, text("MQTT"), bytes("04 00 00 00"), text(id)));
    await client.expect("20 02 00 00");
    return client;
  }

  it.each([
    ["#", "#"],
    ["+", "+"],
    ["+/+", "+/+"],
    ["/", "/"],
    ["one level of one that is there", "a"],
    ["a wildcard below one that is there", "a/#"],
    ["NUL", "a/b\0"],
    ["LF", "a/b\n"],
    ["CR LF and a header", "a/b\r\nX-Evil: 1"],
    ["escape", "\u001b[2J"],
    ["DEL", "a/b\u007f"],
    ["an escape of an escape", "a%2Fb"],
  ])("%s is the id of nobody: nothing is disconnected, nothing is forgotten", async (_name, id) => {
    const bystander = await kept("a/b");
    for (const path of pathsOf(id)) {
      const answer = await remove(path);
      expect([answer.status, answer.headers.get("x-evil")]).toEqual([404, null]);
    }
    await bystander.expectNothing();
    expect([await clientIds(), await sessionIds()]).toEqual([["a/b"], ["a/b"]]);
    for (const path of pathsOf("a/b")) expect((await remove(path)).status).toBe(204);
    await bystander.expectClosed();
    expect(await sessionIds()).toEqual([]);
  });

  it.each(["#", "+", "/", "a/b", "%23"])("the session of %s is forgotten, and no other", async (id) => {
    const clients = [await kept("bystander"), await kept(id)];
    expect(await sessionIds()).toEqual(["bystander", id].sort());
    const [, path = ""] = pathsOf(id);
    expect((await jsonOf(await fetch(`${node.url}${path}`))).clientId).toBe(id);
    expect((await remove(path)).status).toBe(204);
    await clients[1]?.expectClosed();
    expect([await clientIds(), await sessionIds()]).toEqual([["bystander"], ["bystander"]]);
    expect((await remove("/sessions/bystander")).status).toBe(204);
    await clients[0]?.expectClosed();
  });
});

it("a client id that is in use goes to who comes last, and the first is closed: one connection, never two", async () => {
  const first = await RawClient.connected(node.mqttPort, "wanted");
  const second = await RawClient.connected(node.mqttPort, "wanted");
  await first.expectClosed();
  expect(await clientIds()).toEqual(["wanted"]);
  second.drop();
  await expect.poll(clientIds).toEqual([]);
});
