/** Sessions that outlive their connection (MQTT 5.0, 4.1, 4.4, 4.6), byte for byte. Over one broker: what nodes do among them is tested elsewhere. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { RawClient } from "./support/raw-client.js";
import { connack, connected, connectPacket, KEPT, publish, publishPacket, subscribe } from "./support/v5.js";

let server: TestEdge;
let publisher: RawClient;
beforeEach(async () => {
  server = await startEdge();
  publisher = await connected(server.port, "publisher");
});
afterEach(() => server.close());

/** Comes back to its session. */
async function resumed(id = "sleeper"): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.send(connectPacket(id, KEPT));
  await client.expect(connack(1));
  return client;
}

/** The connection breaks, and the group knows. */
async function lose(client: RawClient): Promise<void> {
  client.drop();
  await until(() => server.broker.sessionOf("sleeper")?.owner === null);
}

describe("a client that comes back", () => {
  let client: RawClient;
  beforeEach(async () => {
    client = await connected(server.port, "sleeper", KEPT);
    await subscribe(client, "a/#", 2);
  });

  it("gets what it missed, in order, QoS 0 aside (MQTT-4.5.0-1, 4.6.0-6)", async () => {
    await lose(client);
    await publish(publisher, "a/1", "one");
    publisher.send(publishPacket("a/2", "zero"));
    publisher.send(publishPacket("a/3", "two", { id: 1, qos: 2 }));
    await publisher.expect("50 02 00 01");
    const again = await resumed();
    await again.expect(publishPacket("a/1", "one", { id: 1 }));
    await again.expect(publishPacket("a/3", "two", { id: 3, qos: 2 }));
    await again.expectNothing();
  });

  it("gets again what it did not acknowledge, with DUP and the same identifiers (MQTT-4.4.0-1)", async () => {
    await publish(publisher, "a/1", "one");
    await publish(publisher, "a/2", "two");
    await client.expect(publishPacket("a/1", "one", { id: 1 }));
    await client.expect(publishPacket("a/2", "two", { id: 2 }));
    client.send("40 02 00 01");
    await client.expectNothing();
    await lose(client);
    const again = await resumed();
    await again.expect(publishPacket("a/2", "two", { id: 2, dup: true }));
    await again.expectNothing();
  });

  it("gets PUBREL again, and nothing but that, for what it has received (MQTT-4.3.3-5)", async () => {
    publisher.send(publishPacket("a/1", "one", { id: 1, qos: 2 }));
    await client.expect(publishPacket("a/1", "one", { id: 1, qos: 2 }));
    client.send("50 02 00 01");
    await client.expect("62 02 00 01");
    await lose(client);
    const again = await resumed();
    await again.expect("62 02 00 01");
    again.send("70 02 00 01");
    await again.expectNothing();
    await lose(again);
    const third = await resumed();
    await third.expectNothing();
  });

  it("may send its QoS 2 message again, and it is appended once (MQTT-4.3.3-10)", async () => {
    client.send(publishPacket("b", "once", { id: 9, qos: 2 }));
    await client.expect("50 02 00 09");
    await lose(client);
    const again = await resumed();
    again.send(publishPacket("b", "once", { id: 9, qos: 2, dup: true }));
    await again.expect("50 02 00 09");
    again.send("62 02 00 09");
    await again.expect("70 02 00 09");
    expect(server.broker.topic("b")?.nextOffset).toBe(1);
    // Repeated by who may not have heard the answer on an earlier connection: no error (3.7.2.1).
    again.send("62 02 00 09");
    await again.expect("70 02 00 09");
  });

  it("still has its subscriptions and their options (4.1)", async () => {
    client.send("e0 00");
    await client.expectClosed();
    const again = await resumed();
    await publish(publisher, "a/1", "live");
    await again.expect(publishPacket("a/1", "live", { id: 1 }));
  });

  it("has none of it after a clean start (MQTT-3.1.2-4)", async () => {
    await lose(client);
    await publish(publisher, "a/1", "one");
    const again = await connected(server.port, "sleeper", { ...KEPT, flags: 0x02 });
    await publish(publisher, "a/2", "two");
    await again.expectNothing();
  });

  it("has none of it after its expiry (3.1.2.11.2)", async () => {
    await lose(client);
    await server.broker.advance(3_601_000);
    await publish(publisher, "a/1", "one");
    const again = await RawClient.open(server.port);
    again.send(connectPacket("sleeper", KEPT));
    await again.expect(connack(0));
  });

  it("gets no messages that have expired meanwhile (MQTT-3.3.2-5), and of the others what is left (MQTT-3.3.2-6)", async () => {
    await lose(client);
    await publish(publisher, "a/1", "short", { properties: "02 00 00 00 02" });
    await publish(publisher, "a/2", "long", { properties: "02 00 00 00 0a" });
    server.broker.timeMs += 3_000;
    const again = await resumed();
    await again.expect(publishPacket("a/2", "long", { id: 2, properties: "02 00 00 00 07" }));
    await again.expectNothing();
  });

  it("in the middle of a connection takes it over, with all that it holds (MQTT-3.1.4-3)", async () => {
    await publish(publisher, "a/1", "one");
    await client.expect(publishPacket("a/1", "one", { id: 1 }));
    const again = await resumed();
    await client.expect("e0 01 8e");
    await client.expectClosed();
    await again.expect(publishPacket("a/1", "one", { id: 1, dup: true }));
  });
});

