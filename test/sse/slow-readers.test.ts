/** Readers that do not read: what waits for them is bounded, nobody else waits, and who reads on gets everything. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PublishCommand } from "../../src/commands/command.js";
import type { SubscribeRequest, SubscriberSink, Subscription } from "../../src/topics/subscriber.js";
import { type HttpHost, HttpTestBroker, startHttpHost } from "../support/http-edge-host.js";
import { RawConnection } from "../support/raw-http.js";
import { StreamClient } from "../support/stream-client.js";

/** Lets a test see the sinks of the edge. */
class WatchedBroker extends HttpTestBroker {
  readonly sinks: SubscriberSink[] = [];

  override subscribe(request: SubscribeRequest): Subscription {
    this.sinks.push(request.sink);
    return super.subscribe(request);
  }
}

const broker = new WatchedBroker();
let host: HttpHost;
beforeAll(async () => {
  host = await startHttpHost({}, broker);
});
afterAll(() => host.close());

const BYTES = 16 * 1024;

function command(topic: string, number: number): PublishCommand {
  const payload = Buffer.alloc(BYTES, "x");
  payload.write(`${number} `);
  const message = {
    payload,
    contentType: "",
    qos: 1,
    retain: false,
    expiresAtMs: 0,
    properties: new Uint8Array(0),
  } as const;
  return {
    kind: "publish",
    topic,
    messages: [message],
    autoCreate: true,
    idempotency: null,
    publisher: 0,
    receipt: null,
  };
}

/** A stream whose socket is not read. */
async function stalled(topic: string): Promise<RawConnection> {
  const raw = await RawConnection.open(host.port);
  raw.sendHead(`GET /topics/${topic}/stream HTTP/1.1`, "Host: x");
  await raw.until((text) => text.includes("retry:"));
  raw.socket.pause();
  return raw;
}

describe("a reader that does not read", () => {
  it("holds back a bounded number of bytes, and another reader not at all", async () => {
    const slow = await stalled("stall");
    const quick = await StreamClient.open(`${host.url}/topics/stall/stream`);
    const [slowSink] = broker.sinks.splice(0);
    for (let i = 0; i < 1_000; i += 1) await broker.perform(command("stall", i));
    await quick.count(1_000);
    expect(slowSink?.isWritable()).toBe(false);
    const view = host.edge.clients()[0]?.view();
    expect(view?.behind).toBe(true);
    expect(view?.lag).toBeGreaterThan(0);
    for (let i = 0; i < 100; i += 1) await broker.perform(command("stall", i));
    await quick.count(1_100);
    const later = host.edge.clients()[0]?.view();
    expect(later?.lag).toBe((view?.lag ?? 0) + 100);
    quick.close();
    slow.close();
  });

  it("that reads on gets everything, in order, once", async () => {
    const slow = await stalled("resume");
    for (let i = 0; i < 800; i += 1) await broker.perform(command("resume", i));
    slow.socket.resume();
    await slow.untilLength(800 * BYTES);
    const text = await slow.until((received) => received.includes("data: 799 "));
    const numbers = [...text.matchAll(/data: (\d+) x/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(Array.from({ length: 800 }, (_, i) => i));
    slow.close();
  });

  it("gets no comment on top of what already waits", async () => {
    const slow = await stalled("comment");
    for (let i = 0; i < 600; i += 1) await broker.perform(command("comment", i));
    const sink = broker.sinks.at(-1) as SubscriberSink & { heartbeat(): void };
    sink.heartbeat();
    sink.heartbeat();
    slow.clear();
    slow.socket.resume();
    await slow.untilLength(500 * BYTES);
    const text = await slow.until((received) => received.includes("data: 599 "));
    expect(text).not.toContain(":\n\n\r\n");
    slow.close();
  });

  it("can be disconnected at once", async () => {
    const slow = await stalled("kick");
    for (let i = 0; i < 600; i += 1) await broker.perform(command("kick", i));
    const [client] = host.edge.clients().filter((one) => one.view().subscriptions.includes("kick"));
    expect(host.edge.kick(client!.id)).toBe(true);
    await expect.poll(() => host.edge.clients().some(({ id }) => id === client!.id)).toBe(false);
    slow.close();
  });
});

describe("a reader that does not read retained messages", () => {
  const BIG = 512 * 1024;

  async function retain(topic: string, text: string, bytes = BIG): Promise<void> {
    const body = text.padEnd(bytes, "x");
    await fetch(`${host.url}/topics/${encodeURIComponent(topic)}/messages?retain=true`, {
      method: "POST",
      body,
    });
  }

  it("holds back a bounded number of them; the rest is looked up when its turn comes, and live ones wait", async () => {
    for (let i = 10; i < 80; i += 1) await retain(`kept/${i}`, `first ${i} `);
    const raw = await RawConnection.open(host.port);
    broker.sinks.splice(0);
    raw.socket.pause();
    raw.sendHead("GET /topics/kept%2F%2B/stream?retained=true HTTP/1.1", "Host: x");
    await expect.poll(() => broker.sinks.length).toBeGreaterThan(0);
    const sink = broker.sinks.at(-1);
    await expect.poll(() => sink?.isWritable()).toBe(false);
    await retain("kept/78", "", 0);
    await retain("kept/79", "second 79 ", 100);
    raw.socket.resume();
    const text = await raw.untilLast("second 79 ");
    const seen = [...text.matchAll(/"payload":"(\w+ \d+) x/g)].map(([, words]) => words);
    const before = Array.from({ length: 68 }, (_, i) => `first ${i + 10}`);
    expect(seen).toEqual([...before, "second 79"]);
    raw.close();
  });

  it("of whom there are many: each page is read once and let go of", async () => {
    for (let i = 0; i < 600; i += 1) await retain(`few/${i}`, `${i} `, 4);
    const client = await StreamClient.open(`${host.url}/topics/few%2F%2B/stream?retained=true`);
    await client.count(600);
    await retain("few/0", "live ", 5);
    await client.count(601);
    const topics = client.data.map((data) => JSON.parse(data).topic);
    expect(topics).toEqual([...Array.from({ length: 600 }, (_, i) => `few/${i}`), "few/0"]);
    client.close();
  });
});

it("a stream whose history cannot be read is closed, and the log says why", async () => {
  const client = await StreamClient.open(`${host.url}/topics/broken/stream`);
  broker.sinks.at(-1)?.failed(new Error("disk"));
  await client.ended();
  expect(client.events).toEqual([]);
  expect(host.errors).toMatchObject([{ err: { message: "disk" } }]);
});
