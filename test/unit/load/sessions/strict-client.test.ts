/** The strict client before a server that the test plays: what it keeps, what it sends again, and what it complains of. */
import { createServer, type Server, type Socket } from "node:net";
import { generate, type Packet, parser } from "mqtt-packet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitUntil } from "../../../../load/lib/support.js";
import { ClientStore } from "../../../../load/sessions/client-store.js";
import { type ClientEvents, StrictClient } from "../../../../load/sessions/strict-client.js";

/** Accepts every connection, and leaves the rest to the test. */
class Played {
  readonly heard: Packet[] = [];
  sessionPresent = false;
  #socket: Socket | undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => {
      this.#socket = socket;
      const packets = parser();
      packets.on("packet", (packet) => {
        this.heard.push(packet);
        if (packet.cmd === "connect")
          this.say({ cmd: "connack", returnCode: 0, sessionPresent: this.sessionPresent });
      });
      socket.on("data", (bytes) => packets.parse(bytes)).on("error", () => undefined);
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  say(packet: Packet): void {
    this.#socket!.write(generate(packet));
  }

  /** Names of what it heard since it was asked last, without CONNECT. */
  async hears(count: number): Promise<string[]> {
    const rest = (): Packet[] => this.heard.filter(({ cmd }) => cmd !== "connect");
    await waitUntil(() => rest().length >= count, 5_000);
    const names = rest().map((packet) => {
      const dup = packet.cmd === "publish" && packet.dup ? " dup" : "";
      return `${packet.cmd} ${packet.messageId}${dup}`;
    });
    this.heard.length = 0;
    return names;
  }

  hangUp(): void {
    this.#socket!.destroy();
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }
}

let server: Played;
let store: ClientStore;
let port: number;
let messages: string[];
let done: string[];
let complaints: string[];
let closed: number;

beforeEach(async () => {
  [server, store, messages, done, complaints, closed] = [new Played(), new ClientStore(), [], [], [], 0];
  port = await server.listen();
});
afterEach(() => server.close());

const events: ClientEvents = {
  onMessage: (payload) => messages.push(payload),
  onDone: ({ payload }, reason) => done.push(`${payload} ${reason}`),
  onComplaint: (what) => complaints.push(what),
  onClose: () => {
    closed += 1;
  },
};

async function open(): Promise<StrictClient> {
  const options = { clientId: "c", level: 4 as const, clean: false, kept: true };
  const { client } = await StrictClient.open({ host: "127.0.0.1", port }, options, store, events);
  return client;
}

async function breakOff(): Promise<void> {
  const before = closed;
  server.hangUp();
  await waitUntil(() => closed > before, 5_000);
  server.sessionPresent = true;
}

const message = (qos: 1 | 2, messageId: number, dup = false): Packet => ({
  ...{ cmd: "publish", topic: "t", payload: `m${messageId}`, qos, messageId, dup, retain: false },
});

describe("a client with a store", () => {
  it("sends again what is not acknowledged, in its order, and nothing that is", async () => {
    const client = await open();
    for (const [at, qos] of ([1, 2, 2, 1] as const).entries()) client.publish("t", `p${at + 1}`, qos);
    expect(await server.hears(4)).toEqual(["publish 1", "publish 2", "publish 3", "publish 4"]);
    server.say({ cmd: "puback", messageId: 1 });
    server.say({ cmd: "pubrec", messageId: 2 });
    expect(await server.hears(1)).toEqual(["pubrel 2"]);
    await breakOff();
    await open();
    expect(await server.hears(3)).toEqual(["pubrel 2", "publish 3 dup", "publish 4 dup"]);
    server.say({ cmd: "pubcomp", messageId: 2 });
    server.say({ cmd: "puback", messageId: 4 });
    await waitUntil(() => done.length === 3, 5_000);
    expect(done).toEqual(["p1 0", "p2 0", "p4 0"]);
    expect(store.outbound.map(({ packetId }) => packetId)).toEqual([3]);
  });

  it("gets a QoS 2 message once, however often it comes before its release", async () => {
    await open();
    server.say(message(2, 7));
    expect(await server.hears(1)).toEqual(["pubrec 7"]);
    await breakOff();
    await open();
    server.say(message(2, 7, true));
    expect(await server.hears(1)).toEqual(["pubrec 7"]);
    server.say({ cmd: "pubrel", messageId: 7 });
    expect(await server.hears(1)).toEqual(["pubcomp 7"]);
    expect(messages).toEqual(["m7"]);
    server.say(message(2, 7));
    expect(await server.hears(1)).toEqual(["pubrec 7"]);
    expect(messages).toEqual(["m7", "m7"]);
    expect(complaints).toEqual([]);
  });

  it("forgets what it received when the server has forgotten the session", async () => {
    await open();
    server.say(message(2, 7));
    await server.hears(1);
    await breakOff();
    server.sessionPresent = false;
    await open();
    server.say(message(2, 7));
    await server.hears(1);
    expect(messages).toEqual(["m7", "m7"]);
  });
});

describe("a client complains of", () => {
  it.each<[string, Packet[], RegExp]>([
    ["an identifier used again", [message(2, 7), message(2, 7)], /used identifier 7 again/],
    ["an answer that was not due", [{ cmd: "puback", messageId: 9 }], /puback for identifier 9/],
    ["PUBCOMP before PUBREC", [{ cmd: "pubcomp", messageId: 1 }], /pubcomp for identifier 1/],
    ["what only clients send", [{ cmd: "pingreq" }], /sent pingreq/],
  ])("%s", async (_, packets, complaint) => {
    const client = await open();
    client.publish("t", "p", 2);
    for (const packet of packets) server.say(packet);
    await waitUntil(() => complaints.length > 0, 5_000);
    expect(complaints[0]).toMatch(complaint);
  });
});
