/** A session that is away, on a whole node whose retention is short: what it needs is held back, up to the cap, and past it it is told. */
import mqtt, { type IConnackPacket, type IPublishPacket, type MqttClient } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { startTestNode, type TestNode } from "../support/test-node.js";

const PAYLOAD = "p".repeat(16 * 1024);

let node: TestNode;
afterEach(() => node.close());

/** Retention has its first round when a node starts. */
async function restart(overrides: Parameters<typeof startTestNode>[0]): Promise<void> {
  const { dataDir } = node;
  await node.stop();
  node = await startTestNode({ ...overrides, dataDir });
}

function connect(clientId: string, clean: boolean): MqttClient {
  return mqtt.connect(`mqtt://127.0.0.1:${node.mqttPort}`, {
    protocolVersion: 5,
    clientId,
    clean,
    reconnectPeriod: 0,
    ...(!clean && { properties: { sessionExpiryInterval: 3_600 } }),
  });
}

/** A session with a subscription, which is not connected any more. */
async function away(clientId: string, filter: string): Promise<void> {
  const client = connect(clientId, false);
  await client.subscribeAsync(filter, { qos: 1 });
  await client.endAsync();
}

async function publish(messages: readonly (readonly [topic: string, payload: string])[]): Promise<void> {
  const client = connect("publisher", true);
  await Promise.all(messages.map(([topic, payload]) => client.publishAsync(topic, payload, { qos: 1 })));
  await client.endAsync();
}

/** Comes back, and takes messages until the one that begins with `last`. */
async function comeBack(clientId: string, last: string): Promise<{ lost: number; received: string[] }> {
  const client = connect(clientId, false);
  const received: string[] = [];
  const connack = new Promise<IConnackPacket>((resolve) => client.once("connect", resolve));
  await new Promise<void>((resolve) => {
    client.on("message", (topic, payload, _packet: IPublishPacket) => {
      const name = payload.toString().split(" ")[0] ?? "";
      received.push(`${topic} ${name}`);
      if (name === last) resolve();
    });
  });
  const { userProperties } = (await connack).properties ?? {};
  await client.endAsync();
  return { lost: Number(userProperties?.["jangada-lost"] ?? 0), received };
}

async function kept(topic: string): Promise<number> {
  const history = await fetch(`${node.url}/topics/${encodeURIComponent(topic)}/messages?limit=1000`);
  return ((await history.json()) as { messages: unknown[] }).messages.length;
}

async function lostInMetrics(): Promise<number> {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  return Number(/^jangada_session_messages_lost_total (\S+)$/m.exec(text)?.[1]);
}

describe("what is too old for its topic", () => {
  const short = { retentionAgeMs: 1 };

  it("stays as long as a session that is away needs it, and goes when it has got it", async () => {
    node = await startTestNode();
    await away("me", "a/+");
    await publish([
      ["a/1", "1"],
      ["b", "2"],
      ["a/2", "3"],
    ]);
    await restart(short);
    expect([await kept("a/1"), await kept("a/2"), await kept("b")]).toEqual([1, 1, 0]);
    await restart(short);
    expect(await comeBack("me", "3")).toEqual({ lost: 0, received: ["a/1 1", "a/2 3"] });
    expect(await lostInMetrics()).toBe(0);
    await restart(short);
    expect([await kept("a/1"), await kept("a/2")]).toEqual([0, 0]);
  });

  it("goes when the session is forgotten", async () => {
    node = await startTestNode();
    await away("me", "a");
    await publish([["a", "1"]]);
    const forgotten = connect("me", true);
    await new Promise((resolve) => forgotten.once("connect", resolve));
    await forgotten.endAsync();
    await restart(short);
    expect(await kept("a")).toBe(0);
  });
});

describe("what is too much for the node", () => {
  const small = { messageSegmentBytes: 200_000, retentionBytes: 500_000 };
  const names = Array.from({ length: 200 }, (_, i) => `n${i}`);
  const messages = names.map((name) => ["a", `${name} ${PAYLOAD}`] as const);

  it("stays within the cap for sessions, and all of it comes", async () => {
    node = await startTestNode(small);
    await away("me", "a");
    await publish(messages);
    await restart({ ...small, sessionBacklogBytes: 10_000_000 });
    const { lost, received } = await comeBack("me", "n199");
    expect(lost).toBe(0);
    expect(received).toEqual(names.map((name) => `a ${name}`));
    expect(await lostInMetrics()).toBe(0);
  });

  it("goes past the cap, oldest first: the session is told, the loss is counted, the rest comes in order", async () => {
    node = await startTestNode(small);
    await away("me", "a");
    await publish(messages);
    await restart({ ...small, sessionBacklogBytes: 1_000_000 });
    const counted = await lostInMetrics();
    const { lost, received } = await comeBack("me", "n199");
    const missing = names.length - received.length;
    expect(received).toEqual(names.slice(missing).map((name) => `a ${name}`));
    expect(missing).toBeGreaterThan(0);
    expect(lost).toBeGreaterThanOrEqual(missing);
    expect(counted).toBeGreaterThanOrEqual(missing);
    expect(counted).toBeLessThan(names.length);
    // The cap is used: more than the node's own limit is still there.
    expect(received.length * PAYLOAD.length).toBeGreaterThan(small.retentionBytes);
  });
});
