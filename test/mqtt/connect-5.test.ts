/** CONNECT and CONNACK of MQTT 5.0 (3.1 and 3.2), byte for byte. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import {
  accepted,
  type Connect5,
  connect5,
  connected5,
  expiry,
  publish5,
  subscribe5,
  takeRefusal,
} from "./support/packets-5.js";
import { RawClient } from "./support/raw-client.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(async () => {
  server.broker.refusal = null;
  await server.close();
});

async function connect(id: string, options: Connect5 = {}, port = server.port): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.send(connect5(id, options));
  return client;
}

describe("CONNACK", () => {
  it("says what the server holds to: Receive Maximum, Maximum Packet Size, Topic Alias Maximum", async () => {
    const client = await connect("a");
    await client.expect("20 0e 00 00 0b 21 04 00 27 00 11 04 0d 22 00 40");
    await client.expectNothing();
  });

  const rows: readonly (readonly [string, Connect5, Buffer])[] = [
    ["repeats no session expiry that is granted (3.2.2.3.2)", { properties: expiry(60) }, accepted()],
    ["repeats no keep-alive that is granted (MQTT-3.2.2-22)", { keepAlive: 60 }, accepted()],
    [
      "tells where answers may come to, when asked (3.2.2.3.15)",
      { properties: "19 01" },
      accepted(0, { last: "1a 00 17 '_response/a%2F%2B%C3%A9'" }),
    ],
    ["does not tell when not asked (MQTT-3.1.2-28)", { properties: "19 00" }, accepted()],
    ["passes over user properties", { properties: "26 00 01 'k' 00 01 'v'" }, accepted()],
  ];
  it.each(rows)("%s", async (_what, options, connack) => {
    const client = await connect("a/+é", options);
    await client.expect(connack);
  });

  it("has an id for who has none, which is its own from then on (MQTT-3.2.2-16)", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 2; i += 1) {
      const client = await connect("");
      const connack = await client.takePacket();
      const [id = ""] = /jangada-[a-z0-9]{20}/.exec(connack.toString("latin1")) ?? [];
      expect(connack).toEqual(accepted(0, { middle: `12 00 1c '${id}'` }));
      ids.push(id);
    }
    expect(new Set(server.edge.clients().map(({ id }) => id))).toEqual(new Set(ids));
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("says what the operator lowered: session expiry and keep-alive", async () => {
    const strict = await startEdge({ sessionExpirySecondsMax: 30, keepAliveSecondsMax: 20 });
    const lowered = accepted(0, { first: "11 00 00 00 1e", middle: "", last: "" });
    const withKeepAlive = accepted(0, { middle: "", last: "13 00 14" });
    const both = accepted(0, { first: "11 00 00 00 1e", last: "13 00 14" });
    const asked: readonly (readonly [Connect5, Buffer])[] = [
      [{ properties: expiry(31), keepAlive: 20 }, lowered],
      [{ properties: expiry(30), keepAlive: 21 }, withKeepAlive],
      [{ properties: expiry(0xffff_ffff), keepAlive: 0 }, both],
    ];
    for (const [index, [options, connack]] of asked.entries()) {
      const client = await connect(`c${index}`, options, strict.port);
      await client.expect(connack);
    }
    await strict.close();
  });

  it("is left out when it would be longer than the client takes (MQTT-3.1.2-24)", async () => {
    const client = await connect("a", { properties: "27 00 00 00 0f" });
    await client.expectClosed();
    await until(() => server.broker.sessionOf("a") === undefined);
  });
});

describe("a CONNECT that is refused", () => {
  async function isRefused(options: Connect5, reason: number, code: string, id = "a"): Promise<string> {
    const client = await connect(id, options);
    const refusal = await takeRefusal(client);
    expect([refusal.type, refusal.reason]).toEqual([2, reason]);
    await client.expectClosed();
    expect(server.metrics.of(`refused ${code}`)).toBe(1);
    expect(server.edge.clients()).toEqual([]);
    return refusal.words;
  }

  const rows: readonly (readonly [string, Connect5, number, string])[] = [
    ["Receive Maximum 0 (3.1.2.11.3)", { properties: "21 00 00" }, 0x82, "protocol_violation"],
    ["a property twice", { properties: `${expiry(1)} ${expiry(2)}` }, 0x82, "protocol_violation"],
    ["an unknown property", { properties: "7f 00" }, 0x81, "malformed_packet"],
    [
      "an authentication method (MQTT-4.12.0-1)",
      { properties: "15 00 01 'x'" },
      0x8c,
      "bad_authentication_method",
    ],
    ["a will to the broker's own topics", { will: { topic: "$SYS/x", payload: "" } }, 0x90, "invalid_topic"],
  ];
  it.each(rows)("for %s", async (_what, options, reason, code) => {
    await isRefused(options, reason, code);
  });

  it("for too many clients, in words for who wants them (MQTT-3.1.2-29)", async () => {
    await server.close();
    server = await startEdge({ connectionsMax: 0 });
    expect(await isRefused({}, 0x89, "too_many_connections")).toBe("0 clients are connected");
    server.metrics.counts.clear();
    expect(await isRefused({ properties: "17 00" }, 0x89, "too_many_connections")).toBe("");
  });

  it.each([
    ["no_leader", 0x88],
    ["overloaded", 0x89],
    ["disk_full", 0x97],
    ["shutting_down", 0x88],
  ] as const)("because of %s", async (code, reason) => {
    server.broker.refusal = code;
    await isRefused({}, reason, code);
  });

  it("without a leader here, and there may be one elsewhere: to another server (4.11)", async () => {
    server.broker.refusal = "no_leader";
    server.broker.elsewhere = "b.example:1883";
    const client = await connect("a", { properties: "17 00" });
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
});

describe("while the session is not committed", () => {
  it("nothing is said, and what the client sends waits (MQTT-3.1.4-4)", async () => {
    const commit = server.broker.holdCommits();
    const client = await RawClient.open(server.port);
    client.send(
      Buffer.concat([
        connect5("eager"),
        subscribe5(1, 0, "a"),
        publish5(0x32, "a", 7, "x"),
        Buffer.from("c000", "hex"),
      ]),
    );
    await until(() => server.broker.commands.length === 1);
    client.send(publish5(0x32, "a", 8, "y"));
    const other = await RawClient.open(server.port);
    other.send("c0 00");
    await other.expectClosed();
    expect(client.receivedBytes).toBe(0);
    expect(server.broker.commands.map(({ kind }) => kind)).toEqual(["open-session"]);
    commit();
    await client.expect(accepted());
    await client.expect("90 04 00 01 00 00 d0 00");
    const rest = Buffer.concat([await client.take(4 + 4), await client.take(2 * 7)]).toString("hex");
    for (const part of ["40020007", "40020008", "3005000161" + "0078", "3005000161" + "0079"]) {
      expect(rest).toContain(part);
    }
  });

  it("a client that leaves again is forgotten, and its will published (MQTT-3.1.2-8)", async () => {
    const watcher = await connected5(server.port, "watcher");
    watcher.send(subscribe5(1, 0, "wills"));
    await watcher.expect("90 04 00 01 00 00");
    const commit = server.broker.holdCommits();
    const client = await connect("brief", {
      will: { topic: "wills", payload: "gone" },
      properties: expiry(60),
    });
    await until(() =>
      server.broker.commands.some((it) => it.kind === "open-session" && it.clientId === "brief"),
    );
    client.drop();
    commit();
    await watcher.expect("30 0c 00 05 'wills' 00 'gone'");
    await until(() => server.broker.sessionOf("brief")?.owner === null);
  });

  it.each([
    ["two log entries: both are accepted, then the first is taken over", 2],
    ["one log entry: the first was never there", 1],
  ])("two of one client id in %s", async (_what, entries) => {
    const commit = server.broker.holdCommits();
    // While one entry is on its way the next gathers what comes.
    if (entries === 1) void server.broker.perform({ kind: "tick" });
    const first = await connect("twin");
    await until(() => server.broker.commands.some(({ kind }) => kind === "open-session"));
    const second = await connect("twin");
    await until(() => server.broker.commands.filter(({ kind }) => kind === "open-session").length === 2);
    commit();
    await second.expect(accepted());
    await second.expectNothing();
    if (entries === 2) {
      await first.expect(accepted());
      expect(await takeRefusal(first)).toMatchObject({ type: 14, reason: 0x8e });
    }
    await first.expectClosed();
    expect(server.edge.clients().length).toBe(1);
  });
});

describe("Session Present (MQTT-3.2.2-2, 3.2.2-3)", () => {
  const kept = { properties: expiry(60) };

  it("is told to who comes back in time without Clean Start", async () => {
    const first = await connected5(server.port, "me", kept);
    first.drop();
    await until(() => server.broker.sessionOf("me")?.owner === null);
    await server.broker.advance(59_000);
    await connected5(server.port, "me", { ...kept, clean: false, present: 1 });
  });

  it("is not told after its expiry, after Clean Start, or when it was not to be kept", async () => {
    const first = await connected5(server.port, "late", kept);
    first.drop();
    await until(() => server.broker.sessionOf("late")?.owner === null);
    await server.broker.advance(61_000);
    await connected5(server.port, "late", { clean: false });
    await connected5(server.port, "clean", kept);
    await connected5(server.port, "clean", { clean: true });
    await connected5(server.port, "unkept");
    await connected5(server.port, "unkept", { clean: false });
  });

  it("is told to a client of 3.1.1 that comes back without a clean session", async () => {
    const first = await RawClient.open(server.port);
    first.send("10 0e 00 04 'MQTT' 04 00 00 00 00 02 'ab'");
    await first.expect("20 02 00 00");
    first.send("e0 00");
    await first.expectClosed();
    const second = await RawClient.open(server.port);
    second.send("10 0e 00 04 'MQTT' 04 00 00 00 00 02 'ab'");
    await second.expect("20 02 01 00");
  });
});
