/** What the group holds of a session: its subscriptions are committed before they are answered, and so is what PUBREL relies on. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { packet, RawClient, text, subscribePacket as v3Subscribe } from "./support/raw-client.js";
import {
  connack,
  connected,
  connectPacket,
  KEPT,
  publish,
  publishPacket,
  subscribe,
  subscribePacket,
} from "./support/v5.js";

let server: TestEdge;
let publisher: RawClient;
beforeEach(async () => {
  server = await startEdge({ denySubscribe: ["secret/#"] });
  publisher = await connected(server.port, "publisher");
});
afterEach(async () => {
  server.broker.refusal = null;
  await server.close();
});

/** UNSUBSCRIBE. */
function unsubscribePacket(id: number, ...filters: readonly string[]): Buffer {
  return packet(0xa2, Buffer.from([id >> 8, id & 255, 0]), ...filters.map(text));
}

function filters(id: string): readonly string[] {
  return (
    server.edge
      .clients()
      .find((client) => client.id === id)
      ?.view().subscriptions ?? []
  );
}

/** A client of 3.1.1 without a clean session. */
async function older(): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.send("10 0e 00 04 'MQTT' 04 00 00 00 00 02 'ab'");
  await client.expect("20 02 00 00");
  return client;
}

describe("its subscriptions", () => {
  let client: RawClient;
  beforeEach(async () => {
    client = await connected(server.port, "me", KEPT);
  });

  it("one reason code a filter, in their order (MQTT-3.8.4-6)", async () => {
    const deep = Array.from({ length: limits.topicLevelsMax + 1 }, () => "a").join("/");
    const asked = ["q0", "q1", "q2", deep, "secret/#", "$share//x", "$share/g/s", "secret/x"];
    client.send(
      subscribePacket(
        1,
        asked.map((filter, i) => [filter, i < 3 ? i : 1] as const),
      ),
    );
    await client.expect("90 0b 00 01 00 00 01 02 8f 87 8f 01 01");
    expect(filters("me")).toEqual(["$share/g/s", "q0", "q1", "q2", "secret/x"]);
  });

  it("have identifiers and options like any (3.8.2.1.2, 3.8.3.1)", async () => {
    await subscribe(client, "own", 4 + 1);
    await subscribe(client, "kept", 8, "0b 07");
    client.send(publishPacket("own", "mine"));
    await publish(publisher, "own", "theirs");
    await client.expect(publishPacket("own", "theirs", { id: 2 }));
    await publish(publisher, "kept", "x", { retain: true });
    await client.expect(publishPacket("kept", "x", { retain: true, properties: "0b 07" }));
  });

  it.each([
    ["0: with every SUBSCRIBE", 0, [true, true]],
    ["1: with the first alone", 0x10, [true, false]],
    ["2: never", 0x20, [false, false]],
  ] as const)(
    "retained messages by Retain Handling %s (MQTT-3.3.1-9 to 3.3.1-11)",
    async (_how, options, comes) => {
      await publish(publisher, "r", "x", { retain: true });
      for (const isThere of comes) {
        await subscribe(client, "r", options);
        if (isThere) await client.expect(publishPacket("r", "x", { retain: true }));
      }
      await client.expectNothing();
    },
  );

  it("UNSUBSCRIBE: whether there was such a filter, one code each (MQTT-3.11.3-2)", async () => {
    client.send(
      subscribePacket(1, [
        ["a", 0],
        ["b", 0],
        ["$share/g/c", 0],
      ]),
    );
    await client.expect("90 06 00 01 00 00 00 00");
    client.send(unsubscribePacket(2, "b", "z", "$share/g/c", "$share/g/z", "$share/x"));
    await client.expect("b0 08 00 02 00 00 11 00 11 8f");
    for (const topic of ["b", "c", "a"]) await publish(publisher, topic, "x");
    await client.expect(publishPacket("a", "x"));
    expect(filters("me")).toEqual(["a"]);
  });

  it("an answer that is longer than the client takes is left out (MQTT-3.1.2-24)", async () => {
    const narrow = await connected(server.port, "narrow", {
      ...KEPT,
      properties: `${KEPT.properties} 27 00 00 00 10`,
    });
    narrow.send(
      subscribePacket(
        1,
        Array.from({ length: 12 }, (_, i) => [`f${i}`, 0] as const),
      ),
    );
    narrow.send(subscribePacket(2, [["g", 1]]));
    await narrow.expect("90 04 00 02 00 01");
    expect(filters("narrow").length).toBe(13);
  });

  it("past their ceiling (3.9.3: quota)", async () => {
    const many = Array.from(
      { length: limits.subscriptionsPerConnectionMax },
      (_, i) => [`f${i}`, 0] as const,
    );
    client.send(subscribePacket(1, many));
    await client.take(1 + 2 + 3 + many.length);
    client.send(
      subscribePacket(2, [
        ["f7", 0],
        ["more", 0],
      ]),
    );
    await client.expect("90 05 00 02 00 00 97");
  });
});

