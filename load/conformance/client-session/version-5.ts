/** What an MQTT.js client may rely on in 5.0 besides. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { IDisconnectPacket, IPublishPacket, Packet } from "mqtt";
import { type Clients, eventually, publishAll } from "./clients.js";
import type { Specification } from "./specification.js";

const SESSION_TAKEN_OVER = 0x8e;
const NO_SUBSCRIPTION_EXISTED = 0x11;
/** Longer than the shortest delay and expiry, which are of a second. */
const AFTER_A_SECOND_MS = 2_500;

async function assignedId(clients: Clients): Promise<void> {
  const client = await clients.open({ clientId: "" });
  const assigned = client.connack.properties?.assignedClientIdentifier ?? "";
  match(assigned, /^.+$/);
  const other = await clients.open({ clientId: "" });
  ok(other.connack.properties?.assignedClientIdentifier !== assigned);
}

async function properties(clients: Clients): Promise<void> {
  const topic = clients.name("properties");
  const client = await clients.open();
  await client.mqtt.subscribeAsync(topic, { qos: 2 });
  const sent: NonNullable<IPublishPacket["properties"]> = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 1_000,
    contentType: "text/plain; charset=utf-8",
    responseTopic: clients.name("answers"),
    correlationData: Buffer.from([0, 1, 255]),
    userProperties: { a: "2", c: ["3", "4"], ação: "ü" },
  };
  for (const qos of [0, 1, 2] as const) {
    await client.mqtt.publishAsync(topic, `at ${qos}`, { qos, properties: sent });
    const received = { ...(await client.message(`at ${qos}`)).properties };
    const seconds = received.messageExpiryInterval ?? 0;
    ok(seconds > 900 && seconds <= 1_000, `expiry of ${seconds}`);
    // A null prototype is the client's own.
    const plain = { ...received, messageExpiryInterval: 1_000 };
    deepEqual(JSON.parse(JSON.stringify(plain)), JSON.parse(JSON.stringify(sent)));
  }
}

async function requestResponse(clients: Clients): Promise<void> {
  const [requests, answers] = [clients.name("requests"), clients.name("answers")];
  const responder = await clients.open();
  responder.mqtt.on("message", (_, payload, { properties: { responseTopic, correlationData } = {} }) => {
    if (responseTopic === undefined || correlationData === undefined) return;
    responder.mqtt.publish(responseTopic, `re: ${payload}`, { qos: 1, properties: { correlationData } });
  });
  await responder.mqtt.subscribeAsync(requests, { qos: 1 });
  const asker = await clients.open();
  await asker.mqtt.subscribeAsync(answers, { qos: 1 });
  for (const question of ["one", "two"]) {
    await asker.mqtt.publishAsync(requests, question, {
      qos: 1,
      properties: { responseTopic: answers, correlationData: Buffer.from(question) },
    });
  }
  for (const question of ["one", "two"]) {
    const answer = await asker.message(`re: ${question}`);
    equal(String(answer.properties.correlationData), question);
  }
}

async function identifiers(clients: Clients): Promise<void> {
  const client = await clients.open();
  const subscribe = (filter: string, subscriptionIdentifier: number): Promise<unknown> =>
    client.mqtt.subscribeAsync(clients.name(filter), { qos: 1, properties: { subscriptionIdentifier } });
  await subscribe("ids/+", 7);
  await subscribe("ids/a", 268_435_455);
  await client.mqtt.publishAsync(clients.name("ids/b"), "one", { qos: 1 });
  await client.mqtt.publishAsync(clients.name("ids/a"), "both", { qos: 1 });
  equal((await client.message("one")).properties.subscriptionIdentifier, 7);
  await client.message("both");
  const all = client.received.filter(({ payload }) => payload === "both");
  const found = all.flatMap(({ properties: { subscriptionIdentifier = [] } }) => subscriptionIdentifier);
  deepEqual(
    found.toSorted((one, other) => one - other),
    [7, 268_435_455],
  );
}

async function options(clients: Clients): Promise<void> {
  const [topic, state] = [clients.name("own"), clients.name("state")];
  const client = await clients.open();
  const other = await clients.open();
  await client.mqtt.subscribeAsync(topic, { qos: 1, nl: true, rap: true });
  await client.mqtt.publishAsync(topic, "own", { qos: 1 });
  await other.mqtt.publishAsync(topic, "others", { qos: 1, retain: true });
  equal((await client.message("others")).retain, true);
  deepEqual(client.payloads, ["others"]);
  await other.mqtt.publishAsync(state, "on", { qos: 1, retain: true });
  await client.mqtt.subscribeAsync(state, { qos: 1, rh: 2 });
  await client.mqtt.subscribeAsync(state, { qos: 1, rh: 1 });
  await other.mqtt.publishAsync(topic, "neither sent it", { qos: 1 });
  await client.message("neither sent it");
  deepEqual(client.payloads, ["others", "neither sent it"]);
  await client.mqtt.subscribeAsync(state, { qos: 1, rh: 0 });
  await client.message("on");
}

async function aliases(clients: Clients): Promise<void> {
  const topic = clients.name("a/rather/long/topic/name/that/is/worth/an/alias");
  const subscriber = await clients.open({ properties: { topicAliasMaximum: 5 } });
  await subscriber.mqtt.subscribeAsync(topic, { qos: 1 });
  const publisher = await clients.open({ autoAssignTopicAlias: true });
  ok((publisher.connack.properties?.topicAliasMaximum ?? 0) > 0, "the server takes no topic aliases");
  const names: string[] = [];
  publisher.mqtt.on("packetsend", (packet) => {
    if (packet.cmd === "publish") names.push(String(packet.topic));
  });
  const payloads = ["first", "second", "third"];
  for (const payload of payloads) await publisher.mqtt.publishAsync(topic, payload, { qos: 1 });
  await subscriber.message("third");
  deepEqual(subscriber.payloads, payloads);
  deepEqual(
    subscriber.received.map((received) => received.topic),
    payloads.map(() => topic),
  );
  deepEqual(names, [topic, "", ""]);
}

