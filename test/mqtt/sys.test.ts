/** `$SYS/broker/...` as clients get it: names and values, options of MQTT 5, kept sessions, what may not be published. */
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { startTestNode, type TestNode } from "../support/test-node.js";
import { until } from "./support/edge.js";

const SYS_INTERVAL_MS = 40;

let node: TestNode;
let clients: MqttClient[];
beforeEach(async () => {
  node = await startTestNode({ sysIntervalMs: SYS_INTERVAL_MS });
  clients = [];
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  await node.close();
});

interface Watcher {
  readonly client: MqttClient;
  readonly packets: IPublishPacket[];
  /** The newest value of each topic. */
  readonly values: Map<string, string>;
}

async function open(options: IClientOptions = {}): Promise<Watcher> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${node.mqttPort}`, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    ...options,
  });
  clients.push(client);
  const packets: IPublishPacket[] = [];
  const values = new Map<string, string>();
  client.on("message", (topic, payload, packet) => {
    packets.push(packet);
    values.set(topic.replace("$SYS/broker/", ""), payload.toString());
  });
  await new Promise((resolve, reject) => client.once("connect", resolve).once("error", reject));
  return { client, packets, values };
}

describe("the topics", () => {
  it("say what there is", async () => {
    const { client, values } = await open();
    await client.subscribeAsync({ "$SYS/#": { qos: 2 }, "other/#": { qos: 0 }, "$share/s/c": { qos: 1 } });
    const kept = await open({ clientId: "kept", properties: { sessionExpiryInterval: 60 } });
    await kept.client.subscribeAsync({ a: { qos: 1 }, b: { qos: 1 } });
    await kept.client.endAsync();
    const publisher = await open();
    await publisher.client.publishAsync("a", "12345", { qos: 1, retain: true });
    await publisher.client.publishAsync("a", "123", { qos: 0 });
    const expected = {
      version: expect.stringMatching(/^jangada version \d+\.\d+\.\d+/),
      uptime: expect.stringMatching(/^\d+ seconds$/),
      "clients/connected": "2",
      "clients/disconnected": "1",
      "clients/total": "3",
      "clients/maximum": "2",
      "subscriptions/count": "5",
      "shared_subscriptions/count": "1",
      "retained messages/count": "1",
      "messages/stored": "2",
      "store/messages/count": "2",
      "store/messages/bytes": "8",
      "messages/received": "2",
      "publish/messages/received": "2",
      "publish/messages/dropped": "0",
      "publish/bytes/received": "8",
    };
    await until(() => values.get("messages/received") === "2" && values.get("clients/connected") === "2");
    await until(() => values.get("store/messages/count") === "2");
    expect(Object.fromEntries([...values].filter(([name]) => name in expected))).toEqual(expected);
    for (const name of [
      "publish/messages/sent",
      "publish/bytes/sent",
      "bytes/received",
      "bytes/sent",
      "heap/current",
    ]) {
      expect([name, Number(values.get(name)) > 0]).toEqual([name, true]);
    }
    for (const name of ["publish/messages/received", "bytes/sent", "connections"]) {
      for (const span of ["1min", "5min", "15min"]) {
        expect(values.get(`load/${name}/${span}`)).toMatch(/^\d+\.\d\d$/);
      }
    }
  });

  test.each(["#", "+/broker/uptime", "+/+/uptime"])("do not match %s (MQTT-4.7.2-1)", async (filter) => {
    const { client, packets } = await open();
    await client.subscribeAsync([filter, "$SYS/broker/version"]);
    await until(() => packets.length > 0);
    await client.publishAsync("own", "x", { qos: 1 });
    expect(packets.filter(({ topic }) => topic.startsWith("$")).map(({ topic }) => topic)).toEqual([
      "$SYS/broker/version",
    ]);
  });

  it("are no topics of the group: history, streams and lists do not have them", async () => {
    const { client, packets } = await open();
    await client.subscribeAsync("$SYS/#");
    await until(() => packets.length > 0);
    const { topics } = (await (await fetch(`${node.url}/topics`)).json()) as { topics: unknown[] };
    expect(topics).toEqual([]);
    expect(
      (await fetch(`${node.url}/topics/${encodeURIComponent("$SYS/broker/uptime")}/retained`)).status,
    ).toBe(400);
  });
});

describe("a subscription", () => {
  it("gets present values as retained ones, later ones without RETAIN, all at QoS 0", async () => {
    const { client, packets } = await open();
    await client.subscribeAsync("$SYS/broker/+/messages/received", { qos: 2 });
    await until(() => packets.length === 1);
    const publisher = await open();
    await publisher.client.publishAsync("a", "x", { qos: 1 });
    await until(() => packets.length === 2);
    expect(packets.map(({ retain, qos, payload }) => [retain, qos, payload.toString()])).toEqual([
      [true, 0, "0"],
      [false, 0, "1"],
    ]);
  });

  it("may have RETAIN as published, and its identifier in every packet", async () => {
    const { client, packets } = await open();
    await client.subscribeAsync("$SYS/broker/bytes/sent", {
      qos: 0,
      rap: true,
      properties: { subscriptionIdentifier: 77 },
    });
    await until(() => packets.length >= 2);
    expect(packets.map(({ retain, properties }) => [retain, properties?.subscriptionIdentifier])).toEqual(
      packets.map(() => [true, 77]),
    );
  });

  it("gets nothing at once where that was not asked for (MQTT-3.3.1-10, 3.3.1-11)", async () => {
    const { client, packets } = await open();
    const topic = "$SYS/broker/version";
    await client.subscribeAsync(topic, { qos: 0, rh: 2 });
    await client.subscribeAsync(topic, { qos: 0, rh: 1 });
    await client.publishAsync("a", "x", { qos: 1 });
    expect(packets).toEqual([]);
    await client.subscribeAsync(topic, { qos: 0, rh: 0 });
    await until(() => packets.length === 1);
    await client.unsubscribeAsync(topic);
    await client.subscribeAsync(topic, { qos: 0, rh: 1 });
    await until(() => packets.length === 2);
  });

  it("that is ended gets nothing more", async () => {
    const { client, packets } = await open();
    await client.subscribeAsync("$SYS/broker/bytes/sent");
    await until(() => packets.length >= 2);
    await client.unsubscribeAsync("$SYS/broker/bytes/sent");
    const count = packets.length;
    const other = await open();
    await other.client.subscribeAsync("$SYS/broker/bytes/sent");
    await until(() => other.packets.length >= 3);
    expect(packets.length).toBe(count);
  });

  it("of a share gets nothing", async () => {
    const { client, packets } = await open();
    await client.subscribeAsync("$share/s/$SYS/#");
    const other = await open();
    await other.client.subscribeAsync("$SYS/broker/bytes/sent");
    await until(() => other.packets.length >= 3);
    expect(packets).toEqual([]);
  });

  it("of MQTT 3.1.1 works as well", async () => {
    const { client, packets } = await open({ protocolVersion: 4 });
    await client.subscribeAsync("$SYS/broker/version", { qos: 1 });
    await until(() => packets.length === 1);
    expect(packets[0]).toMatchObject({ topic: "$SYS/broker/version", qos: 0, retain: true });
  });
});

describe("a session that is kept", () => {
  const options: IClientOptions = {
    clientId: "keeper",
    clean: false,
    properties: { sessionExpiryInterval: 60 },
  };

  it("gets them as long as it is connected, and goes on when it is again, with nothing stored", async () => {
    const first = await open(options);
    await first.client.subscribeAsync("$SYS/broker/bytes/sent", { qos: 1 });
    await until(() => first.packets.length >= 2);
    expect(first.packets[0]).toMatchObject({ retain: true, qos: 0 });
    await first.client.endAsync();
    const again = await open(options);
    await until(() => again.packets.length >= 2);
    expect(again.packets.every(({ retain, qos }) => !retain && qos === 0)).toBe(true);
    await again.client.unsubscribeAsync("$SYS/broker/bytes/sent");
    const count = again.packets.length;
    const other = await open();
    await other.client.subscribeAsync("$SYS/broker/bytes/sent");
    await until(() => other.packets.length >= 3);
    expect(again.packets.length).toBe(count);
  });

  it("is not told the present values again by a subscription that it had", async () => {
    const { client, packets } = await open(options);
    const topic = "$SYS/broker/version";
    await client.subscribeAsync(topic, { qos: 0, rh: 1 });
    await until(() => packets.length === 1);
    await client.subscribeAsync(topic, { qos: 0, rh: 1 });
    await client.publishAsync("a", "x", { qos: 1 });
    expect(packets.length).toBe(1);
  });
});

describe("publishing there", () => {
  it("is refused, in MQTT 5 with a reason", async () => {
    const { client } = await open();
    await expect(client.publishAsync("$SYS/broker/uptime", "0", { qos: 1 })).rejects.toMatchObject({
      code: 0x90,
    });
  });

  it("changes nothing for who watches", async () => {
    const { client, packets } = await open();
    await client.subscribeAsync("$SYS/broker/version");
    await until(() => packets.length === 1);
    const other = await open({ protocolVersion: 4 });
    await other.client.publishAsync("$SYS/broker/version", "mine", { qos: 1, retain: true });
    const late = await open();
    await late.client.subscribeAsync("$SYS/broker/version");
    await until(() => late.packets.length === 1);
    expect(late.values.get("version")).toMatch(/^jangada/);
    expect(packets.length).toBe(1);
  });
});

it("with --sys-interval 0 there are none", async () => {
  const quiet = await startTestNode({ sysIntervalMs: 0 });
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${quiet.mqttPort}`);
  const received: string[] = [];
  client.on("message", (topic) => received.push(topic));
  await client.subscribeAsync(["$SYS/#", "end"]);
  await client.publishAsync("end", "x");
  await until(() => received.length > 0);
  expect(received).toEqual(["end"]);
  await client.endAsync();
  await quiet.close();
});
