/** CONNECT waits for the group (MQTT 5.0, 3.1.4): what happens meanwhile, and when the group says no, or nothing. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { RawClient } from "./support/raw-client.js";
import {
  type ConnectOptions,
  connack,
  connected,
  connectPacket,
  KEPT,
  publishPacket,
  subscribe,
  subscribePacket,
} from "./support/v5.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(async () => {
  server.broker.refusal = null;
  await server.close();
});

async function asked(id: string, options: ConnectOptions = {}): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.send(connectPacket(id, options));
  return client;
}

function opens(): number {
  return server.broker.commands.filter(({ kind }) => kind === "open-session").length;
}

describe("while the session is not committed", () => {
  it("nothing is said, and what the client sends waits (MQTT-3.1.4-4)", async () => {
    const commit = server.broker.holdCommits();
    const client = await asked("eager");
    client.send(Buffer.concat([subscribePacket(1, [["a", 0]]), publishPacket("a", "x", { id: 7 })]));
    client.send("c0 00");
    await until(() => opens() === 1);
    client.send(publishPacket("a", "y", { id: 8 }));
    const other = await RawClient.open(server.port);
    other.send("c0 00");
    await other.expectClosed();
    expect(client.receivedBytes).toBe(0);
    expect(server.broker.commands.map(({ kind }) => kind)).toEqual(["open-session"]);
    commit();
    await client.expect(connack(0));
    await client.expect("90 04 00 01 00 00 d0 00");
    const rest = (await client.take(2 * 4 + 2 * 7)).toString("hex");
    for (const part of ["40020007", "40020008", "3005000161" + "0078", "3005000161" + "0079"]) {
      expect(rest).toContain(part);
    }
  });

  it("a client that leaves again is forgotten, and its will published (MQTT-3.1.2-8)", async () => {
    const watcher = await connected(server.port, "watcher");
    await subscribe(watcher, "wills", 0);
    const commit = server.broker.holdCommits();
    const client = await asked("brief", { ...KEPT, flags: 0x04, rest: "00 00 05 'wills' 00 04 'gone'" });
    await until(() => opens() === 2);
    client.drop();
    commit();
    await watcher.expect("30 0c 00 05 'wills' 00 'gone'");
    await until(() => server.broker.sessionOf("brief")?.owner === null);
  });

  it.each([
    ["two log entries: both are accepted, then the first is taken over", 2],
    ["one log entry: the first was never there", 1],
  ])("two of one client id in %s (MQTT-3.1.4-3)", async (_what, entries) => {
    const commit = server.broker.holdCommits();
    // While one entry is on its way the next gathers what comes.
    if (entries === 1) void server.broker.perform({ kind: "tick" });
    const first = await asked("twin");
    await until(() => opens() === 1);
    const second = await asked("twin");
    await until(() => opens() === 2);
    commit();
    await second.expect(connack(0));
    await second.expectNothing();
    if (entries === 2) {
      await first.expect(connack(0));
      await first.expect("e0 01 8e");
    }
    await first.expectClosed();
    expect(server.edge.clients().length).toBe(1);
  });

  it("a place is taken: no more are let in than may be", async () => {
    const small = await startEdge({ connectionsMax: 1 });
    const commit = small.broker.holdCommits();
    const first = await RawClient.open(small.port);
    first.send(connectPacket("a"));
    await until(() => small.broker.commands.length === 1);
    const second = await RawClient.open(small.port);
    second.send(connectPacket("b"));
    await second.expect("20 03 00 89 00");
    commit();
    await first.expect(connack(0));
    first.send("e0 00");
    await first.expectClosed();
    const third = await RawClient.open(small.port);
    third.send(connectPacket("b"));
    await third.expect(connack(0));
    await small.close();
  });
});

describe("the group says no", () => {
  it.each([
    ["no_leader", "88"],
    ["overloaded", "89"],
    ["disk_full", "97"],
    ["shutting_down", "88"],
  ] as const)("%s (3.2.2.2)", async (code, reason) => {
    server.broker.refusal = code;
    const client = await asked("a");
    await client.expect(`20 03 00 ${reason} 00`);
    await client.expectClosed();
    expect(server.metrics.of(`refused ${code}`)).toBe(1);
    expect(server.edge.clients()).toEqual([]);
  });

  it("no_leader, and another node may have one: to that one (4.11)", async () => {
    server.broker.refusal = "no_leader";
    server.broker.elsewhere = "b.example:1883";
    const client = await asked("a");
    await client.expect("20 14 00 9c 11 1c 00 0e 'b.example:1883'");
    await client.expectClosed();
  });

  it("in the form of 3.1.1 (3.2.2.3)", async () => {
    server.broker.refusal = "no_leader";
    const client = await RawClient.open(server.port);
    client.send("10 0e 00 04 'MQTT' 04 02 00 3c 00 02 'ab'");
    await client.expect("20 02 00 03");
    await client.expectClosed();
  });

  it("and CONNACK would be longer than the client takes: the session is closed again (MQTT-3.1.2-24)", async () => {
    const client = await asked("a", { properties: "27 00 00 00 0f" });
    await client.expectClosed();
    await until(() => server.broker.sessionOf("a") === undefined);
    expect(opens()).toBe(1);
  });
});

describe("the group says nothing in time", () => {
  it("the client is sent away, and a session that was opened all the same is closed", async () => {
    server.broker.loseNext("open-session");
    const client = await asked("lost", KEPT);
    await client.expect("20 03 00 88 00");
    await client.expectClosed();
    await until(() => server.broker.sessionOf("lost")?.owner === null);
  });

  it("not one that another connection has by then", async () => {
    server.broker.loseNext("open-session");
    const first = await asked("lost", KEPT);
    await first.expect("20 03 00 88 00");
    const second = await asked("lost", KEPT);
    await second.expect(connack(1));
    await server.broker.perform({ kind: "tick" });
    await second.expectNothing();
    expect(server.broker.sessionOf("lost")?.owner).not.toBeNull();
  });

  it("is asked again until it says something", async () => {
    server.broker.loseNext("open-session");
    const client = await asked("lost", KEPT);
    await client.expect("20 03 00 88 00");
    server.broker.refusal = "no_leader";
    await client.expectClosed();
    server.broker.refusal = null;
    await until(() => server.broker.sessionOf("lost")?.owner === null);
  });
});
