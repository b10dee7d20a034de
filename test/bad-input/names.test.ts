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

it("a client id that is in use goes to who comes last, and the first is closed: one connection, never two", async () => {
  const first = await RawClient.connected(node.mqttPort, "wanted");
  const second = await RawClient.connected(node.mqttPort, "wanted");
  await first.expectClosed();
  expect(await clientIds()).toEqual(["wanted"]);
  second.drop();
  await expect.poll(clientIds).toEqual([]);
});
