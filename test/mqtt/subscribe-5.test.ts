/** SUBSCRIBE and UNSUBSCRIBE of MQTT 5.0 (3.8 to 3.11), of sessions that are kept and of those that are not, byte for byte. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { connected5, expiry, publish5, subscribe5, takeRefusal, unsubscribe5 } from "./support/packets-5.js";
import { packet, RawClient, subscribePacket, text } from "./support/raw-client.js";

const NO_LOCAL = 4;
const RETAIN_AS_PUBLISHED = 8;
const RETAIN_IF_NEW = 0x10;
const RETAIN_NEVER = 0x20;

let server: TestEdge;
let publisher: RawClient;
beforeEach(async () => {
  server = await startEdge({ denySubscribe: ["secret/#"] });
  publisher = await connected5(server.port, "publisher");
});
afterEach(async () => {
  server.broker.refusal = null;
  await server.close();
});

async function publish(topic: string, payload: string, first = 0x32): Promise<void> {
  publisher.send(publish5(first, topic, 1, payload));
  await publisher.expect("40 02 00 01");
}

function filters(id: string): readonly string[] {
  return server.edge.clients().find((client) => client.id === id)?.subscriptions ?? [];
}

const KINDS: readonly (readonly [string, string])[] = [
  ["that ends with its connection", ""],
  ["that is kept", expiry(60)],
];

describe.each(KINDS)("a session %s", (_what, properties) => {
  let client: RawClient;
  beforeEach(async () => {
    client = await connected5(server.port, "subscriber", { properties });
  });

  it("one reason code a filter, in their order (MQTT-3.8.4-6)", async () => {
    const deep = Array.from({ length: limits.topicLevelsMax + 1 }, () => "a").join("/");
    const asked = ["q0", "q1", "q2", deep, "secret/#", "$share//x", "$share/g/s", "secret/x"].map(
      (filter, i) => Buffer.concat([text(filter), Buffer.from([i < 3 ? i : 1])]),
    );
    client.send(packet(0x82, Buffer.from([0, 1, 0]), ...asked));
    await client.expect("90 0b 00 01 00 00 01 02 8f 87 8f 01 01");
    expect(filters("subscriber")).toEqual(["$share/g/s", "q0", "q1", "q2", "secret/x"]);
  });

  it("is delivered what comes after SUBACK, at the lower of the two QoS", async () => {
    client.send(subscribe5(1, 2, "a"));
    await client.expect("90 04 00 01 00 02");
    publisher.send(publish5(0x34, "a", 5, "x"));
    await publisher.expect("50 02 00 05");
    await client.expect("34 07 00 01 'a' 00 01 00 'x'");
    await publish("a", "y");
    await client.expect("32 07 00 01 'a' 00 02 00 'y'");
  });

  it("subscription identifiers of all that match (MQTT-3.3.4-4)", async () => {
    client.send(packet(0x82, Buffer.from([0, 1, 2, 0x0b, 7]), text("a/#"), Buffer.from([0])));
    client.send(packet(0x82, Buffer.from([0, 2, 3, 0x0b, 0x80, 1]), text("a/b"), Buffer.from([1])));
    await client.expect("90 04 00 01 00 00 90 04 00 02 00 01");
    await publish("a/b", "x");
    const received = (await client.takePacket()).toString("hex");
    expect(received).toMatch(/^320e0003612f620001050b(0.*|.*0b)/);
    expect(received).toContain("0b07");
    expect(received).toContain("0b8001");
  });

  it("not its own messages with No Local (MQTT-3.8.3-3)", async () => {
    client.send(subscribe5(1, NO_LOCAL, "a"));
    await client.expect("90 04 00 01 00 00");
    client.send(publish5(0x30, "a", 0, "mine"));
    await client.expectNothing();
    await publish("a", "theirs");
    await client.expect("30 0a 00 01 'a' 00 'theirs'");
  });

  it("RETAIN as it was published, when asked (MQTT-3.3.1-13, 3.3.1-12)", async () => {
    client.send(subscribe5(1, RETAIN_AS_PUBLISHED, "kept"));
    client.send(subscribe5(2, 0, "plain"));
    await client.expect("90 04 00 01 00 00 90 04 00 02 00 00");
    await publish("kept", "x", 0x33);
    await publish("plain", "x", 0x33);
    await client.expect("31 08 00 04 'kept' 00 'x' 30 09 00 05 'plain' 00 'x'");
  });

  it.each([
    ["0: with every SUBSCRIBE", 0, [true, true]],
    ["1: with the first alone", RETAIN_IF_NEW, [true, false]],
    ["2: never", RETAIN_NEVER, [false, false]],
  ] as const)(
    "retained messages by Retain Handling %s (MQTT-3.3.1-9 to 3.3.1-11)",
    async (_how, options, comes) => {
      await publish("r", "x", 0x33);
      for (const [index, isThere] of comes.entries()) {
        client.send(subscribe5(index + 1, options, "r"));
        await client.expect(Buffer.from([0x90, 4, 0, index + 1, 0, 0]));
        if (isThere) await client.expect("31 05 00 01 'r' 00 'x'");
      }
      await client.expectNothing();
    },
  );

  it("UNSUBSCRIBE: whether there was such a filter, one code each (MQTT-3.11.3-2)", async () => {
    client.send(subscribe5(1, 0, "a", "b", "$share/g/c"));
    await client.expect("90 06 00 01 00 00 00 00");
    client.send(unsubscribe5(2, "b", "z", "$share/g/c", "$share/g/z", "$share/x"));
    await client.expect("b0 08 00 02 00 00 11 00 11 8f");
    await publish("b", "x");
    await publish("c", "x");
    await publish("a", "x");
    await client.expect("30 05 00 01 'a' 00 'x'");
    expect(filters("subscriber")).toEqual(["a"]);
  });

  it("No Local on a shared subscription ends the connection (MQTT-3.8.3-4)", async () => {
    client.send(subscribe5(1, NO_LOCAL, "$share/g/a"));
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x82 });
    await client.expectClosed();
  });
});

describe("what the group has to commit", () => {
  const kept = { properties: expiry(60) };

  it.each([
    ["of a session that is kept", kept, "a"],
    ["a shared one of any session", {}, "$share/g/a"],
  ])(
    "%s: SUBACK and UNSUBACK come when it has, the client goes on meanwhile",
    async (_what, options, filter) => {
      const client = await connected5(server.port, "subscriber", options);
      const commit = server.broker.holdCommits();
      client.send(subscribe5(1, 0, filter));
      client.send(unsubscribe5(2, filter));
      await until(() => server.broker.commands.some(({ kind }) => kind === "unsubscribe"));
      await client.expectNothing();
      commit();
      await client.expect("90 04 00 01 00 00 b0 04 00 02 00 00");
    },
  );

  it("so many at a time: then the client is not read until half of them are answered", async () => {
    const client = await connected5(server.port, "subscriber", kept);
    const commit = server.broker.holdCommits();
    const total = 3 * limits.subscribesInFlightMax;
    client.send(Buffer.concat(Array.from({ length: total }, (_, i) => subscribe5(i + 1, 0, `t/${i}`))));
    const subscribes = (): number => server.broker.commands.filter(({ kind }) => kind === "subscribe").length;
    await until(() => subscribes() === limits.subscribesInFlightMax);
    const other = await RawClient.open(server.port);
    other.send("c0 00");
    await other.expectClosed();
    expect(subscribes()).toBe(limits.subscribesInFlightMax);
    commit();
    await client.take(6 * total);
    expect(subscribes()).toBe(total);
  });

  it("and does not take: SUBACK says so, filter by filter; 3.1.1 hears of failure", async () => {
    const client = await connected5(server.port, "subscriber", kept);
    const older = await RawClient.open(server.port);
    older.send("10 0e 00 04 'MQTT' 04 00 00 00 00 02 'ab'");
    await older.expect("20 02 00 00");
    server.broker.refusal = "overloaded";
    client.send(subscribe5(1, 0, "a", "b"));
    await client.expect("90 05 00 01 00 97 97");
    client.send(unsubscribe5(2, "a"));
    await client.expect("b0 04 00 02 00 83");
    older.send(subscribePacket(3, 0, "a"));
    await older.expect("90 03 00 03 80");
    older.send("a2 05 00 04 00 01 'a'");
    await older.expectClosed();
    expect(filters("subscriber")).toEqual([]);
  });

  it("past the ceiling of a session's filters", async () => {
    const client = await connected5(server.port, "subscriber", kept);
    const many = Array.from({ length: limits.subscriptionsPerConnectionMax }, (_, i) => `f${i}`);
    client.send(subscribe5(1, 0, ...many));
    await client.take(1 + 2 + 3 + many.length);
    client.send(subscribe5(2, 0, "f7", "more"));
    await client.expect("90 05 00 02 00 00 97");
  });
});
