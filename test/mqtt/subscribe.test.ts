/** SUBSCRIBE, UNSUBSCRIBE and what they bring (MQTT 3.1.1, 3.8 to 3.11 and 4.7), byte for byte. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { publishPacket, RawClient, subscribePacket } from "./support/raw-client.js";

let server: TestEdge;
let client: RawClient;
let publisher: RawClient;
beforeEach(async () => {
  server = await startEdge();
  client = await RawClient.connected(server.port, "subscriber");
  publisher = await RawClient.connected(server.port, "publisher");
});
afterEach(() => server.close());

/** Published by somebody else, committed before this returns. */
async function publish(topic: string, payload: string, flags = 0): Promise<void> {
  publisher.send(publishPacket(topic, payload, 1, flags));
  await publisher.expect("40 02 00 01");
}

async function subscribe(id: number, qos: number, ...filters: string[]): Promise<void> {
  client.send(subscribePacket(id, qos, ...filters));
  const granted = filters.map(() => qos);
  await client.expect(Buffer.from([0x90, 2 + filters.length, 0, id, ...granted]));
}

/** The filters of the only subscriber. */
function subscribed(): readonly string[] {
  return (
    server.edge
      .clients()
      .find(({ id }) => id === "subscriber")
      ?.view().subscriptions ?? []
  );
}

describe("SUBACK", () => {
  const tooDeep = Array.from({ length: limits.topicLevelsMax + 1 }, () => "a").join("/");
  const rows: readonly (readonly [string, readonly [string, number][], string])[] = [
    [
      "grants what was asked for, in order (MQTT-3.8.4-5)",
      [
        ["a", 1],
        ["b", 0],
        ["c/+", 1],
      ],
      "90 05 00 01 01 00 01",
    ],
    ["grants QoS 2", [["a", 2]], "90 03 00 01 02"],
    ["refuses a filter that is too deep", [[tooDeep, 1]], "90 03 00 01 80"],
    ["grants $ topics", [["$SYS/#", 0]], "90 03 00 01 00"],
    [
      "counts a repeated filter once, the last QoS holds (MQTT-3.8.4-3)",
      [
        ["a", 0],
        ["a", 1],
      ],
      "90 04 00 01 00 01",
    ],
  ];
  it.each(rows)("%s", async (_what, filters, suback) => {
    const body = filters.flatMap(([filter, qos]) => {
      const utf8 = Buffer.from(filter);
      return [Buffer.from([utf8.length >> 8, utf8.length & 255]), utf8, Buffer.from([qos])];
    });
    const length = 2 + body.reduce((sum, part) => sum + part.length, 0);
    const header = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
    client.send(Buffer.concat([Buffer.from([0x82, ...header, 0, 1]), ...body]));
    await client.expect(suback);
    await client.expectNothing();
  });

  it("refuses filters past the connection's ceiling, and grants those that are there already", async () => {
    const filters = Array.from({ length: limits.subscriptionsPerConnectionMax }, (_, i) => `f${i}`);
    client.send(subscribePacket(1, 0, ...filters));
    await client.take(5 + filters.length);
    client.send(subscribePacket(2, 1, "one/more", "f7"));
    await client.expect("90 04 00 02 80 01");
    expect(server.metrics.of("refused too_many_subscriptions")).toBe(1);
    client.send("a2 06 00 03 00 02 'f8'");
    await client.expect("b0 02 00 03");
    await subscribe(4, 1, "one/more");
  });
});

