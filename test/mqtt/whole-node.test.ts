/** The edge on a whole node: the log, the disk and the HTTP edge behind it are real. */
import mqtt from "mqtt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTestNode, type TestNode } from "../support/test-node.js";
import { publishPacket, RawClient, subscribePacket } from "./support/raw-client.js";
import * as v5 from "./support/v5.js";
import { connack, connected, connectPacket, KEPT, publish, subscribe } from "./support/v5.js";

let node: TestNode;
beforeEach(async () => {
  node = await startTestNode();
});
afterEach(() => node.close());

describe("byte for byte", () => {
  it("connects, subscribes, publishes at QoS 0 and 1, unsubscribes, pings and leaves", async () => {
    const subscriber = await RawClient.connected(node.mqttPort, "subscriber", 60);
    subscriber.send("82 08 00 07 00 03 'a/+' 01");
    await subscriber.expect("90 03 00 07 01");
    const publisher = await RawClient.connected(node.mqttPort, "publisher", 60);
    publisher.send("32 09 00 03 'a/b' 00 0a 'hi' 30 09 00 03 'a/b' 'zero'");
    await publisher.expect("40 02 00 0a");
    await subscriber.expect("32 09 00 03 'a/b' 00 01 'hi' 30 09 00 03 'a/b' 'zero'");
    subscriber.send("40 02 00 01 a2 07 00 08 00 03 'a/+' c0 00");
    await subscriber.expect("b0 02 00 08 d0 00");
    publisher.send("32 09 00 03 'a/b' 00 0b 'no' e0 00");
    await subscriber.expectNothing();
    subscriber.send("e0 00");
    await subscriber.expectClosed();
  });

  it("a client that breaks the protocol harms nobody", async () => {
    const honest = await RawClient.connected(node.mqttPort, "honest");
    honest.send(subscribePacket(1, 0, "#"));
    await honest.expect("90 03 00 01 00");
    for (const bad of [
      "36 06 00 01 'a' 00 01 'b'",
      "30 04 00 01 '#' 'b'",
      "10 00",
      "30 ff ff ff 7f",
      "82 02 00 01",
    ]) {
      const culprit = await RawClient.connected(node.mqttPort, "culprit");
      culprit.send(bad);
      await culprit.expectClosed();
    }
    honest.send(publishPacket("ok", "1"));
    await honest.expect("30 05 00 02 'ok' '1'");
  });
});

describe("with HTTP", () => {
  it("what is posted reaches MQTT, what is published can be read over HTTP", async () => {
    const subscriber = await RawClient.connected(node.mqttPort, "subscriber");
    subscriber.send(subscribePacket(1, 1, "praça/#"));
    await subscriber.expect("90 03 00 01 01");
    const topic = encodeURIComponent("praça/1");
    const posted = await fetch(`${node.url}/topics/${topic}/messages`, { method: "POST", body: "oi" });
    expect(posted.status).toBe(201);
    await subscriber.expect("32 0e 00 08 'praça/1' 00 01 'oi'");
    subscriber.send(publishPacket("praça/1", "olá", 5));
    const packets = [await subscriber.takePacket(), await subscriber.takePacket()];
    expect(packets.map((packet) => packet[0]).sort()).toEqual([0x32, 0x40]);
    const history = await fetch(`${node.url}/topics/${topic}/messages`);
    const { messages } = (await history.json()) as { messages: { payload: string }[] };
    expect(messages.map(({ payload }) => payload)).toEqual(["oi", "olá"]);
  });

  it("clients are listed and can be disconnected", async () => {
    const client = await RawClient.connected(node.mqttPort, "me");
    client.send(subscribePacket(1, 1, "a"));
    await client.expect("90 03 00 01 01");
    const listed = await (await fetch(`${node.url}/clients`)).text();
    expect(listed).toContain('"me"');
    const kicked = await fetch(`${node.url}/clients/me`, { method: "DELETE" });
    expect(kicked.status).toBe(204);
    await client.expectClosed();
  });
});

it("retained messages of a client with many filters: those that match, each once", async () => {
  const publisher = await RawClient.connected(node.mqttPort, "publisher");
  for (const [index, topic] of ["m/1/x", "m/2/y", "other/1", "m/39"].entries()) {
    publisher.send(publishPacket(topic, topic, index + 1, 1));
    await publisher.expect(Buffer.from([0x40, 2, 0, index + 1]));
  }
  const subscriber = await RawClient.connected(node.mqttPort, "subscriber");
  subscriber.send(subscribePacket(1, 0, ...Array.from({ length: 40 }, (_, i) => `m/${i}/#`), "m/+/x"));
  expect((await subscriber.takePacket())[0]).toBe(0x90);
  await subscriber.expect(
    "31 0c 00 05 'm/1/x' 'm/1/x' 31 0c 00 05 'm/2/y' 'm/2/y' 31 0a 00 04 'm/39' 'm/39'",
  );
  await subscriber.expectNothing();
});