describe("what the group has to commit", () => {
  it.each([
    ["of a session that is kept", KEPT, "a"],
    ["a shared one of any session", {}, "$share/g/a"],
  ])(
    "%s: SUBACK and UNSUBACK come when it has, the client goes on meanwhile",
    async (_what, options, filter) => {
      const client = await connected(server.port, "me", options);
      const commit = server.broker.holdCommits();
      client.send(Buffer.concat([subscribePacket(1, [[filter, 0]]), unsubscribePacket(2, filter)]));
      await until(() => server.broker.commands.some(({ kind }) => kind === "unsubscribe"));
      await client.expectNothing();
      commit();
      await client.expect("90 04 00 01 00 00 b0 04 00 02 00 00");
    },
  );

  it("so many at a time: then the client is not read until half of them are answered", async () => {
    const client = await connected(server.port, "me", KEPT);
    const commit = server.broker.holdCommits();
    const total = 3 * limits.subscribesInFlightMax;
    client.send(
      Buffer.concat(Array.from({ length: total }, (_, i) => subscribePacket(i + 1, [[`t/${i}`, 0]]))),
    );
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

  it("and does not take: SUBACK and UNSUBACK say so; 3.1.1 hears of failure, or the connection ends", async () => {
    const client = await connected(server.port, "me", KEPT);
    const other = await older();
    server.broker.refusal = "overloaded";
    client.send(
      subscribePacket(1, [
        ["a", 0],
        ["b", 0],
      ]),
    );
    await client.expect("90 05 00 01 00 97 97");
    client.send(unsubscribePacket(2, "a"));
    await client.expect("b0 04 00 02 00 83");
    other.send(v3Subscribe(3, 0, "a"));
    await other.expect("90 03 00 03 80");
    other.send("a2 05 00 04 00 01 'a'");
    await other.expectClosed();
    expect(filters("me")).toEqual([]);
  });

  it.each([
    ["subscribe", subscribePacket(1, [["a", 0]])],
    ["unsubscribe", unsubscribePacket(1, "a")],
  ] as const)(
    "and may have or not (%s): the connection ends, and the client asks again",
    async (kind, asked) => {
      const client = await connected(server.port, "me", KEPT);
      server.broker.loseNext(kind);
      client.send(asked);
      await client.expect("e0 01 80");
      await client.expectClosed();
    },
  );

  it("PUBREC of a message, before PUBREL lets the client forget it (MQTT-4.3.3-4)", async () => {
    const client = await connected(server.port, "me", KEPT);
    await subscribe(client, "a", 2);
    publisher.send(publishPacket("a", "x", { id: 1, qos: 2 }));
    await client.expect(publishPacket("a", "x", { id: 1, qos: 2 }));
    const commit = server.broker.holdCommits();
    client.send("50 02 00 01");
    await client.expectNothing();
    commit();
    await client.expect("62 02 00 01");
  });
});

it("a client of 3.1.1 without a clean session finds what it missed (MQTT-3.1.2-5)", async () => {
  const first = await older();
  first.send(v3Subscribe(1, 1, "a"));
  await first.expect("90 03 00 01 01");
  first.send("e0 00");
  await first.expectClosed();
  await publish(publisher, "a", "x");
  const second = await RawClient.open(server.port);
  second.send("10 0e 00 04 'MQTT' 04 00 00 00 00 02 'ab'");
  await second.expect("20 02 01 00 32 06 00 01 'a' 00 01 'x'");
});

it("what retention took before the client came back is told in CONNACK, at most so many", async () => {
  const first = await connected(server.port, "me", KEPT);
  await subscribe(first, "a", 1);
  first.drop();
  await until(() => server.broker.sessionOf("me")?.owner === null);
  for (const payload of ["1", "2", "3"]) await publish(publisher, "a", payload);
  server.broker.store.trim(server.broker.topic("a")?.id ?? 0, 2);
  const second = await RawClient.open(server.port);
  second.send(connectPacket("me", KEPT));
  await second.expect(connack(1, { last: "26 00 0c 'jangada-lost' 00 01 '2'" }));
  await second.expect(publishPacket("a", "3", { id: 3 }));
});
