/** CONNECT and CONNACK (MQTT 3.1.1, 3.1 and 3.2), byte for byte. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import {
  bytes,
  connectPacket,
  packet,
  publishPacket,
  RawClient,
  subscribePacket,
  text,
} from "./support/raw-client.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(() => server.close());

const ACCEPTED = "20 02 00 00";

describe("a CONNECT that is accepted", () => {
  const conversations: readonly (readonly [string, string])[] = [
    ["a client id and a clean session", "10 0e 00 04 'MQTT' 04 02 00 3c 00 02 'ab'"],
    ["an empty client id with a clean session (MQTT-3.1.3-6)", "10 0c 00 04 'MQTT' 04 02 00 3c 00 00"],
    [
      "Clean Session 0 without a session that could be present (MQTT-3.2.2-3)",
      "10 0e 00 04 'MQTT' 04 00 00 3c 00 02 'ab'",
    ],
    ["user name and password", "10 14 00 04 'MQTT' 04 c2 00 3c 00 02 'ab' 00 01 'u' 00 01 'p'"],
    ["an empty user name", "10 10 00 04 'MQTT' 04 82 00 3c 00 02 'ab' 00 00"],
    ["a will", "10 14 00 04 'MQTT' 04 06 00 3c 00 02 'ab' 00 01 't' 00 01 'w'"],
    ["a remaining length in more bytes than it needs", "10 8e 00 00 04 'MQTT' 04 02 00 3c 00 02 'ab'"],
    [
      "U+FFFD in the client id, which is a character like others",
      "10 0f 00 04 'MQTT' 04 02 00 3c 00 03 ef bf bd",
    ],
  ];
  it.each(conversations)("%s", async (_what, connect) => {
    const client = await RawClient.open(server.port);
    client.send(connect);
    await client.expect(ACCEPTED);
    await client.expectNothing();
  });

  it("may come one byte at a time", async () => {
    const client = await RawClient.open(server.port);
    for (const byte of connectPacket("slow")) {
      client.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.expect(ACCEPTED);
  });

  it("lets packets follow before CONNACK was read (3.1.4)", async () => {
    const client = await RawClient.open(server.port);
    client.send(
      Buffer.concat([connectPacket("eager"), subscribePacket(1, 0, "a"), publishPacket("a", "x", 7)]),
    );
    await client.expect(`${ACCEPTED} 90 03 00 01 00`);
    const rest = [await client.takePacket(), await client.takePacket()];
    expect(rest.map((one) => one.toString("hex")).sort()).toEqual(["30040001" + "6178", "40020007"].sort());
  });

  it("assigns an id of its own to each client without one", async () => {
    await RawClient.connected(server.port, "");
    await RawClient.connected(server.port, "");
    const ids = server.edge.clients().map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) expect(id).toMatch(/^jangada-[a-z0-9]{20}$/);
  });
});

describe("a CONNECT that gets a CONNACK and the end", () => {
  const longId = "x".repeat(257);
  const conversations: readonly (readonly [string, string | Buffer, string, string])[] = [
    [
      "level 3 (MQTT-3.1.2-2)",
      "10 0e 00 04 'MQTT' 03 02 00 3c 00 02 'ab'",
      "20 02 00 01",
      "unsupported_protocol_version",
    ],
    [
      "MQTT 3.1 (MQTT-3.1.2-2)",
      "10 10 00 06 'MQIsdp' 03 02 00 3c 00 02 'ab'",
      "20 02 00 01",
      "unsupported_protocol_version",
    ],
    [
      "a level under the name of 3.1 (MQTT-3.1.2-1)",
      "10 10 00 06 'MQIsdp' 04 02 00 3c 00 02 'ab'",
      "20 02 00 01",
      "unsupported_protocol_version",
    ],
    [
      "a bridge's level (MQTT-3.1.2-2)",
      "10 0e 00 04 'MQTT' 84 02 00 3c 00 02 'ab'",
      "20 02 00 01",
      "unsupported_protocol_version",
    ],
    [
      "level 6, answered in the form of 5.0",
      "10 0f 00 04 'MQTT' 06 02 00 3c 00 00 02 'ab'",
      "20 03 00 84 00",
      "unsupported_protocol_version",
    ],
    [
      "an empty client id with Clean Session 0 (MQTT-3.1.3-8)",
      "10 0c 00 04 'MQTT' 04 00 00 3c 00 00",
      "20 02 00 02",
      "identifier_rejected",
    ],
    [
      "a client id with a control character",
      "10 0e 00 04 'MQTT' 04 02 00 3c 00 02 'a' 0a",
      "20 02 00 02",
      "identifier_rejected",
    ],
    ["a client id above the ceiling", connectPacket(longId), "20 02 00 02", "identifier_rejected"],
  ];
  it.each(conversations)("%s", async (_what, connect, connack, code) => {
    const client = await RawClient.open(server.port);
    client.send(connect);
    await client.expect(connack);
    await client.expectClosed();
    expect(server.metrics.of(`refused ${code}`)).toBe(1);
    expect(server.edge.clients()).toEqual([]);
  });
});

describe("connections and clients", () => {
  it("a second connection with the same client id closes the first (MQTT-3.1.4-2)", async () => {
    const first = await RawClient.connected(server.port, "twin");
    const second = await RawClient.connected(server.port, "twin");
    await first.expectClosed();
    await second.expectNothing();
    expect(server.metrics.of("refused taken_over")).toBe(1);
    expect(server.edge.clients().map(({ id }) => id)).toEqual(["twin"]);
  });

  it("a second CONNECT is a protocol violation (MQTT-3.1.0-2)", async () => {
    const client = await RawClient.connected(server.port, "a");
    client.send(connectPacket("a"));
    await client.expectClosed();
    expect(server.metrics.of("refused protocol_violation")).toBe(1);
  });

  it("past the ceiling: CONNACK 3; a takeover needs no room", async () => {
    const small = await startEdge({ connectionsMax: 1 });
    const first = await RawClient.connected(small.port, "a");
    const second = await RawClient.open(small.port);
    second.send(connectPacket("b"));
    await second.expect("20 02 00 03");
    await second.expectClosed();
    expect(small.metrics.of("refused too_many_connections")).toBe(1);
    await RawClient.connected(small.port, "a");
    await first.expectClosed();
    await small.close();
  });

  it("shows who is connected, and forgets who has left", async () => {
    const client = await RawClient.connected(server.port, "me");
    client.send(subscribePacket(1, 1, "b", "a/#"));
    await client.expect("90 04 00 01 01 01");
    const view = server.edge.clients()[0]?.view();
    expect(view).toMatchObject({
      id: "me",
      edge: "mqtt",
      subscriptions: ["a/#", "b"],
      lag: 0,
      behind: false,
    });
    expect(view?.address).toMatch(/^127\.0\.0\.1:\d+$/);
    client.send("e0 00");
    await client.expectClosed();
    await until(() => server.edge.clients().length === 0);
  });

  it("kicks", async () => {
    const client = await RawClient.connected(server.port, "me");
    expect(server.edge.kick("nobody")).toBe(false);
    expect(server.edge.kick("me")).toBe(true);
    await client.expectClosed();
    expect(server.edge.clients()).toEqual([]);
  });
});

it("text in a packet is what it says", () => {
  expect(packet(0x10, text("MQTT"), bytes("04 02 00 00"), text("ab"))).toEqual(connectPacket("ab"));
});