it("what was acknowledged and retained is there after a restart", async () => {
  const publisher = await RawClient.connected(node.mqttPort, "publisher");
  publisher.send(publishPacket("state", "on", 1, 1));
  await publisher.expect("40 02 00 01");
  await node.stop();
  await publisher.expectClosed();
  const { dataDir } = node;
  node = await startTestNode({ dataDir });
  const late = await RawClient.connected(node.mqttPort, "late");
  late.send(subscribePacket(1, 1, "state"));
  await late.expect("90 03 00 01 01 33 0b 00 05 'state' 00 01 'on'");
});

it("a node that stops has told the group: wills are published, sessions go on where they stood, nothing counts as connected", async () => {
  const kept = { ...KEPT, flags: 0x24, rest: "00 00 04 'will' 00 01 'w'" };
  const client = await connected(node.mqttPort, "me", kept);
  await subscribe(client, "a", 1);
  const publisher = await connected(node.mqttPort, "publisher");
  await publish(publisher, "a", "one");
  await client.expect(v5.publishPacket("a", "one", { id: 1 }));
  await node.stop();
  await client.expect("e0 01 8b");
  await client.expectClosed();
  const { dataDir } = node;
  node = await startTestNode({ dataDir });
  const again = await RawClient.open(node.mqttPort);
  again.send(connectPacket("me", KEPT));
  await again.expect(connack(1));
  await again.expect(v5.publishPacket("a", "one", { id: 1, dup: true }));
  await subscribe(again, "will", 0);
  await again.expect(v5.publishPacket("will", "w", { retain: true }));
});

it("MQTT.js 5.0: QoS 2 through a session that is broken off again and again, every message once and in order", async () => {
  const url = `mqtt://127.0.0.1:${node.mqttPort}`;
  const subscriber = mqtt.connect(url, {
    protocolVersion: 5,
    clientId: "subscriber",
    clean: false,
    reconnectPeriod: 5,
    resubscribe: false,
    properties: { sessionExpiryInterval: 60 },
  });
  const received: string[] = [];
  await subscriber.subscribeAsync("n", { qos: 2 });
  const total = 500;
  const all = new Promise<void>((resolve) => {
    subscriber.on("message", (_topic, payload) => {
      received.push(payload.toString());
      if (received.length % 150 === 0) subscriber.stream.destroy();
      if (received.length === total) resolve();
    });
  });
  const publisher = await mqtt.connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 });
  await Promise.all(Array.from({ length: total }, (_, i) => publisher.publishAsync("n", `${i}`, { qos: 2 })));
  await all;
  expect(received).toEqual(Array.from({ length: total }, (_, i) => `${i}`));
  await Promise.all([subscriber, publisher].map((client) => client.endAsync(true)));
});

it("MQTT.js: many publishers, one subscriber, nothing lost, order kept per publisher", async () => {
  const url = `mqtt://127.0.0.1:${node.mqttPort}`;
  const options = { protocolVersion: 4, reconnectPeriod: 0 } as const;
  const subscriber = await mqtt.connectAsync(url, options);
  const received: string[] = [];
  const publishers = 5;
  const each = 1_000;
  const all = new Promise<void>((resolve) => {
    subscriber.on("message", (topic, payload) => {
      received.push(`${topic} ${payload.toString()}`);
      if (received.length === publishers * each) resolve();
    });
  });
  await subscriber.subscribeAsync("from/+", { qos: 1 });
  const clients = await Promise.all(
    Array.from({ length: publishers }, () => mqtt.connectAsync(url, options)),
  );
  await Promise.all(
    clients.flatMap((client, p) =>
      Array.from({ length: each }, (_, i) => client.publishAsync(`from/${p}`, `${i}`, { qos: 1 })),
    ),
  );
  await all;
  for (let p = 0; p < publishers; p += 1) {
    const mine = received.filter((line) => line.startsWith(`from/${p} `));
    expect(mine).toEqual(Array.from({ length: each }, (_, i) => `from/${p} ${i}`));
  }
  await Promise.all([subscriber, ...clients].map((client) => client.endAsync(true)));
});
