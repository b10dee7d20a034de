/**
 * MQTT in a real browser, over WebSocket: MQTT.js as a page loads it, from an origin that is let in; and a page that is not let in, which gets
 * no connection at all.
 */
import type { Server as HttpServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { MqttClient } from "mqtt";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HttpConnection, topicPath } from "../../load/lib/http-client.js";
import { type Server, startServer } from "../../load/lib/server.js";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";
import { launchBrowser, servePage } from "./support.js";

const TOPIC = "praça/mqtt";
const BUNDLE = join(dirname(createRequire(import.meta.url).resolve("mqtt/package.json")), "dist/mqtt.min.js");
const RECONNECT_TIMEOUT_MS = 30_000;

/** A message as the page got it. */
interface Received {
  readonly payload: string;
  readonly qos: number;
  readonly unit: string | undefined;
}

declare global {
  /** What the bundle makes. */
  var mqtt: { connect(url: string, options: object): MqttClient };
  var mqttReceived: Received[];
  /** Session Present of each CONNACK. */
  var mqttConnected: boolean[];
  var mqttClient: MqttClient;
}

const webSocketUrl = ({ http }: Server): string => `ws://${http.host}:${http.port}/mqtt`;

async function publishOverHttp(server: Server, payload: string): Promise<void> {
  const connection = new HttpConnection(server.http);
  const headers = { "content-type": "text/plain", "jangada-user-property": "unit=%C2%B0C" };
  const answer = await connection.ask("POST", `${topicPath(TOPIC)}/messages?qos=2`, payload, headers);
  connection.close();
  expect(answer.status).toBe(201);
}

/** Connects MQTT.js in the page, with a session that outlives its connections, and subscribes. */
async function connectInPage(page: Page, server: Server): Promise<void> {
  await page.addScriptTag({ path: BUNDLE });
  await page.evaluate(
    async ([url, topic]) => {
      globalThis.mqttReceived = [];
      globalThis.mqttConnected = [];
      const client = globalThis.mqtt.connect(url, {
        protocolVersion: 5,
        clientId: "page",
        clean: false,
        properties: { sessionExpiryInterval: 3_600 },
        reconnectPeriod: 200,
      });
      globalThis.mqttClient = client;
      client.on("connect", ({ sessionPresent }) => globalThis.mqttConnected.push(sessionPresent));
      client.on("message", (_topic, payload, { qos, properties }) => {
        const unit = properties?.userProperties?.["unit"];
        globalThis.mqttReceived.push({
          payload: String(payload),
          qos,
          unit: unit === undefined ? unit : String(unit),
        });
      });
      await client.subscribeAsync(topic, { qos: 2 });
    },
    [webSocketUrl(server), TOPIC] as const,
  );
}

const payloadsIn = (page: Page): Promise<string[]> =>
  page.evaluate(() => globalThis.mqttReceived.map(({ payload }) => payload));

async function waitForCount(page: Page, count: number): Promise<void> {
  await page.waitForFunction((due) => globalThis.mqttReceived.length >= due, count, {
    timeout: RECONNECT_TIMEOUT_MS,
  });
}

describe("MQTT.js in a browser", () => {
  let server: Server;
  let page: Page;
  let context: BrowserContext | undefined;
  let flags: readonly string[] = [];
  const pageServers: HttpServer[] = [];
  const dataDir = temporaryDirectory("browser-mqtt-data");
  const profileDir = temporaryDirectory("browser-mqtt-profile");

  const originOfPage = async (): Promise<string> => {
    const served = await servePage();
    pageServers.push(served.server);
    return served.origin;
  };

  beforeAll(async () => {
    const origin = await originOfPage();
    flags = ["--cors-origins", origin];
    server = await startServer({ dataDir, flags });
    context = await launchBrowser(profileDir);
    page = await context.newPage();
    await page.goto(origin);
    await connectInPage(page, server);
  });

  afterAll(async () => {
    await context?.close();
    await server.child.stop("SIGKILL");
    for (const pageServer of pageServers) {
      pageServer.closeAllConnections();
      pageServer.close();
    }
    removeDirectory(dataDir);
    removeDirectory(profileDir);
  });

  it("gets what HTTP publishes, with its properties, and its own of every QoS", async () => {
    await publishOverHttp(server, "olá");
    await waitForCount(page, 1);
    expect(await page.evaluate(() => globalThis.mqttReceived)).toEqual([
      { payload: "olá", qos: 2, unit: "°C" },
    ]);
    await page.evaluate(async (topic) => {
      for (const qos of [0, 1, 2] as const)
        await globalThis.mqttClient.publishAsync(topic, `own ${qos}`, { qos });
    }, TOPIC);
    await waitForCount(page, 4);
    expect((await payloadsIn(page)).sort()).toEqual(["olá", "own 0", "own 1", "own 2"]);
  });

  it("a burst goes through, in order", async () => {
    const count = 500;
    await page.evaluate(
      async ([topic, messages]) => {
        globalThis.mqttReceived = [];
        const publish = (_: unknown, i: number) =>
          globalThis.mqttClient.publishAsync(topic, `burst ${i}`, { qos: 2 });
        await Promise.all(Array.from({ length: messages }, publish));
      },
      [TOPIC, count] as const,
    );
    await waitForCount(page, count);
    expect(await payloadsIn(page)).toEqual(Array.from({ length: count }, (_, i) => `burst ${i}`));
  });

  it("finds its session again after kill -9, with everything once", async () => {
    await page.evaluate(() => {
      globalThis.mqttReceived = [];
    });
    await server.child.stop("SIGKILL");
    const ports = { httpPort: server.http.port, mqttPort: server.mqtt.port };
    server = await startServer({ dataDir, flags, ...ports });
    await publishOverHttp(server, "meanwhile");
    await page.waitForFunction(() => globalThis.mqttConnected.length >= 2, undefined, {
      timeout: RECONNECT_TIMEOUT_MS,
    });
    await publishOverHttp(server, "after");
    await waitForCount(page, 2);
    expect(await payloadsIn(page)).toEqual(["meanwhile", "after"]);
    expect((await page.evaluate(() => globalThis.mqttConnected)).slice(1)).toEqual([true]);
  });

  it("of another origin gets no connection", async () => {
    const stranger = await context!.newPage();
    await stranger.goto(await originOfPage());
    const opened = await stranger.evaluate(
      (url) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(url, "mqtt");
          socket.onopen = () => resolve("opened");
          socket.onclose = ({ code }) => resolve(`closed ${code}`);
        }),
      webSocketUrl(server),
    );
    expect(opened).toBe("closed 1006");
    await stranger.close();
  });
});