describe("what is delivered", () => {
  it("at QoS 0: no packet id (MQTT-2.3.1-5)", async () => {
    await subscribe(1, 0, "a/b");
    await publish("a/b", "hi");
    await client.expect("30 07 00 03 'a/b' 'hi'");
  });

  it("at QoS 1: packet ids that are not 0 and not in use (MQTT-2.3.1-1, 2.3.1-4)", async () => {
    await subscribe(1, 1, "a/b");
    await publish("a/b", "one");
    await publish("a/b", "two");
    await client.expect("32 0a 00 03 'a/b' 00 01 'one' 32 0a 00 03 'a/b' 00 02 'two'");
    client.send("40 02 00 01");
    await publish("a/b", "three");
    await client.expect("32 0c 00 03 'a/b' 00 03 'three'");
  });

  it("at the lower of the two QoS (3.8.4)", async () => {
    await subscribe(1, 1, "a");
    publisher.send(publishPacket("a", "zero"));
    await client.expect("30 07 00 01 'a' 'zero'");
    await subscribe(2, 0, "a");
    await publish("a", "one");
    await client.expect("30 06 00 01 'a' 'one'");
  });

  it("without the RETAIN flag when it is live (MQTT-3.3.1-9)", async () => {
    await subscribe(1, 0, "a");
    await publish("a", "x", 1);
    await client.expect("30 04 00 01 'a' 'x'");
  });

  it("once, at the highest QoS, when several filters match (MQTT-3.3.5-1)", async () => {
    await subscribe(1, 0, "a/#");
    await subscribe(2, 1, "a/+");
    await publish("a/b", "x");
    await publish("a", "y");
    await client.expect("32 08 00 03 'a/b' 00 01 'x' 30 04 00 01 'a' 'y'");
    await client.expectNothing();
  });

  it("in the order in which it was committed (MQTT-4.6.0-5)", async () => {
    await subscribe(1, 1, "#");
    publisher.send(
      Buffer.concat(Array.from({ length: 300 }, (_, i) => publishPacket(`t/${i % 7}`, `${i}`, i + 1))),
    );
    for (let i = 0; i < 300; i += 1) {
      const received = await client.takePacket();
      expect(received.subarray(9).toString()).toBe(`${i}`);
      expect(received.readUInt16BE(7)).toBe(i + 1);
    }
  });

  it("of a long topic and a payload in three bytes of remaining length", async () => {
    const topic = `${"x".repeat(limits.topicBytesMax - 2)}é`;
    await subscribe(1, 1, "#");
    const payload = "p".repeat(20_000);
    await publish(topic, payload);
    const length = 2 + Buffer.byteLength(topic) + 2 + payload.length;
    await client.expect(Buffer.from([0x32, (length & 127) | 128, ((length >> 7) & 127) | 128, length >> 14]));
    await client.expect(Buffer.from([limits.topicBytesMax >> 8, limits.topicBytesMax & 255]));
    await client.expect(Buffer.concat([Buffer.from(topic), Buffer.from([0, 1]), Buffer.from(payload)]));
  });

  it("not when it has expired", async () => {
    await subscribe(1, 0, "a");
    const outgoing = { contentType: "", qos: 1 as const, retain: false };
    const expired = {
      ...outgoing,
      payload: Buffer.from("old"),
      expiresAtMs: server.broker.timeMs,
      properties: new Uint8Array(0),
    };
    const fresh = {
      ...outgoing,
      payload: Buffer.from("new"),
      expiresAtMs: server.broker.timeMs + 1,
      properties: new Uint8Array(0),
    };
    const messages = [expired, fresh, expired];
    await server.broker.perform({
      kind: "publish",
      topic: "a",
      messages,
      autoCreate: true,
      idempotency: null,
      publisher: 0,
      receipt: null,
    });
    await client.expect("30 06 00 01 'a' 'new'");
    await client.expectNothing();
    expect(server.metrics.of("messagesOut")).toBe(1);
  });

  it("counts messages and bytes on the wire", async () => {
    await subscribe(1, 0, "a");
    await publish("a", "xyz");
    await client.expect("30 06 00 01 'a' 'xyz'");
    expect([server.metrics.of("messagesOut"), server.metrics.of("bytesOut")]).toEqual([1, 8]);
  });
});

