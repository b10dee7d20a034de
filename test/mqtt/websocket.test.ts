/** MQTT over WebSocket on a whole node (MQTT 5.0, 6): packets in any pieces, both edges as one, clients of others. */
import { once } from "node:events";
import mqtt, { type IDisconnectPacket, type IPublishPacket, type MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from "vitest";
import { WebSocket } from "ws";
import { startTestNode, type TestNode } from "../support/test-node.js";
import { until } from "./support/edge.js";
import { bytes } from "./support/raw-client.js";

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(() => node.close());

const opened: { terminate(): void }[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.terminate();
});

/** A WebSocket and everything that came on it, message by message. */
async function open(port = node.httpPort): Promise<{ socket: WebSocket; messages: Buffer[]; all(): string }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, "mqtt");
  opened.push(socket);
  const messages: Buffer[] = [];
  socket.on("message", (data: Buffer) => messages.push(data));
  await once(socket, "open");
  return { socket, messages, all: () => Buffer.concat(messages).toString("hex") };
}

/** CONNECT of 3.1.1 with a clean session and no keep-alive. */
function connectPacket(id: string): Buffer {
  const rest = bytes(`00 04 'MQTT' 04 02 00 00 00 ${id.length.toString(16).padStart(2, "0")} '${id}'`);
  return Buffer.concat([Buffer.from([0x10, rest.length]), rest]);
}
const CONNACK = "20020000";

const disconnected = (client: MqttClient): Promise<IDisconnectPacket> =>
  new Promise((resolve) => client.once("disconnect", resolve));
const nextMessage = (client: MqttClient): Promise<IPublishPacket> =>
  new Promise((resolve) => client.once("message", (_topic, _payload, packet) => resolve(packet)));

const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(name));
  return Number(line?.split(" ").at(-1) ?? 0);
};

describe("packets and messages have nothing to do with each other (MQTT-6.0.0-2)", () => {
  const session = [
    connectPacket("pieces"),
    // SUBSCRIBE 1 to ws/# at QoS 0, PUBLISH "hello" to ws/a at QoS 1 as 2, PINGREQ.
    bytes("82 09 00 01 00 04 'ws/#' 00"),
    bytes("32 0d 00 04 'ws/a' 00 02 'hello'"),
    bytes("c0 00"),
  ];
  const whole = Buffer.concat(session);
  const pieces = (length: number): Buffer[] =>
    Array.from({ length: Math.ceil(whole.length / length) }, (_, i) =>
      whole.subarray(i * length, (i + 1) * length),
    );

  test.each<[string, Buffer[]]>([
    ["all in one", [whole]],
    ["a packet each", session],
    ["a byte each", pieces(1)],
    ["seven bytes each", pieces(7)],
    ["empty ones between", session.flatMap((packet) => [Buffer.alloc(0), packet, Buffer.alloc(0)])],
  ])("%s", async (_name, sent) => {
    const { socket, all } = await open();
    for (const message of sent) socket.send(message);
    const expected = [
      CONNACK,
      "9003000100",
      "40020002",
      "d000",
      `300b0004${Buffer.from("ws/ahello").toString("hex")}`,
    ];
    await until(() => expected.every((packet) => all().includes(packet)));
    expect(all().length).toBe(expected.join("").length);
    expect(all().startsWith(CONNACK)).toBe(true);
  });

  it("fragments of a message are one", async () => {
    const { socket, all } = await open();
    for (const piece of pieces(5)) socket.send(piece, { fin: false });
    socket.send(Buffer.alloc(0), { fin: true });
    await until(() => all().includes("d000"));
  });

  it("every message of ours is binary", async () => {
    const { socket } = await open();
    const first = once(socket, "message");
    socket.send(connectPacket("binary"));
    expect((await first)[1]).toBe(true);
  });
});

