/** PUBLISH of MQTT 5.0 towards the server (3.3): properties, topic aliases, refusals that are told. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { connected5, publish5, takeRefusal } from "./support/packets-5.js";
import { bytes, type RawClient } from "./support/raw-client.js";

let server: TestEdge;
let client: RawClient;
beforeEach(async () => {
  server = await startEdge();
  client = await connected5(server.port, "publisher");
});
afterEach(async () => {
  server.broker.refusal = null;
  await server.close();
});

function topics(): string[] {
  return server.broker.store.messages.map(({ topic }) => topic.name);
}

describe("properties", () => {
  it("go with the message: those of its own fields, and the others as they came", async () => {
    const forwarded = "01 01 08 00 01 'r' 09 00 02 ff 00 26 00 01 'k' 00 01 'v' 26 00 01 'k' 00 01 'w'";
    client.send(publish5(0x33, "a", 1, "é", `02 00 00 00 3c 03 00 03 't/p' ${forwarded}`));
    await client.expect("40 02 00 01");
    const [message] = server.broker.store.messages;
    expect(message).toMatchObject({
      contentType: "t/p",
      expiresAtMs: server.broker.timeMs + 60_000,
      qos: 1,
      retain: true,
      publisher: server.broker.sessionOf("publisher")?.number,
    });
    expect(Buffer.from(message?.properties ?? [])).toEqual(bytes(forwarded));
  });

  it("a payload that is said to be UTF-8 and is not: 0x99 where there is an answer, else dropped (3.3.2.3.2)", async () => {
    const bad = (first: number, id: number): Buffer => publish5(first, "a", id, Buffer.from([0xff]), "01 01");
    client.send(Buffer.concat([bad(0x30, 0), bad(0x32, 1), bad(0x34, 2)]));
    await client.expect("40 03 00 01 99 50 03 00 02 99");
    expect(server.metrics.of("dropped payload_format_invalid")).toBe(1);
    expect(topics()).toEqual([]);
  });
});

describe("topic aliases (3.3.2.3.4)", () => {
  it("stand for the topic that they came with last, on this connection", async () => {
    client.send(
      Buffer.concat([
        publish5(0x32, "one", 1, "", "23 00 01"),
        publish5(0x32, "two", 2, "", "23 00 40"),
        publish5(0x32, "", 3, "", "23 00 01"),
        publish5(0x32, "", 4, "", "23 00 40"),
        publish5(0x32, "three", 5, "", "23 00 01"),
        publish5(0x32, "", 6, "", "23 00 01"),
      ]),
    );
    await client.take(6 * 4);
    expect(topics()).toEqual(["one", "two", "one", "two", "three", "three"]);
    const other = await connected5(server.port, "other");
    other.send(publish5(0x32, "", 1, "", "23 00 01"));
    expect(await takeRefusal(other)).toMatchObject({ type: 14, reason: 0x82 });
    await other.expectClosed();
  });

  it.each([
    ["0 (MQTT-3.3.2-8)", "23 00 00"],
    ["above Topic Alias Maximum (MQTT-3.3.2-9)", `23 00 ${(limits.topicAliasesMax + 1).toString(16)}`],
  ])("%s ends the connection with 0x94", async (_what, property) => {
    client.send(publish5(0x30, "a", 0, "x", property));
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x94 });
    await client.expectClosed();
  });
});

describe("what is refused is told, and the connection stays", () => {
  const deep = Array.from({ length: limits.topicLevelsMax + 1 }, () => "a").join("/");
  it.each([
    ["a topic of the broker's own", "$SYS/x"],
    ["a topic that is too deep", deep],
    ["a topic that is too long", "x".repeat(limits.topicBytesMax + 1)],
  ])("%s: 0x90", async (_what, topic) => {
    client.send(
      Buffer.concat([
        publish5(0x30, topic, 0, "x"),
        publish5(0x32, topic, 1, "x"),
        publish5(0x34, topic, 2, "x"),
      ]),
    );
    await client.expect("40 03 00 01 90 50 03 00 02 90");
    await client.expectNothing();
    expect(server.metrics.of("dropped invalid_topic")).toBe(1);
    expect(server.metrics.of("refused invalid_topic")).toBe(2);
  });

  it.each([
    ["overloaded", 0x97],
    ["disk_full", 0x97],
    ["no_leader", 0x83],
    ["topic_not_found", 0x90],
  ] as const)("%s: in PUBACK with a reason string for who wants one", async (code, reason) => {
    server.broker.refusal = code;
    client.send(Buffer.concat([publish5(0x32, "a", 1, "x"), publish5(0x32, "a", 2, "x")]));
    for (const id of [1, 2]) {
      const puback = await client.takePacket();
      expect([...puback.subarray(2, 5)]).toEqual([0, id, reason]);
      expect(puback[6]).toBe(0x1f);
    }
    const terse = await connectedTersely();
    server.broker.refusal = code;
    terse.send(publish5(0x32, "a", 1, "x"));
    await terse.expect(Buffer.from([0x40, 3, 0, 1, reason]));
  });

  async function connectedTersely(): Promise<RawClient> {
    server.broker.refusal = null;
    return connected5(server.port, "terse", { properties: "17 00" });
  }

  it.each([
    ["a client that takes no more", "27 00 00 00 20"],
    ["a client that wants none", "17 00"],
  ])("without a reason string to %s (MQTT-3.4.2-2)", async (_what, properties) => {
    const other = await connected5(server.port, "other", { properties });
    server.broker.refusal = "disk_full";
    other.send(publish5(0x32, "a", 1, "x"));
    await other.expect("40 03 00 01 97");
  });

  it("one that may or may not be committed is not answered: the client asks again", async () => {
    server.broker.refusal = "outcome_unknown";
    client.send(publish5(0x32, "a", 1, "x"));
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x80 });
    await client.expectClosed();
  });

  it("a payload above the ceiling ends the connection: the client was told (MQTT-3.2.2-15)", async () => {
    client.send(publish5(0x32, "a", 1, "x".repeat(1024 * 1024 + 1)));
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x95 });
    await client.expectClosed();
  });
});

it("an expired message is kept for nobody", async () => {
  client.send(publish5(0x33, "a", 1, "x", "02 00 00 00 01"));
  await client.expect("40 02 00 01");
  server.broker.timeMs += 1_000;
  const late = await connected5(server.port, "late");
  late.send(bytes("82 07 00 01 00 00 01 'a' 00"));
  await late.expect("90 04 00 01 00 00");
  await late.expectNothing();
  await until(() => server.edge.clients().length === 2);
});