describe("a client that says, before it is sent again, that it has received what it got at its last connection", () => {
  /** Two messages at QoS 2, received and not acknowledged. */
  async function holding(filter: string, isRetained: boolean): Promise<void> {
    const client = await connected(server.port, "sleeper", KEPT);
    if (!isRetained) await subscribe(client, filter, 2);
    for (const id of [1, 2]) {
      publisher.send(publishPacket(`a/${id}`, "x", { id, qos: 2, retain: isRetained }));
      await publisher.expect(Buffer.from([0x50, 2, 0, id]));
    }
    if (isRetained) await subscribe(client, filter, 2);
    for (const id of [1, 2]) {
      await client.expect(publishPacket(`a/${id}`, "x", { id, qos: 2, retain: isRetained }));
    }
    await lose(client);
  }

  it.each([
    ["live messages", "a/+", false],
    ["messages of a share", "$share/g/a/+", false],
    ["retained messages", "a/+", true],
  ])("is not told that there is no such message: %s (4.3.3, 4.4)", async (_what, filter, retain) => {
    await holding(filter, retain);
    const again = await RawClient.open(server.port);
    // One at a time: the second waits for the first.
    again.send(connectPacket("sleeper", { ...KEPT, properties: `${KEPT.properties} 21 00 01` }));
    await again.expect(connack(1));
    await again.expect(publishPacket("a/1", "x", { id: 1, qos: 2, dup: true, retain }));
    // PUBREL would make it deliver the message, and take it for another when it comes again.
    again.send("50 02 00 02");
    await again.expectNothing();
    again.send("50 02 00 01");
    await again.expect("62 02 00 01");
    again.send("70 02 00 01");
    await again.expect(publishPacket("a/2", "x", { id: 2, qos: 2, dup: true, retain }));
    again.send("50 02 00 03");
    await again.expect("62 03 00 03 92");
  });
});

it("a session of 3.1.1 without clean session is there for who comes back with 5.0", async () => {
  const older = await RawClient.open(server.port);
  older.send("10 13 00 04 'MQTT' 04 00 00 00 00 07 'sleeper'");
  await older.expect("20 02 00 00");
  older.send("82 06 00 01 00 01 'a' 01");
  await older.expect("90 03 00 01 01");
  older.send("e0 00");
  await older.expectClosed();
  await publish(publisher, "a", "one", { properties: "03 00 01 't'" });
  const again = await resumed();
  await again.expect(publishPacket("a", "one", { id: 1, properties: "03 00 01 't'" }));
});
