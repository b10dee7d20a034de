/** PUBLISH of MQTT 5.0 and its answers (3.3 to 3.7), byte for byte, from one client to another. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge } from "./support/edge.js";
import { bytes, RawClient, subscribePacket as subscribe4 } from "./support/raw-client.js";
import { connack, connected, connectPacket, publish, publishPacket, subscribe } from "./support/v5.js";

let server: TestEdge;
let publisher: RawClient;
let subscriber: RawClient;
beforeEach(async () => {
  server = await startEdge();
  publisher = await connected(server.port, "publisher");
  subscriber = await connected(server.port, "subscriber");
});
afterEach(async () => {
  server.broker.refusal = null;
  await server.close();
});

describe("QoS (4.3)", () => {
  it("0 is not answered", async () => {
    await subscribe(subscriber, "a", 2);
    publisher.send(publishPacket("a", "hi"));
    await subscriber.expect(publishPacket("a", "hi"));
    await publisher.expectNothing();
  });

  it("1 is answered with PUBACK, both ways", async () => {
    await subscribe(subscriber, "a", 2);
    publisher.send(publishPacket("a", "hi", { id: 0x1234 }));
    await publisher.expect("40 02 12 34");
    await subscriber.expect(publishPacket("a", "hi", { id: 1 }));
    subscriber.send("40 02 00 01");
    await subscriber.expectNothing();
  });

  it("2 takes four packets, both ways", async () => {
    await subscribe(subscriber, "a", 2);
    publisher.send(publishPacket("a", "hi", { id: 0x1234, qos: 2 }));
    await publisher.expect("50 02 12 34");
    publisher.send("62 02 12 34");
    await publisher.expect("70 02 12 34");
    await subscriber.expect(publishPacket("a", "hi", { id: 1, qos: 2 }));
    subscriber.send("50 02 00 01");
    await subscriber.expect("62 02 00 01");
    subscriber.send("70 02 00 01");
    await subscriber.expectNothing();
  });

  it("2 is appended once, as often as it comes before PUBREL (MQTT-4.3.3-10)", async () => {
    await subscribe(subscriber, "a", 0);
    for (const dup of [false, true, true]) {
      publisher.send(publishPacket("a", "hi", { id: 7, qos: 2, dup }));
      await publisher.expect("50 02 00 07");
    }
    publisher.send("62 02 00 07");
    await publisher.expect("70 02 00 07");
    publisher.send(publishPacket("a", "again", { id: 7, qos: 2 }));
    await publisher.expect("50 02 00 07");
    await subscriber.expect(publishPacket("a", "hi"));
    await subscriber.expect(publishPacket("a", "again"));
    await subscriber.expectNothing();
  });

  it("PUBREL of an identifier that is not in use is told so (3.7.2.1)", async () => {
    publisher.send("62 02 12 34");
    await publisher.expect("70 03 12 34 92");
  });

  it("PUBREC of an identifier that is not in use is told so (3.6.2.1)", async () => {
    subscriber.send("50 02 12 34");
    await subscriber.expect("62 03 12 34 92");
  });

  it("PUBREC with an error, of an identifier that is not in use, ends nothing and begins nothing (4.3.3)", async () => {
    subscriber.send("50 03 12 34 80");
    await subscriber.expectNothing();
  });

  it.each([
    ["PUBREC of a QoS 1 message", 1, "50 02 00 01"],
    ["PUBCOMP of a QoS 1 message", 1, "70 02 00 01"],
    ["PUBACK of a QoS 2 message", 2, "40 02 00 01"],
    ["PUBCOMP of a QoS 2 message before its PUBREC", 2, "70 02 00 01"],
  ] as const)("%s is a protocol error (4.3, 4.13)", async (_what, qos, script) => {
    await subscribe(subscriber, "a", 2);
    publisher.send(publishPacket("a", "hi", { id: 1, qos }));
    await subscriber.expect(publishPacket("a", "hi", { id: 1, qos }));
    subscriber.send(script);
    await subscriber.expect("e0 01 82");
    await subscriber.expectClosed();
  });

  it("PUBACK of a QoS 2 message after its PUBREC is one too, and PUBREC once more is not (4.3.3)", async () => {
    await subscribe(subscriber, "a", 2);
    publisher.send(publishPacket("a", "hi", { id: 1, qos: 2 }));
    await subscriber.expect(publishPacket("a", "hi", { id: 1, qos: 2 }));
    for (let i = 0; i < 2; i += 1) {
      subscriber.send("50 02 00 01");
      await subscriber.expect("62 02 00 01");
    }
    subscriber.send("40 02 00 01");
    await subscriber.expect("e0 01 82");
  });

  it("an error in PUBREC ends the exchange (3.5.2.1), one in PUBACK too", async () => {
    await subscribe(subscriber, "a", 2);
    await publish(publisher, "a", "one");
    await subscriber.expect(publishPacket("a", "one", { id: 1 }));
    subscriber.send("40 03 00 01 87");
    publisher.send(publishPacket("a", "two", { id: 2, qos: 2 }));
    await publisher.expect("50 02 00 02");
    await subscriber.expect(publishPacket("a", "two", { id: 2, qos: 2 }));
    subscriber.send("50 03 00 02 80");
    await subscriber.expectNothing();
  });

  it("is the lower of what was published and what was granted (3.8.4)", async () => {
    await subscribe(subscriber, "a", 1);
    publisher.send(publishPacket("a", "hi", { id: 9, qos: 2 }));
    await publisher.expect("50 02 00 09");
    await subscriber.expect(publishPacket("a", "hi", { id: 1 }));
  });
});

describe("what is refused without an end of the connection", () => {
  it.each([
    ["a topic of the broker's own", publishPacket("$SYS/x", "b", { id: 5 }), "40 03 00 05 90"],
    [
      "a topic that is too deep",
      publishPacket("/".repeat(limits.topicLevelsMax), "b", { id: 5 }),
      "40 03 00 05 90",
    ],
    [
      "a topic of the broker's own, at QoS 2",
      publishPacket("$SYS/x", "b", { id: 5, qos: 2 }),
      "50 03 00 05 90",
    ],
    [
      "a payload that is said to be UTF-8 and is not (3.3.2.3.2)",
      publishPacket("a", Buffer.from([0xff]), { id: 5, properties: "01 01" }),
      "40 03 00 05 99",
    ],
  ])("%s", async (_what, packet, refusal) => {
    publisher.send(packet);
    await publisher.expect(refusal);
    await publisher.expectNothing();
  });

  it("at QoS 0 it is dropped and counted", async () => {
    publisher.send(publishPacket("$SYS/x", "b"));
    await publisher.expectNothing();
    expect(server.metrics.of("dropped invalid_topic")).toBe(1);
  });

  it("what the group does not take is told with the reason that fits best (3.4.2.1)", async () => {
    server.broker.refusal = "overloaded";
    publisher.send(publishPacket("a", "b", { id: 5 }));
    await publisher.expect("40 03 00 05 97");
    publisher.send(publishPacket("a", "b", { id: 6, qos: 2 }));
    await publisher.expect("50 03 00 06 97");
    // It was not received: the identifier is free.
    publisher.send("62 02 00 06");
    await publisher.expect("70 03 00 06 92");
  });
});

describe("a refusal in words (3.4.2.2)", () => {
  const connect = (properties: string): Buffer =>
    bytes(
      `10 ${properties === "" ? "0f" : "14"} 00 04 'MQTT' 05 02 00 3c ${properties === "" ? "00" : `05 ${properties}`} 00 02 'ab'`,
    );

  async function refused(properties: string): Promise<Buffer> {
    const client = await RawClient.open(server.port);
    client.send(connect(properties));
    await client.expect(connack(0));
    server.broker.refusal = "disk_full";
    client.send(publishPacket("a", "b", { id: 5 }));
    return client.takePacket();
  }

  it("goes to who wants them", async () => {
    const puback = await refused("");
    expect(puback.subarray(2, 5)).toEqual(bytes("00 05 97"));
    expect(puback[6]).toBe(0x1f);
    expect(puback.subarray(9).toString()).toMatch(/^the disk is full/);
  });

  it("and takes so much (MQTT-3.4.2-2)", async () => {
    expect(await refused("27 00 00 00 20")).toEqual(bytes("40 03 00 05 97"));
  });
});

it("a publish of which nobody knows whether it was taken is not answered: the client asks again", async () => {
  server.broker.refusal = "outcome_unknown";
  publisher.send(publishPacket("a", "b", { id: 5 }));
  await publisher.expect("e0 01 80");
  await publisher.expectClosed();
});

describe("properties (3.3.2.3)", () => {
  it("go on unaltered and in their order (MQTT-3.3.2-4, 3.3.2-15 to 3.3.2-18)", async () => {
    await subscribe(subscriber, "a", 0);
    const forwarded =
      "26 00 01 'z' 00 01 '1' 01 01 08 00 03 'r/1' 09 00 02 00 ff 26 00 01 'a' 00 01 '2' 26 00 01 'z' 00 00";
    await publish(publisher, "a", "hi", { properties: forwarded });
    await subscriber.expect(publishPacket("a", "hi", { properties: forwarded }));
  });

  it("go on without what is for the server, and with content type and what is left of the expiry (MQTT-3.3.2-6, 3.3.2-20)", async () => {
    await subscribe(subscriber, "a", 0);
    await publish(publisher, "a", "hi", {
      properties: "26 00 01 'z' 00 01 '1' 02 00 00 00 0a 03 00 03 'a/b' 23 00 07 01 01",
    });
    await subscriber.expect(
      publishPacket("a", "hi", { properties: "02 00 00 00 0a 03 00 03 'a/b' 26 00 01 'z' 00 01 '1' 01 01" }),
    );
  });

  it("of a payload format of 0 go on as well (3.3.2.3.2)", async () => {
    await subscribe(subscriber, "a", 0);
    await publish(publisher, "a", "hi", { properties: "01 00" });
    await subscriber.expect(publishPacket("a", "hi", { properties: "01 00" }));
  });

  it("do not reach who speaks 3.1.1, and are none for what it publishes", async () => {
    const older = await RawClient.connected(server.port, "older");
    older.send(subscribe4(1, 0, "a"));
    await older.expect("90 03 00 01 00");
    await publish(publisher, "a", "hi", { properties: "01 01 26 00 01 'a' 00 01 'b'" });
    await older.expect("30 05 00 01 'a' 'hi'");
    await subscribe(subscriber, "b", 0);
    older.send("30 05 00 01 'b' 'yo'");
    await subscriber.expect(publishPacket("b", "yo"));
  });

  it("a message that has expired is not delivered, and what is left is told (MQTT-3.3.2-5, 3.3.2-6)", async () => {
    await publish(publisher, "a", "short", { retain: true, properties: "02 00 00 00 02" });
    await publish(publisher, "b", "long", { retain: true, properties: "02 00 00 00 0a" });
    server.broker.timeMs += 3_000;
    await subscribe(subscriber, "+", 0);
    await subscriber.expect(publishPacket("b", "long", { retain: true, properties: "02 00 00 00 07" }));
    await subscriber.expectNothing();
  });
});

describe("topic aliases (3.3.2.3.4)", () => {
  it("of the client stand for a topic, and for another when it says so", async () => {
    await subscribe(subscriber, "#", 0);
    await publish(publisher, "a", "1", { properties: "23 00 01" });
    await publish(publisher, "", "2", { properties: "23 00 01" });
    await publish(publisher, "b", "3", { properties: "23 00 01" });
    await publish(publisher, "c", "4", { properties: "23 00 40" });
    await publish(publisher, "", "5", { properties: "23 00 01" });
    await publish(publisher, "", "6", { properties: "23 00 40" });
    for (const [topic, payload] of ["a1", "a2", "b3", "c4", "b5", "c6"]) {
      await subscriber.expect(publishPacket(topic ?? "", payload ?? ""));
    }
  });

  it("of one connection are not those of another (MQTT-3.3.2-7)", async () => {
    await publish(publisher, "a", "1", { properties: "23 00 01" });
    subscriber.send(publishPacket("", "2", { properties: "23 00 01" }));
    await subscriber.expect("e0 01 82");
    await subscriber.expectClosed();
  });

  it("of the server are within what the client allows (MQTT-3.1.2-26)", async () => {
    const thrifty = await connected(server.port, "thrifty", { properties: "22 00 01" });
    await subscribe(thrifty, "#", 0);
    await publish(publisher, "a", "1");
    await thrifty.expect(publishPacket("a", "1", { properties: "23 00 01" }));
    await publish(publisher, "b", "2");
    await thrifty.expect(publishPacket("b", "2"));
    await publish(publisher, "a", "3");
    await thrifty.expect(publishPacket("", "3", { properties: "23 00 01" }));
  });
});

describe("limits of the client", () => {
  it("receive maximum holds QoS 1 and 2 back, and not QoS 0 (MQTT-3.3.4-7, 3.3.4-9)", async () => {
    const slow = await connected(server.port, "slow", { properties: "21 00 02" });
    await subscribe(slow, "#", 2);
    for (const payload of ["1", "2", "3"]) await publish(publisher, "a", payload);
    await slow.expect(publishPacket("a", "1", { id: 1 }));
    await slow.expect(publishPacket("a", "2", { id: 2 }));
    await slow.expectNothing();
    slow.send("40 02 00 02");
    await slow.expect(publishPacket("a", "3", { id: 3 }));
    slow.send("40 02 00 01 40 02 00 03");
    publisher.send(publishPacket("a", "4", { id: 4, qos: 2 }));
    await publisher.expect("50 02 00 04");
    await slow.expect(publishPacket("a", "4", { id: 4, qos: 2 }));
    slow.send("50 02 00 04");
    await slow.expect("62 02 00 04");
  });

  it("maximum packet size: what is longer is not sent, as if it had been (MQTT-3.1.2-24, 3.1.2-25)", async () => {
    const small = await connected(server.port, "small", { properties: "27 00 00 00 14" });
    await subscribe(small, "#", 1);
    await publish(publisher, "a", "x".repeat(14));
    await publish(publisher, "a", "x".repeat(12));
    await small.expect(publishPacket("a", "x".repeat(12), { id: 2 }));
    await small.expectNothing();
  });
});

it("more than Receive Maximum without an answer is one too many (MQTT-3.3.4-8)", async () => {
  const packets = Array.from({ length: limits.receiveMax + 1 }, (_, i) =>
    publishPacket("a", "x", { id: i + 1, qos: 2 }),
  );
  publisher.send(Buffer.concat(packets));
  let packet = await publisher.takePacket();
  while (packet[0] === 0x50) packet = await publisher.takePacket();
  expect(packet).toEqual(bytes("e0 01 93"));
  await publisher.expectClosed();
});

it("subscriptions that overlap give one PUBLISH with all their identifiers and the highest QoS (MQTT-3.3.4-2 to 3.3.4-5)", async () => {
  await subscribe(subscriber, "a/+", 1, "0b 01");
  await subscribe(subscriber, "a/#", 0, "0b 80 01");
  await subscribe(subscriber, "a/b", 0);
  await publish(publisher, "a/b", "hi");
  await subscriber.expect(publishPacket("a/b", "hi", { id: 1, properties: "0b 80 01 0b 01" }));
  await publish(publisher, "a", "yo");
  await subscriber.expect(publishPacket("a", "yo", { properties: "0b 80 01" }));
});

it("connects again and its aliases are gone (MQTT-3.3.2-7)", async () => {
  await publish(publisher, "a", "1", { properties: "23 00 01" });
  publisher.send("e0 00");
  await publisher.expectClosed();
  const again = await RawClient.open(server.port);
  again.send(connectPacket("publisher"));
  await again.takePacket();
  again.send(publishPacket("", "2", { properties: "23 00 01" }));
  await again.expect("e0 01 82");
});