async function shared(clients: Clients): Promise<void> {
  const [filter, topic] = [`$share/group/${clients.name("work/#")}`, clients.name("work/a")];
  const members = [await clients.open(), await clients.open(), await clients.open()];
  for (const member of members) await member.mqtt.subscribeAsync(filter, { qos: 2 });
  const publisher = await clients.open();
  const payloads = Array.from({ length: 300 }, (_, at) => String(at));
  await publishAll(publisher, topic, payloads, 2);
  const heard = (): readonly string[] => members.flatMap((member) => member.payloads);
  await eventually(() => heard().length >= payloads.length, "all are heard");
  deepEqual(heard().toSorted(), payloads.toSorted());
  for (const member of members) ok(member.received.length >= 50, "a member got too little");
}

async function reasons(clients: Clients): Promise<void> {
  const clientId = clients.name("only one");
  const first = await clients.open({ clientId });
  const told = new Promise<IDisconnectPacket>((resolve) => first.mqtt.once("disconnect", resolve));
  const second = await clients.open({ clientId });
  equal((await told).reasonCode, SESSION_TAKEN_OVER);
  const answered = new Promise<Packet>((resolve) => second.mqtt.once("packetreceive", resolve));
  second.mqtt.unsubscribe(clients.name("never"));
  const packet = await answered;
  deepEqual(packet.cmd === "unsuback" ? packet.granted : packet.cmd, [NO_SUBSCRIPTION_EXISTED]);
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function sessionExpiry(clients: Clients): Promise<void> {
  const clientId = clients.name("short");
  const keep = { clientId, clean: false, properties: { sessionExpiryInterval: 1 } };
  const first = await clients.open(keep);
  await first.mqtt.endAsync();
  const second = await clients.open(keep);
  equal(second.connack.sessionPresent, true);
  await second.mqtt.endAsync();
  await rest(AFTER_A_SECOND_MS);
  const third = await clients.open(keep);
  equal(third.connack.sessionPresent, false);
}

async function messageExpiry(clients: Clients): Promise<void> {
  const clientId = clients.name("late");
  const topic = clients.name("expiring");
  const keep = { clientId, clean: false, properties: { sessionExpiryInterval: 3_600 } };
  const before = await clients.open(keep);
  await before.mqtt.subscribeAsync(topic, { qos: 1 });
  await before.mqtt.endAsync();
  const publisher = await clients.open();
  const publish = (payload: string, messageExpiryInterval: number): Promise<unknown> =>
    publisher.mqtt.publishAsync(topic, payload, { qos: 1, properties: { messageExpiryInterval } });
  await publish("expires", 1);
  await publish("lasts", 100);
  await rest(AFTER_A_SECOND_MS);
  const after = await clients.open(keep);
  const lasting = await after.message("lasts");
  ok((lasting.properties.messageExpiryInterval ?? 100) <= 98, "what is left of the expiry is not said");
  deepEqual(after.payloads, ["lasts"]);
}

async function willDelay(clients: Clients): Promise<void> {
  const topic = clients.name("will");
  const watcher = await clients.open();
  await watcher.mqtt.subscribeAsync(topic, { qos: 1 });
  const mortal = (clientId: string, payload: string, willDelayInterval: number) => ({
    ...{ clientId: clients.name(clientId), clean: false, properties: { sessionExpiryInterval: 60 } },
    will: {
      topic,
      payload: Buffer.from(payload),
      qos: 1 as const,
      retain: false,
      properties: { willDelayInterval },
    },
  });
  const returning = mortal("returning", "came back in time", 2);
  const [first, gone] = [await clients.open(returning), await clients.open(mortal("gone", "stayed away", 1))];
  first.breakOff();
  gone.breakOff();
  const brokenAt = performance.now();
  await clients.open({ ...returning, clientId: clients.name("returning") });
  await watcher.message("stayed away");
  ok(performance.now() - brokenAt > 900, "the will did not wait");
  await rest(AFTER_A_SECOND_MS);
  deepEqual(watcher.payloads, ["stayed away"]);
}

async function packetSize(clients: Clients): Promise<void> {
  const topic = clients.name("size");
  const client = await clients.open({ properties: { maximumPacketSize: 200 } });
  await client.mqtt.subscribeAsync(topic, { qos: 1 });
  const publisher = await clients.open();
  await publisher.mqtt.publishAsync(topic, "x".repeat(300), { qos: 1 });
  await publisher.mqtt.publishAsync(topic, "small", { qos: 1 });
  await client.message("small");
  deepEqual(client.payloads, ["small"]);
}

export const VERSION_5: readonly Specification[] = [
  { name: "is given an identifier when it has none", run: assignedId },
  { name: "gets every property of a message as it was sent", run: properties },
  { name: "asks and is answered", run: requestResponse },
  { name: "hears by which subscriptions a message came", run: identifiers },
  { name: "subscribes with No Local, Retain As Published, Retain Handling", run: options },
  { name: "uses topic aliases both ways", run: aliases },
  { name: "shares a subscription: each message to one member, all have their part", run: shared },
  { name: "is told reasons", run: reasons },
  { name: "loses its session when it expires, and not before", run: sessionExpiry },
  { name: "does not get expired messages, and is told what is left of the others", run: messageExpiry },
  { name: "with a will delay leaves no will when it returns in time", run: willDelay },
  { name: "gets no packet that is larger than it takes", run: packetSize },
];