describe("wildcards (4.7)", () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
    ["sport/#", "sport", true],
    ["#", "a/b/c", true],
    ["+", "finance", true],
    ["+", "/finance", false],
    ["/+", "/finance", true],
    ["+/+", "/finance", true],
    ["sport/+", "sport/", true],
    ["sport/+", "sport", false],
    ["sport/+/player1", "sport/tennis/player1", true],
    ["sport/+/player1", "sport/tennis/golf/player1", false],
    ["A", "a", false],
    ["praça/+", "praça/1", true],
  ];
  it.each(rows)("%s, %s: %s", async (filter, topic, matches) => {
    await subscribe(1, 0, filter);
    await publish(topic, "x");
    await publish(topic, "y");
    if (matches) await client.expect(Buffer.concat([publishPacket(topic, "x"), publishPacket(topic, "y")]));
    else await client.expectNothing();
  });
});

describe("UNSUBSCRIBE", () => {
  it("stops what was published later, and is answered (MQTT-3.10.4-2, 3.10.4-4)", async () => {
    await subscribe(1, 0, "a", "b");
    client.send("a2 05 00 02 00 01 'a'");
    await client.expect("b0 02 00 02");
    await publish("a", "x");
    await publish("b", "y");
    await client.expect("30 04 00 01 'b' 'y'");
    expect(subscribed()).toEqual(["b"]);
  });

  it("of the last filter, of one that is not there, and of several (MQTT-3.10.4-5)", async () => {
    await subscribe(1, 0, "a");
    client.send("a2 08 00 02 00 01 'a' 00 01 'z'");
    await client.expect("b0 02 00 02");
    client.send("a2 05 00 03 00 01 'a'");
    await client.expect("b0 02 00 03");
    await publish("a", "x");
    await client.expectNothing();
    await subscribe(4, 0, "a");
    await publish("a", "y");
    await client.expect("30 04 00 01 'a' 'y'");
  });

  it("compares filters character by character (MQTT-3.10.4-1)", async () => {
    await subscribe(1, 0, "a/+");
    client.send("a2 07 00 02 00 03 'a/b'");
    await client.expect("b0 02 00 02");
    expect(subscribed()).toEqual(["a/+"]);
  });
});

describe("topics", () => {
  it("an exact filter makes its topic, a wildcard and a $ topic do not", async () => {
    await subscribe(1, 0, "made/here", "not/+", "$SYS/x");
    await until(() => server.broker.topic("made/here") !== undefined);
    await client.expectNothing();
    expect(server.broker.topics("", null, 10).map(({ name }) => name)).toEqual(["made/here"]);
  });

  it("that cannot be made do not fail the subscription", async () => {
    server.broker.refusal = "too_many_topics";
    await subscribe(1, 0, "made/here");
    await client.expectNothing();
    server.broker.refusal = null;
    await publish("made/here", "x");
    await client.expect("30 0c 00 09 'made/here' 'x'");
  });

  it("are not made when the node makes none by itself", async () => {
    const strict = await startEdge({ autoCreate: false });
    const other = await RawClient.connected(strict.port, "s");
    other.send(subscribePacket(1, 0, "a"));
    await other.expect("90 03 00 01 00");
    await other.expectNothing();
    expect(strict.broker.commands.map(({ kind }) => kind)).toEqual(["open-session"]);
    await strict.close();
  });

  it("a subscription outlives its topic: what a new one of that name brings is delivered", async () => {
    await subscribe(1, 1, "a");
    await publish("a", "x");
    await client.expect("32 06 00 01 'a' 00 01 'x'");
    await server.broker.perform({ kind: "delete-topic", topic: "a" });
    await publish("a", "y");
    await client.expect("32 06 00 01 'a' 00 02 'y'");
  });

  it("a topic that is deleted and made again in one breath loses nothing", async () => {
    await subscribe(1, 0, "a");
    await until(() => server.broker.topic("a") !== undefined);
    const message = {
      payload: Buffer.from("y"),
      contentType: "",
      qos: 0,
      retain: false,
      expiresAtMs: 0,
      properties: new Uint8Array(0),
    } as const;
    const removed = server.broker.perform({ kind: "delete-topic", topic: "a" });
    server.broker.submit(
      {
        kind: "publish",
        topic: "a",
        messages: [message],
        autoCreate: true,
        idempotency: null,
        publisher: 0,
        receipt: null,
      },
      () => undefined,
    );
    await removed;
    await client.expect("30 04 00 01 'a' 'y'");
  });
});
