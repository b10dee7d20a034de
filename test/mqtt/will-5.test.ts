/** Wills of MQTT 5.0 (3.1.2.5, 3.1.3.2): their properties, their delay, and which endings they follow. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import {
  type Connect5,
  connected5,
  disconnect5,
  expiry,
  subscribe5,
  takeRefusal,
} from "./support/packets-5.js";
import { bytes, type RawClient } from "./support/raw-client.js";

const DELAY_10 = "18 00 00 00 0a";
const WILL = "30 0c 00 05 'wills' 00 'gone'";

let server: TestEdge;
let watcher: RawClient;
beforeEach(async () => {
  server = await startEdge();
  watcher = await connected5(server.port, "watcher");
  watcher.send(subscribe5(1, 2, "wills"));
  await watcher.expect("90 04 00 01 00 02");
});
afterEach(() => server.close());

async function mortal(willProperties = "", options: Connect5 = {}): Promise<RawClient> {
  const will = { topic: "wills", payload: "gone", properties: willProperties };
  return connected5(server.port, "mortal", { will, ...options });
}

async function ended(): Promise<void> {
  await until(() => (server.broker.sessionOf("mortal")?.owner ?? null) === null);
}

it("carries its properties, QoS and expiry", async () => {
  const forwarded = "01 01 08 00 01 'r' 09 00 01 'c' 26 00 01 'k' 00 01 'v'";
  const client = await connected5(server.port, "mortal", {
    will: {
      topic: "wills",
      payload: "gone",
      qos: 1,
      properties: `02 00 00 00 0a 03 00 03 't/p' ${forwarded}`,
    },
  });
  client.drop();
  await until(() => server.broker.store.messages.length === 1);
  const [message] = server.broker.store.messages;
  expect(message).toMatchObject({
    qos: 1,
    retain: false,
    contentType: "t/p",
    expiresAtMs: server.broker.timeMs + 10_000,
  });
  expect(Buffer.from(message?.properties ?? [])).toEqual(bytes(forwarded));
});

describe("follows", () => {
  it("DISCONNECT with 0x04 (3.14.2.1)", async () => {
    const client = await mortal();
    client.send(disconnect5(4));
    await client.expectClosed();
    await watcher.expect(WILL);
  });

  it("DISCONNECT with an error (MQTT-3.14.4-3)", async () => {
    const client = await mortal();
    client.send(disconnect5(0x82));
    await client.expectClosed();
    await watcher.expect(WILL);
  });

  it("a protocol error", async () => {
    const client = await mortal();
    client.send("20 03 00 00 00");
    expect(await takeRefusal(client)).toMatchObject({ reason: 0x82 });
    await watcher.expect(WILL);
  });

  it("not DISCONNECT with 0x00, in either form (MQTT-3.14.4-3)", async () => {
    for (const goodbye of ["e0 00", "e0 02 00 00"]) {
      const client = await mortal();
      client.send(goodbye);
      await client.expectClosed();
      await ended();
    }
    await watcher.expectNothing();
  });
});

describe("with a delay", () => {
  it("comes when it is over", async () => {
    (await mortal(DELAY_10, { properties: expiry(60) })).drop();
    await ended();
    await server.broker.advance(9_999);
    await watcher.expectNothing();
    await server.broker.advance(1);
    await watcher.expect(WILL);
  });

  it("comes with the end of the session when that is sooner (MQTT-3.1.3-9)", async () => {
    (await mortal(DELAY_10, { properties: expiry(5) })).drop();
    await ended();
    await server.broker.advance(5_000);
    await watcher.expect(WILL);
  });

  it("does not come when the client is back before (MQTT-3.1.3-9)", async () => {
    const kept = { properties: expiry(60) };
    (await mortal(DELAY_10, kept)).drop();
    await ended();
    await connected5(server.port, "mortal", { ...kept, clean: false, present: 1 });
    await server.broker.advance(60_000);
    await watcher.expectNothing();
  });

  it("comes at once when the session is begun anew", async () => {
    const kept = { properties: expiry(60) };
    (await mortal(DELAY_10, kept)).drop();
    await ended();
    await connected5(server.port, "mortal", { ...kept, clean: true });
    await watcher.expect(WILL);
  });
});
