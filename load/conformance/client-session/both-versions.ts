/** What an MQTT.js client may rely on in 3.1.1 and 5.0 alike. */
import { deepEqual, equal } from "node:assert/strict";
import type { IClientOptions } from "mqtt";
import { type Clients, publishAll } from "./clients.js";
import type { Specification } from "./specification.js";

/** A session that outlives its connection, in the terms of either version. */
export function kept({ version }: Clients): IClientOptions {
  return version === 5 ? { clean: false, properties: { sessionExpiryInterval: 3_600 } } : { clean: false };
}

const range = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => String(at));

async function qualities(clients: Clients): Promise<void> {
  const subscriber = await clients.open();
  const granted = await subscriber.mqtt.subscribeAsync({
    [clients.name("q0/#")]: { qos: 0 },
    [clients.name("q1/+")]: { qos: 1 },
    [clients.name("q2/+/c")]: { qos: 2 },
  });
  deepEqual(
    granted.map(({ qos }) => qos),
    [0, 1, 2],
  );
  const publisher = await clients.open();
  for (const qos of [0, 1, 2] as const) {
    await publisher.mqtt.publishAsync(clients.name("q0/a/b"), `0 from ${qos}`, { qos });
    await publisher.mqtt.publishAsync(clients.name("q1/praça"), `1 from ${qos}`, { qos });
    await publisher.mqtt.publishAsync(clients.name("q2/b/c"), `2 from ${qos}`, { qos });
    await publisher.mqtt.publishAsync(clients.name("q1/a/b"), "nobody", { qos });
  }
  await subscriber.message("2 from 2");
  deepEqual(
    subscriber.received.map(({ payload, qos }) => [payload, qos]),
    [
      ...[["0 from 0", 0] as const, ["1 from 0", 0] as const, ["2 from 0", 0] as const],
      ...[["0 from 1", 0] as const, ["1 from 1", 1] as const, ["2 from 1", 1] as const],
      ...[["0 from 2", 0] as const, ["1 from 2", 1] as const, ["2 from 2", 2] as const],
    ],
  );
}

async function thousand(clients: Clients, qos: 1 | 2): Promise<void> {
  const subscriber = await clients.open();
  await subscriber.mqtt.subscribeAsync(clients.name("n"), { qos });
  const publisher = await clients.open();
  const payloads = range(1_000);
  await publishAll(publisher, clients.name("n"), payloads, qos);
  await subscriber.messages(payloads.length);
  deepEqual(subscriber.payloads, payloads);
}

async function unsubscribing(clients: Clients): Promise<void> {
  const client = await clients.open();
  await client.mqtt.subscribeAsync([clients.name("gone"), clients.name("stays")], { qos: 1 });
  await client.mqtt.unsubscribeAsync(clients.name("gone"));
  await client.mqtt.publishAsync(clients.name("gone"), "unheard", { qos: 1 });
  await client.mqtt.publishAsync(clients.name("stays"), "heard", { qos: 1 });
  await client.message("heard");
  deepEqual(client.payloads, ["heard"]);
}

async function retained(clients: Clients): Promise<void> {
  const publisher = await clients.open();
  const [topic, end] = [clients.name("state"), clients.name("end")];
  await publisher.mqtt.publishAsync(topic, "off", { qos: 1, retain: true });
  await publisher.mqtt.publishAsync(topic, "on", { qos: 2, retain: true });
  const late = await clients.open();
  await late.mqtt.subscribeAsync(topic, { qos: 2 });
  const { retain, qos } = await late.message("on");
  deepEqual({ retain, qos }, { retain: true, qos: 2 });
  await publisher.mqtt.publishAsync(topic, "live", { qos: 1, retain: true });
  equal((await late.message("live")).retain, false);
  await publisher.mqtt.publishAsync(topic, "", { qos: 1, retain: true });
  const later = await clients.open();
  await later.mqtt.subscribeAsync([topic, end], { qos: 1 });
  await publisher.mqtt.publishAsync(end, "end", { qos: 1 });
  await later.message("end");
  deepEqual(later.payloads, ["end"]);
}

async function wills(clients: Clients): Promise<void> {
  const topic = clients.name("will");
  const watcher = await clients.open();
  await watcher.mqtt.subscribeAsync(topic, { qos: 2 });
  const will = (payload: string): IClientOptions["will"] => ({
    ...{ topic, payload: Buffer.from(payload), qos: 2, retain: false },
  });
  const polite = await clients.open({ will: will("said goodbye") });
  await polite.mqtt.endAsync();
  const broken = await clients.open({ will: will("broke off") });
  broken.breakOff();
  const { qos } = await watcher.message("broke off");
  equal(qos, 2);
  deepEqual(watcher.payloads, ["broke off"]);
}

