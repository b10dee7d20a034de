/**
 * A real browser on a page of another origin: its EventSource gets what is published over MQTT, what is posted reaches an
 * MQTT subscriber, and after the node was killed and started again the browser goes on by itself, nothing missed or doubled.
 */
import { execFile, spawn } from "node:child_process";
import type { Server as HttpServer } from "node:http";
import { promisify } from "node:util";
import mqtt from "mqtt";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HttpConnection, topicPath } from "../../load/lib/http-client.js";
import { findProgram } from "../../load/lib/paths.js";
import { type Server, startServer } from "../../load/lib/server.js";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";
import { launchBrowser, servePage } from "./support.js";

const TOPIC = "praça/1";
const RECONNECT_TIMEOUT_MS = 30_000;

/** What the page keeps in `window.received` for each event. */
interface Received {
  readonly id: string;
  readonly data: string;
}

declare global {
  var received: Received[];
  var opened: number;
}

const run = promisify(execFile);

/** QoS 1, with mosquitto_pub where it is installed. */
async function publishOverMqtt(server: Server, payload: string): Promise<void> {
  const { host, port } = server.mqtt;
  if (findProgram("mosquitto_pub") !== null) {
    await run("mosquitto_pub", ["-h", host, "-p", String(port), "-t", TOPIC, "-m", payload, "-q", "1"]);
    return;
  }
  const client = await mqtt.connectAsync(`mqtt://${host}:${port}`);
  await client.publishAsync(TOPIC, payload, { qos: 1 });
  await client.endAsync();
}

async function publishOverHttp(server: Server, payload: string): Promise<void> {
  const connection = new HttpConnection(server.http);
  const headers = { "content-type": "text/plain" };
  const answer = await connection.ask("POST", `${topicPath(TOPIC)}/messages`, payload, headers);
  connection.close();
  expect(answer.status).toBe(201);
}

/** Subscribes to `praça/#`, calls `publish` once that is granted, and gives the first payload that arrives. */
async function firstOverMqtt(server: Server, publish: () => Promise<void>): Promise<string> {
  const { host, port } = server.mqtt;
  if (findProgram("mosquitto_sub") === null || findProgram("stdbuf") === null) {
    const client = await mqtt.connectAsync(`mqtt://${host}:${port}`);
    const first = new Promise<string>((resolve) =>
      client.once("message", (_, payload) => resolve(String(payload))),
    );
    await client.subscribeAsync("praça/#");
    await publish();
    return first.finally(() => client.end(true));
  }
  // -d prints the SUBACK, after which a publish must arrive (at once: -oL, since it buffers what goes to a pipe);
  // -C 1 ends it with the first message.
  const args = ["-h", host, "-p", String(port), "-t", "praça/#", "-C", "1", "-W", "20", "-d", "-F", "got:%p"];
  const child = spawn("stdbuf", ["-oL", "mosquitto_sub", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const subscribed = new Promise<void>((resolve) => {
    child.stdout.on("data", (text: Buffer) => {
      output += text.toString("utf8");
      if (output.includes("SUBACK")) resolve();
    });
  });
  await Promise.race([subscribed, ended]);
  await publish();
  await ended;
  return /^got:(.*)$/m.exec(output)?.[1] ?? output;
}

/** Opens the stream in the page; resolves when the browser says that it is open. */
async function openEventSource(page: Page, server: Server): Promise<void> {
  const url = `http://${server.http.host}:${server.http.port}/topics/pra%C3%A7a%2F1/stream`;
  await page.evaluate((streamUrl) => {
    globalThis.received = [];
    globalThis.opened = 0;
    const source = new EventSource(streamUrl);
    source.onopen = () => {
      globalThis.opened += 1;
    };
    source.onmessage = (event) => {
      globalThis.received.push({ id: event.lastEventId, data: String(event.data) });
    };
  }, url);
  await page.waitForFunction(() => globalThis.opened === 1);
}

const receivedIn = (page: Page): Promise<Received[]> => page.evaluate(() => globalThis.received);

async function waitForCount(page: Page, count: number): Promise<void> {
  await page.waitForFunction((due) => globalThis.received.length >= due, count, {
    timeout: RECONNECT_TIMEOUT_MS,
  });
}

describe("a browser", () => {
  let server: Server | undefined;
  let pageServer: HttpServer | undefined;
  let context: BrowserContext | undefined;
  let flags: readonly string[] = [];
  const dataDir = temporaryDirectory("browser-data");
  const profileDir = temporaryDirectory("browser-profile");

  beforeAll(async () => {
    const served = await servePage();
    pageServer = served.server;
    flags = ["--cors-origins", served.origin];
    server = await startServer({ dataDir, flags });
    context = await launchBrowser(profileDir);
    const page = await context.newPage();
    await page.goto(served.origin);
    await openEventSource(page, server);
  });

  afterAll(async () => {
    await context?.close();
    await server?.child.stop("SIGKILL");
    pageServer?.closeAllConnections();
    pageServer?.close();
    removeDirectory(dataDir);
    removeDirectory(profileDir);
  });

  const started = (): { page: Page; server: Server } => {
    const page = context?.pages().at(-1);
    if (page === undefined || server === undefined) throw new Error("not started");
    return { page, server };
  };

  it("gets a QoS 1 publish in its EventSource", async () => {
    const { page, server } = started();
    await publishOverMqtt(server, "oi");
    await waitForCount(page, 1);
    expect(await receivedIn(page)).toEqual([{ id: expect.stringMatching(/\S+/), data: "oi" }]);
  });

  it("posts what an MQTT subscriber of praça/# gets", async () => {
    const { page, server } = started();
    const url = `http://${server.http.host}:${server.http.port}/topics/pra%C3%A7a%2F1/messages`;
    const got = await firstOverMqtt(server, async () => {
      const status = await page.evaluate(
        async (target) => (await fetch(target, { method: "POST", body: "olá" })).status,
        url,
      );
      expect(status).toBe(201);
    });
    expect(got).toBe("olá");
    await waitForCount(page, 2);
  });

  it("goes on by itself after kill -9, with everything once", async () => {
    const { page, server: before } = started();
    await before.child.stop("SIGKILL");
    const ports = { httpPort: before.http.port, mqttPort: before.mqtt.port };
    server = await startServer({ dataDir, flags, ...ports });
    // Published while the browser waits, and after it is back.
    await publishOverMqtt(server, "meanwhile 1");
    await publishOverHttp(server, "meanwhile 2");
    await page.waitForFunction(() => globalThis.opened === 2, undefined, { timeout: RECONNECT_TIMEOUT_MS });
    await publishOverMqtt(server, "after");
    await waitForCount(page, 5);
    const received = await receivedIn(page);
    expect(received.map(({ data }) => data)).toEqual(["oi", "olá", "meanwhile 1", "meanwhile 2", "after"]);
    expect(new Set(received.map(({ id }) => id)).size).toBe(5);
  });
});
