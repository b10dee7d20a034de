/** One live connection a client id, and what the group ends (MQTT 5.0, 3.1.4, 4.13): who is told what. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { accepted, connect5, connected5, expiry, subscribe5, takeRefusal } from "./support/packets-5.js";
import { RawClient } from "./support/raw-client.js";

const DISCONNECT = 14;

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

describe("taken over (MQTT-3.1.4-3)", () => {
  it("by a connection to this node", async () => {
    const first = await connected5(server.port, "me", { properties: expiry(60) });
    const second = await connected5(server.port, "me", { clean: false, present: 1 });
    expect(await takeRefusal(first)).toMatchObject({ type: DISCONNECT, reason: 0x8e });
    await first.expectClosed();
    await second.expectNothing();
    expect(server.metrics.of("refused taken_over")).toBe(1);
  });

  it("by a connection to another node, of whatever version", async () => {
    const first = await connected5(server.port, "me");
    const other = await RawClient.connected(server.port, "other");
    server.broker.performElsewhere("2", OPEN_ELSEWHERE);
    server.broker.performElsewhere("2", { ...OPEN_ELSEWHERE, clientId: "other" });
    expect(await takeRefusal(first)).toMatchObject({ type: DISCONNECT, reason: 0x8e });
    await first.expectClosed();
    await other.expectClosed();
    await until(() => server.edge.clients().length === 0);
    // It is the other node's to say when that connection ends.
    expect(server.broker.commands.some(({ kind }) => kind === "close-session")).toBe(false);
  });

  it("and takes it over again from there", async () => {
    server.broker.performElsewhere("2", OPEN_ELSEWHERE);
    const client = await connected5(server.port, "me", { clean: false, present: 1 });
    await client.expectNothing();
    expect(server.broker.sessionOf("me")?.owner).toEqual({ node: "1", incarnation: 1 });
  });

  it("what the first connection still has to say counts no more", async () => {
    const first = await connected5(server.port, "me", { properties: expiry(60) });
    const commit = server.broker.holdCommits();
    first.send(subscribe5(1, 0, "a"));
    await until(() => server.broker.commands.some(({ kind }) => kind === "subscribe"));
    server.broker.performElsewhere("2", OPEN_ELSEWHERE);
    commit();
    expect(await takeRefusal(first)).toMatchObject({ reason: 0x8e });
    await first.expectClosed();
    expect(server.broker.sessionOf("me")?.subscriptions).toEqual([]);
  });
});

describe("ended by others", () => {
  it.each([true, false])("an operator of the group, forgetting the session: %s", async (forget) => {
    const client = await connected5(server.port, "me", { properties: expiry(60) });
    await server.broker.perform({ kind: "displace-session", clientId: "me", forget });
    expect(await takeRefusal(client)).toMatchObject({ type: DISCONNECT, reason: 0x98 });
    await client.expectClosed();
    expect(server.broker.sessionOf("me") === undefined).toBe(forget);
    expect(server.metrics.of("refused kicked")).toBe(1);
  });

  it("the group, which had not heard of this node: it may come back", async () => {
    const client = await connected5(server.port, "me", { properties: expiry(60) });
    server.broker.performElsewhere("2", { kind: "node-down", node: "1", incarnation: 1 });
    expect(await takeRefusal(client)).toMatchObject({ type: DISCONNECT, reason: 0x89 });
    await client.expectClosed();
    expect(server.metrics.of("refused node_down")).toBe(1);
    await connected5(server.port, "me", { clean: false, present: 1 });
  });

  it("an operator of this node: the session goes on without a connection", async () => {
    const client = await connected5(server.port, "me", { properties: expiry(60) });
    expect(server.edge.kick("me")).toBe(true);
    expect(await takeRefusal(client)).toMatchObject({ type: DISCONNECT, reason: 0x98 });
    await client.expectClosed();
    await until(() => server.broker.sessionOf("me")?.owner === null);
  });
});

describe("the edge stops", () => {
  it.each([
    ["nowhere else to go", null, "e0 01 8b"],
    ["another node to go to (4.11)", "b:1883", "e0 0b 9c 09 1c 00 06 'b:1883'"],
  ])("with %s", async (_what, elsewhere, disconnect) => {
    const leaving = await startEdge();
    leaving.broker.elsewhere = elsewhere;
    const client = await connected5(leaving.port, "me", { properties: `${expiry(60)} 17 00` });
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
    client.send(connect5("late", { properties: "17 00" }));
    await until(() => leaving.broker.commands.length === 1);
    const stopped = leaving.close();
    commit();
    await client.expect(Buffer.concat([accepted(), Buffer.from("e0018b", "hex")]));
    await stopped;
    expect(leaving.broker.sessionOf("late")).toBeUndefined();
  });
});

describe("a snapshot took the place of the state", () => {
  it("clients whose session is another's by then are told, the others stay", async () => {
    const gone = await connected5(server.port, "me");
    const stays = await connected5(server.port, "stays");
    server.broker.replaceState(() => server.broker.performElsewhere("2", OPEN_ELSEWHERE));
    expect(await takeRefusal(gone)).toMatchObject({ reason: 0x8e });
    await gone.expectClosed();
    await stays.expectNothing();
  });
});

describe("a session of which it was not known in time whether it was opened", () => {
  it("is closed when it turns out that it was", async () => {
    server.broker.loseNext("open-session");
    const client = await RawClient.open(server.port);
    client.send(connect5("lost", { properties: expiry(60) }));
    expect(await takeRefusal(client)).toMatchObject({ type: 2, reason: 0x88 });
    await client.expectClosed();
    await until(() => server.broker.sessionOf("lost")?.owner === null);
  });

  it("is not when another connection has it by then", async () => {
    server.broker.loseNext("open-session");
    const first = await RawClient.open(server.port);
    first.send(connect5("lost", { properties: expiry(60) }));
    await first.takePacket();
    const second = await connected5(server.port, "lost", { clean: false, present: 1 });
    await server.broker.perform({ kind: "tick" });
    await second.expectNothing();
    expect(server.broker.sessionOf("lost")?.owner).not.toBeNull();
  });
});
