/** One live connection a client id, and what else the group ends (MQTT 5.0, 3.1.4, 4.13): who is told what. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { RawClient } from "./support/raw-client.js";
import { connack, connected, connectPacket, KEPT, subscribePacket } from "./support/v5.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(() => server.close());

const OPEN_ELSEWHERE = {
  kind: "open-session",
  clientId: "me",
  cleanStart: false,
  expirySeconds: 60,
  will: null,
} as const;

/** Comes back to its session. */
async function resumed(): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.send(connectPacket("me", KEPT));
  await client.expect(connack(1));
  return client;
}

describe("taken over (MQTT-3.1.4-3)", () => {
  it("by a connection to another node, of whatever version", async () => {
    const first = await connected(server.port, "me");
    const other = await RawClient.connected(server.port, "other");
    server.broker.performElsewhere("2", OPEN_ELSEWHERE);
    server.broker.performElsewhere("2", { ...OPEN_ELSEWHERE, clientId: "other" });
    await first.expect("e0 01 8e");
    await first.expectClosed();
    await other.expectClosed();
    await until(() => server.edge.clients().length === 0);
    // It is the other node's to say when that connection ends.
    expect(server.broker.commands.some(({ kind }) => kind === "close-session")).toBe(false);
  });

  it("and taken back from there", async () => {
    server.broker.performElsewhere("2", OPEN_ELSEWHERE);
    const client = await resumed();
    await client.expectNothing();
    expect(server.broker.sessionOf("me")?.owner).toEqual({ node: "1", incarnation: 1 });
  });

  it("what the first connection still has to say counts no more", async () => {
    const first = await connected(server.port, "me", KEPT);
    const commit = server.broker.holdCommits();
    first.send(subscribePacket(1, [["a", 0]]));
    await until(() => server.broker.commands.some(({ kind }) => kind === "subscribe"));
    server.broker.performElsewhere("2", OPEN_ELSEWHERE);
    commit();
    await first.expect("e0 01 8e");
    await first.expectClosed();
    expect(server.broker.sessionOf("me")?.subscriptions).toEqual([]);
  });
});

describe("ended by others", () => {
  it.each([true, false])("an operator of the group, forgetting the session: %s", async (forget) => {
    const client = await connected(server.port, "me", KEPT);
    await server.broker.perform({ kind: "displace-session", clientId: "me", forget });
    await client.expect("e0 01 98");
    await client.expectClosed();
    expect(server.broker.sessionOf("me") === undefined).toBe(forget);
    expect(server.metrics.of("refused kicked")).toBe(1);
  });

  it("the group, which had not heard of this node: the client may come back", async () => {
    const client = await connected(server.port, "me", KEPT);
    server.broker.performElsewhere("2", { kind: "node-down", node: "1", incarnation: 1 });
    await client.expect("e0 01 89");
    await client.expectClosed();
    expect(server.metrics.of("refused node_down")).toBe(1);
    await resumed();
  });

  it("an operator of this node: the session goes on without a connection", async () => {
    const client = await connected(server.port, "me", KEPT);
    expect(server.edge.kick("me")).toBe(true);
    await client.expect("e0 01 98");
    await client.expectClosed();
    await until(() => server.broker.sessionOf("me")?.owner === null);
  });

  it("a snapshot in place of the state, in which the session is another's: the others stay", async () => {
    const gone = await connected(server.port, "me");
    const stays = await connected(server.port, "stays");
    server.broker.replaceState(() => server.broker.performElsewhere("2", OPEN_ELSEWHERE));
    await gone.expect("e0 01 8e");
    await gone.expectClosed();
    await stays.expectNothing();
  });
});

describe("the edge stops", () => {
  it.each([
    ["nowhere else to go", null, "e0 01 8b"],
    ["another node to go to (4.11)", "b:1883", "e0 0b 9c 09 1c 00 06 'b:1883'"],
  ])("with %s", async (_what, elsewhere, disconnect) => {
    const leaving = await startEdge();
    leaving.broker.elsewhere = elsewhere;
    const client = await connected(leaving.port, "me", KEPT);
    await leaving.close();
    await client.expect(disconnect);
    await client.expectClosed();
    // The group was told before the edge was done.
    expect(leaving.broker.sessionOf("me")?.owner).toBeNull();
  });

  it("lets a client in that waits for its session, to tell it", async () => {
    const leaving = await startEdge();
    const commit = leaving.broker.holdCommits();
    const client = await RawClient.open(leaving.port);
    client.send(connectPacket("late"));
    await until(() => leaving.broker.commands.length === 1);
    const stopped = leaving.close();
    commit();
    await client.expect(connack(0));
    await client.expect("e0 01 8b");
    await stopped;
    expect(leaving.broker.sessionOf("late")).toBeUndefined();
  });
});