async function keptSession(clients: Clients): Promise<void> {
  const clientId = clients.name("sleeper");
  const [one, two] = [clients.name("one"), clients.name("two")];
  const before = await clients.open({ clientId, ...kept(clients) });
  equal(before.connack.sessionPresent, false);
  await before.mqtt.subscribeAsync({ [one]: { qos: 1 }, [two]: { qos: 2 } });
  await before.mqtt.endAsync();
  const publisher = await clients.open();
  const payloads = range(50);
  for (const payload of payloads) {
    await publisher.mqtt.publishAsync(Number(payload) % 2 === 0 ? one : two, payload, { qos: 2 });
  }
  const after = await clients.open({ clientId, ...kept(clients) });
  equal(after.connack.sessionPresent, true);
  await after.messages(payloads.length);
  await publisher.mqtt.publishAsync(one, "live", { qos: 1 });
  await after.message("live");
  // Order is a topic's own (MQTT-4.6.0-6).
  const inOrder = (topic: string): readonly string[] =>
    after.received.filter((received) => received.topic === topic).map(({ payload }) => payload);
  const isEven = (payload: string): boolean => Number(payload) % 2 === 0;
  deepEqual(inOrder(one), [...payloads.filter(isEven), "live"]);
  deepEqual(
    inOrder(two),
    payloads.filter((payload) => !isEven(payload)),
  );
  await after.mqtt.endAsync();
  const clean = await clients.open({ clientId, clean: true });
  equal(clean.connack.sessionPresent, false);
}

/** The client keeps its store: what it had not got acknowledged it sends again, and nothing comes twice at QoS 2. */
async function reconnecting(clients: Clients): Promise<void> {
  const topic = clients.name("store");
  const subscriber = await clients.open();
  await subscriber.mqtt.subscribeAsync(topic, { qos: 2 });
  const clientId = clients.name("publisher");
  const publisher = clients.start({ clientId, ...kept(clients), reconnectPeriod: 20 });
  await publisher.connected(1);
  const payloads = range(300);
  const published = publishAll(publisher, topic, payloads, 2);
  await subscriber.messages(20);
  publisher.breakOff();
  await publisher.connected(2);
  await published;
  await subscriber.messages(payloads.length);
  equal(publisher.connack.sessionPresent, true);
  deepEqual([...subscriber.payloads].sort(), [...payloads].sort());
}

/** A subscriber that breaks off again and again hears everything once. */
async function breakingSubscriber(clients: Clients): Promise<void> {
  const topic = clients.name("resumed");
  const clientId = clients.name("subscriber");
  const subscriber = clients.start({ clientId, ...kept(clients), reconnectPeriod: 20, resubscribe: false });
  await subscriber.connected(1);
  await subscriber.mqtt.subscribeAsync(topic, { qos: 2 });
  const publisher = await clients.open();
  const payloads = range(300);
  const published = publishAll(publisher, topic, payloads, 2);
  for (let time = 1; time <= 3; time++) {
    await subscriber.messages(time * 50);
    subscriber.breakOff();
    await subscriber.connected(time + 1);
    equal(subscriber.connack.sessionPresent, true);
  }
  await published;
  await subscriber.messages(payloads.length);
  deepEqual(subscriber.payloads, payloads);
}

async function takeover(clients: Clients): Promise<void> {
  const clientId = clients.name("only one");
  const first = await clients.open({ clientId, ...kept(clients) });
  await first.mqtt.subscribeAsync(clients.name("taken"), { qos: 1 });
  const closed = new Promise<void>((resolve) => first.mqtt.once("close", () => resolve()));
  const second = await clients.open({ clientId, ...kept(clients) });
  equal(second.connack.sessionPresent, true);
  await closed;
  await second.mqtt.publishAsync(clients.name("taken"), "to the second", { qos: 1 });
  await second.message("to the second");
  deepEqual(first.payloads, []);
}

export const BOTH_VERSIONS: readonly Specification[] = [
  { name: "publishes and subscribes at every QoS, with wildcards", run: qualities },
  { name: "a thousand messages at QoS 1, in order", run: (clients) => thousand(clients, 1) },
  { name: "a thousand messages at QoS 2, in order, none twice", run: (clients) => thousand(clients, 2) },
  { name: "unsubscribes", run: unsubscribing },
  { name: "gets retained messages and can delete them", run: retained },
  { name: "leaves a will when its connection breaks, and none when it says goodbye", run: wills },
  { name: "finds its session again, with what was published meanwhile", run: keptSession },
  { name: "with a store publishes at QoS 2 once through a broken connection", run: reconnecting },
  { name: "subscribed at QoS 2 hears everything once through broken connections", run: breakingSubscriber },
  { name: "with the identifier of another takes its place", run: takeover },
];
