/** What a client has so much time for: CONNECT, and the next packet (MQTT 3.1.1, 3.1.2.10). */
import { afterEach, beforeEach, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { ManualClock } from "../support/manual-clock.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { connectPacket, publishPacket, RawClient } from "./support/raw-client.js";

let clock: ManualClock;
let server: TestEdge;
beforeEach(async () => {
  clock = new ManualClock();
  server = await startEdge({ clock });
});
afterEach(() => server.close());

it("a stranger that says nothing is closed", async () => {
  const client = await RawClient.open(server.port);
  await until(() => clock.nextTimerMs === limits.connectTimeoutMs);
  clock.advance(limits.connectTimeoutMs);
  await client.expectClosed();
  expect(server.metrics.of("refused connect_timeout")).toBe(1);
});

it("a CONNECT that trickles in is cut off at the same time", async () => {
  const client = await RawClient.open(server.port);
  await until(() => clock.nextTimerMs === limits.connectTimeoutMs);
  for (const byte of connectPacket("slowloris").subarray(0, 10)) {
    client.send(Buffer.from([byte]));
    clock.advance(limits.connectTimeoutMs / 11);
  }
  expect(server.metrics.of("refused connect_timeout")).toBe(0);
  clock.advance(limits.connectTimeoutMs / 10);
  await client.expectClosed();
  expect(server.metrics.of("refused connect_timeout")).toBe(1);
});

it("a client that pings in time stays; one and a half times the keep-alive after the last packet it goes (MQTT-3.1.2-24)", async () => {
  const client = await RawClient.connected(server.port, "alive", 10);
  for (let i = 0; i < 5; i += 1) {
    clock.advance(14_900);
    await client.expectNothing();
  }
  clock.advance(14_900);
  expect(server.edge.clients().length).toBe(1);
  clock.advance(200);
  await client.expectClosed();
  expect(server.metrics.of("refused keep_alive_timeout")).toBe(1);
});

it("bytes that make no packet do not count as life", async () => {
  const client = await RawClient.connected(server.port, "trickle", 10);
  client.send("30 7f 00");
  clock.advance(14_900);
  client.send("00");
  clock.advance(200);
  await client.expectClosed();
  expect(server.metrics.of("refused keep_alive_timeout")).toBe(1);
});

it("keep-alive 0 switches it off", async () => {
  const client = await RawClient.connected(server.port, "patient", 0);
  expect(clock.nextTimerMs).toBeNull();
  clock.advance(1_000_000_000);
  await client.expectNothing();
});

it("a client that the server does not read is not silent", async () => {
  const client = await RawClient.connected(server.port, "held", 10);
  server.broker.isSaturated = true;
  client.send(publishPacket("a", "1", 1));
  await client.expect("40 02 00 01");
  client.send("c0 00");
  clock.advance(60_000);
  expect(server.edge.clients().length).toBe(1);
  server.broker.drain();
  await client.expect("d0 00");
  clock.advance(15_001);
  await client.expectClosed();
});