describe("what is not MQTT", () => {
  it("text closes the connection, and the will is published (MQTT-6.0.0-1)", async () => {
    const watcher = await mqtt.connectAsync(`mqtt://127.0.0.1:${node.mqttPort}`);
    const heard = nextMessage(watcher);
    await watcher.subscribeAsync("ws/will");
    const { socket, all } = await open();
    // CONNECT with a will.
    socket.send(bytes("10 1e 00 04 'MQTT' 04 06 00 00 00 04 'text' 00 07 'ws/will' 00 03 'bye'"));
    await until(() => all() === CONNACK);
    const closed = once(socket, "close");
    socket.send("text");
    expect((await closed)[0]).toBe(1003);
    expect(String((await heard).payload)).toBe("bye");
    await watcher.endAsync();
  });

  it("another packet before CONNECT closes it as it does over TCP", async () => {
    const refused = 'jangada_refused_total{edge="mqtt",code="protocol_violation"}';
    const before = await metric(refused);
    const { socket } = await open();
    socket.send(bytes("c0 00"));
    await once(socket, "close");
    expect(await metric(refused)).toBe(before + 1);
  });

  it("a text above all that is a CONNECT counts as a stranger's", async () => {
    const { socket } = await open();
    const closed = once(socket, "close");
    socket.send(connectPacket("as-text").toString("latin1"));
    expect((await closed)[0]).toBe(1003);
  });
});

describe("clients of others", () => {
  const clients: MqttClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  });

  async function connected(options: mqtt.IClientOptions = {}): Promise<MqttClient> {
    const url = `ws://127.0.0.1:${node.httpPort}/mqtt`;
    const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
    clients.push(client);
    return client;
  }

  test.each([4, 5] as const)(
    "MQTT.js with level %i: every QoS, both ways, with what HTTP publishes",
    async (protocolVersion) => {
      const client = await connected({ protocolVersion });
      const received: string[] = [];
      client.on("message", (topic, payload, { qos }) =>
        received.push(`${topic} ${qos} ${payload.toString()}`),
      );
      const topic = `js/${protocolVersion}`;
      await client.subscribeAsync(`${topic}/#`, { qos: 2 });
      for (const qos of [0, 1, 2] as const) await client.publishAsync(`${topic}/${qos}`, "ws", { qos });
      const url = `${node.url}/topics/${encodeURIComponent(`${topic}/http`)}/messages`;
      await fetch(url, { method: "POST", body: "http" });
      await until(() => received.length === 4);
      // This client hands on what came with QoS 2 at its PUBREL.
      expect(received.sort()).toEqual([
        `${topic}/0 0 ws`,
        `${topic}/1 1 ws`,
        `${topic}/2 2 ws`,
        `${topic}/http 1 http`,
      ]);
    },
  );

  it("a payload of a megabyte, and a thousand small ones in one burst", async () => {
    const client = await connected({ protocolVersion: 5 });
    const sizes: number[] = [];
    client.on("message", (_topic, payload) => sizes.push(payload.length));
    await client.subscribeAsync("burst", { qos: 1 });
    const small = Array.from({ length: 1_000 }, () =>
      client.publishAsync("burst", Buffer.alloc(100), { qos: 1 }),
    );
    await Promise.all([...small, client.publishAsync("burst", Buffer.alloc(1024 * 1024), { qos: 1 })]);
    await until(() => sizes.length === 1_001);
    expect(sizes.at(-1)).toBe(1024 * 1024);
  });

  it("a client is listed with its address, disconnected by its id, and taken over from TCP", async () => {
    const first = await connected({ protocolVersion: 5, clientId: "ws-client" });
    const { clients: listed } = (await (await fetch(`${node.url}/clients`)).json()) as {
      clients: { id: string; edge: string; address: string }[];
    };
    expect(listed).toContainEqual(
      expect.objectContaining({
        id: "ws-client",
        edge: "mqtt",
        address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      }),
    );
    const kicked = disconnected(first);
    expect((await fetch(`${node.url}/clients/ws-client`, { method: "DELETE" })).status).toBe(204);
    expect(await kicked).toMatchObject({ reasonCode: 0x98 });
    const again = await connected({ protocolVersion: 5, clientId: "ws-client" });
    const displaced = disconnected(again);
    const over = await mqtt.connectAsync(`mqtt://127.0.0.1:${node.mqttPort}`, { clientId: "ws-client" });
    expect(await displaced).toMatchObject({ reasonCode: 0x8e });
    await over.endAsync();
  });

  it("what MQTT says in properties, HTTP shows, and the other way round", async () => {
    const client = await connected({ protocolVersion: 5 });
    const heard = nextMessage(client);
    await client.subscribeAsync("properties/http", { qos: 1 });
    await client.publishAsync("properties/mqtt", "x", {
      qos: 1,
      properties: {
        contentType: "text/plain",
        responseTopic: "answers/1",
        correlationData: Buffer.from([0, 255]),
        userProperties: { unit: ["°C", "K"] },
      },
    });
    const history = await (await fetch(`${node.url}/topics/properties%2Fmqtt/messages`)).json();
    expect(history).toMatchObject({
      messages: [
        {
          contentType: "text/plain",
          responseTopic: "answers/1",
          correlationData: "AP8=",
          userProperties: [
            ["unit", "°C"],
            ["unit", "K"],
          ],
        },
      ],
    });
    await fetch(`${node.url}/topics/properties%2Fhttp/messages`, {
      method: "POST",
      body: "y",
      headers: {
        "content-type": "text/plain",
        "jangada-user-property": "unit=%C2%B0C,unit=K",
        "jangada-response-topic": "answers/2",
        "jangada-correlation-data": "AP8=",
      },
    });
    expect((await heard).properties).toMatchObject({
      contentType: "text/plain",
      responseTopic: "answers/2",
      correlationData: Buffer.from([0, 255]),
      userProperties: { unit: ["°C", "K"] },
    });
  });
});

