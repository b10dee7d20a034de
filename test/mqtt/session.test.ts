/** Sessions that outlive their connection (MQTT 5.0, 4.1, 4.4): what waits, what goes again, and how they end. Byte for byte. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SESSION_NEVER_EXPIRES } from "../../src/commands/command.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import {
  accepted,
  connect5,
  connected5,
  disconnect5,
  expiry,
  publish5,
  subscribe5,
  takeRefusal,
} from "./support/packets-5.js";
import { RawClient } from "./support/raw-client.js";

const KEPT = { properties: expiry(60) };

let server: TestEdge;
let publisher: RawClient;
beforeEach(async () => {
  server = await startEdge();
  publisher = await connected5(server.port, "publisher");
});
afterEach(() => server.close());

async function publish(payload: string, qos: 0 | 1 | 2 = 2): Promise<void> {
  publisher.send(publish5(0x30 | (qos << 1), "a", 1, payload));
  if (qos === 0) await publisher.expectNothing();
  if (qos === 1) await publisher.expect("40 02 00 01");
  if (qos !== 2) return;
  await publisher.expect("50 02 00 01");
  publisher.send("62 02 00 01");
  await publisher.expect("70 02 00 01");
}

async function subscriber(qos: number): Promise<RawClient> {
  const client = await connected5(server.port, "me", KEPT);
  client.send(subscribe5(1, qos, "a"));
  await client.expect(Buffer.from([0x90, 4, 0, 1, 0, qos]));
  return client;
}

async function gone(client: RawClient): Promise<void> {
  client.drop();
  await until(() => server.broker.sessionOf("me")?.owner === null);
}

async function back(): Promise<RawClient> {
  return connected5(server.port, "me", { ...KEPT, clean: false, present: 1 });
}

describe("what was published meanwhile", () => {
  it("waits at QoS 1 and 2, in order; QoS 0 comes only to who is there (4.1)", async () => {
    await gone(await subscriber(2));
    await publish("one", 1);
    await publish("zero", 0);
    await publish("two", 2);
    const client = await back();
    await client.expect("32 09 00 01 'a' 00 01 00 'one' 34 09 00 01 'a' 00 03 00 'two'");
    await publish("now", 0);
    await client.expect("30 07 00 01 'a' 00 'now'");
  });

  it("waits for a client of 3.1.1 without a clean session (MQTT-3.1.2-5)", async () => {
    const connect = "10 0e 00 04 'MQTT' 04 00 00 00 00 02 'ab'";
    const first = await RawClient.open(server.port);
    first.send(`${connect} 82 06 00 01 00 01 'a' 01`);
    await first.expect("20 02 00 00 90 03 00 01 01");
    first.send("e0 00");
    await first.expectClosed();
    await publish("x", 1);
    const second = await RawClient.open(server.port);
    second.send(connect);
    await second.expect("20 02 01 00 32 06 00 01 'a' 00 01 'x'");
    expect(server.broker.sessionOf("ab")?.expirySeconds).toBe(SESSION_NEVER_EXPIRES);
  });
});

describe("what was under way", () => {
  it("QoS 1 without PUBACK goes again with DUP, in its order (MQTT-4.4.0-1)", async () => {
    const first = await subscriber(1);
    for (const payload of ["x", "y", "z"]) await publish(payload, 1);
    await first.expect(
      "32 07 00 01 'a' 00 01 00 'x' 32 07 00 01 'a' 00 02 00 'y' 32 07 00 01 'a' 00 03 00 'z'",
    );
    first.send("40 02 00 02");
    await until(() => server.broker.sessionOf("me")?.live.done.includes(2) === true);
    await gone(first);
    const second = await back();
    await second.expect("3a 07 00 01 'a' 00 01 00 'x' 3a 07 00 01 'a' 00 03 00 'z'");
  });

  it("QoS 2 after PUBREC: PUBREL goes, and the message never again (MQTT-4.3.3-6, 4.4.0-1)", async () => {
    const first = await subscriber(2);
    await publish("x");
    await publish("y");
    await first.expect("34 07 00 01 'a' 00 01 00 'x' 34 07 00 01 'a' 00 02 00 'y'");
    first.send("50 02 00 02");
    await first.expect("62 02 00 02");
    await gone(first);
    const second = await back();
    await second.expect("62 02 00 02 3c 07 00 01 'a' 00 01 00 'x'");
    second.send("70 02 00 02 50 02 00 01");
    await second.expect("62 02 00 01");
    second.send("70 02 00 01");
    await until(() => server.broker.sessionOf("me")?.live.through === 2);
    await gone(second);
    const third = await back();
    await third.expectNothing();
  });

  it("PUBREL waits until the group knows of the PUBREC", async () => {
    const first = await subscriber(2);
    await publish("x");
    await first.expect("34 07 00 01 'a' 00 01 00 'x'");
    const commit = server.broker.holdCommits();
    first.send("50 02 00 01");
    await first.expectNothing();
    commit();
    await first.expect("62 02 00 01");
  });
});

describe("DISCONNECT (3.14)", () => {
  it("may change how long the session is kept (3.14.2.2.2)", async () => {
    const first = await subscriber(1);
    first.send(disconnect5(0, expiry(5)));
    await first.expectClosed();
    await until(() => server.broker.sessionOf("me")?.expirySeconds === 5);
    await server.broker.advance(5_001);
    expect(server.broker.sessionOf("me")).toBeUndefined();
  });

  it("with expiry 0 ends it at once", async () => {
    const first = await subscriber(1);
    first.send(disconnect5(0, expiry(0)));
    await first.expectClosed();
    await until(() => server.broker.sessionOf("me") === undefined);
  });

  it("cannot keep one that was to end with its connection", async () => {
    const client = await connected5(server.port, "me");
    client.send(disconnect5(0, expiry(5)));
    expect(await takeRefusal(client)).toMatchObject({ type: 14, reason: 0x82 });
    await client.expectClosed();
  });

  it("says nothing about the expiry: it stays as CONNECT had it", async () => {
    const first = await subscriber(1);
    first.send("e0 00");
    await first.expectClosed();
    await until(() => server.broker.sessionOf("me")?.owner === null);
    await server.broker.advance(59_000);
    await back();
  });
});

describe("messages that retention took before the session came back", () => {
  it("are told of in CONNACK, at most so many", async () => {
    await gone(await subscriber(1));
    for (const payload of ["1", "2", "3"]) await publish(payload, 1);
    const topic = server.broker.machine.topicByName("a");
    server.broker.store.trim(topic?.id ?? 0, 2);
    const client = await RawClient.open(server.port);
    client.send(connect5("me", { ...KEPT, clean: false }));
    await client.expect(accepted(1, { last: "26 00 0c 'jangada-lost' 00 01 '2'" }));
    await client.expect("32 07 00 01 'a' 00 03 00 '3'");
  });
});
