/** A client of others: MQTT.js, as applications use it. */
import mqtt, { type MqttClient } from "mqtt";
import { afterEach, beforeEach, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";

let server: TestEdge;
let clients: MqttClient[];
beforeEach(async () => {
  server = await startEdge();
  clients = [];
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  await server.close();
});

async function open(options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.port}`, {
    protocolVersion: 4,
    reconnectPeriod: 0,
    ...options,
  });
  clients.push(client);
  return client;
}

interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
}

function collect(client: MqttClient): Received[] {
  const received: Received[] = [];
  client.on("message", (topic, payload, { qos, retain }) => {
    received.push({ topic, payload: payload.toString(), qos, retain });
  });
  return received;
}

it("publishes and subscribes at QoS 0 and 1, with wildcards", async () => {
  const subscriber = await open();
  const received = collect(subscriber);
  await subscriber.subscribeAsync({ "praça/+": { qos: 1 }, "q0/#": { qos: 0 } });
  const publisher = await open();
  await publisher.publishAsync("praça/1", "oi", { qos: 1 });
  await publisher.publishAsync("q0/a/b", "zero", { qos: 1 });
  await publisher.publishAsync("praça/1/2", "nobody", { qos: 1 });
  await until(() => received.length === 2);
  expect(received).toEqual([
    { topic: "praça/1", payload: "oi", qos: 1, retain: false },
    { topic: "q0/a/b", payload: "zero", qos: 0, retain: false },
  ]);
});

it("is granted QoS 2", async () => {
  const client = await open();
  const [granted] = await client.subscribeAsync("a", { qos: 2 });
  expect(granted?.qos).toBe(2);
});

it("ten thousand messages at QoS 1, through the window, none lost, none twice", async () => {
  const subscriber = await open();
  const received = collect(subscriber);
  await subscriber.subscribeAsync("n", { qos: 1 });
  const publisher = await open();
  const count = 10_000;
  await Promise.all(Array.from({ length: count }, (_, i) => publisher.publishAsync("n", `${i}`, { qos: 1 })));
  await until(() => received.length >= count);
  expect(received.map(({ payload }) => payload)).toEqual(Array.from({ length: count }, (_, i) => `${i}`));
});

it("gets retained messages and can delete them", async () => {
  const publisher = await open();
  await publisher.publishAsync("state", "on", { qos: 1, retain: true });
  const late = await open();
  const received = collect(late);
  await late.subscribeAsync("state", { qos: 1 });
  await until(() => received.length === 1);
  expect(received).toEqual([{ topic: "state", payload: "on", qos: 1, retain: true }]);
  await publisher.publishAsync("state", "", { qos: 1, retain: true });
  const later = await open();
  const nothing = collect(later);
  await later.subscribeAsync("state", { qos: 1 });
  await later.unsubscribeAsync("state");
  expect(nothing).toEqual([]);
});

it("leaves a will behind when its connection breaks", async () => {
  const watcher = await open();
  const received = collect(watcher);
  await watcher.subscribeAsync("will", { qos: 1 });
  const mortal = await open({ will: { topic: "will", payload: Buffer.from("gone"), qos: 1, retain: false } });
  mortal.stream.destroy();
  await until(() => received.length === 1);
  expect(received).toEqual([{ topic: "will", payload: "gone", qos: 1, retain: false }]);
});