describe("a subscriber that does not read", () => {
  it("is caught up from the store when it does, and the node's memory does not hold its messages", async () => {
    const { socket, messages, all } = await open();
    socket.send(Buffer.concat([connectPacket("slow"), bytes("82 09 00 01 00 04 'slow' 00")]));
    await until(() => all() === `${CONNACK}9003000100`);
    socket.pause();
    const payload = "x".repeat(64 * 1024);
    const publish = () => fetch(`${node.url}/topics/slow/messages`, { method: "POST", body: payload });
    let behind = false;
    let published = 0;
    while (!behind) {
      await Promise.all(Array.from({ length: 16 }, publish));
      published += 16;
      const { clients } = (await (await fetch(`${node.url}/clients`)).json()) as {
        clients: { behind: boolean }[];
      };
      behind = clients.some((client) => client.behind);
    }
    await Promise.all(Array.from({ length: 16 }, publish));
    published += 16;
    const packetBytes = 4 + 6 + payload.length;
    socket.resume();
    const received = (): number => messages.reduce((sum, { length }) => sum + length, 0);
    await until(() => received() >= 4 + 5 + published * packetBytes);
    expect(received()).toBe(4 + 5 + published * packetBytes);
  });
});

describe("when the node stops", () => {
  it("clients are told that it goes away, in both protocols", async () => {
    const other = await startTestNode();
    const client = await mqtt.connectAsync(`ws://127.0.0.1:${other.httpPort}/mqtt`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
    });
    const { socket, all } = await open(other.httpPort);
    socket.send(connectPacket("level-4"));
    await until(() => all() === CONNACK);
    const told = disconnected(client);
    const closed = once(socket, "close");
    await other.close();
    expect(await told).toMatchObject({ reasonCode: 0x8b });
    expect((await closed)[0]).toBe(1001);
    await client.endAsync(true);
  });

  it("strangers that never said anything do not hold it up", async () => {
    const other = await startTestNode();
    const { socket } = await open(other.httpPort);
    const closed = once(socket, "close");
    await other.close();
    await closed;
  });
});
