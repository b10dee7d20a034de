/** Wills (MQTT 3.1.1, 3.1.2.5): published when a connection ends without DISCONNECT, whatever the reason. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../support/manual-clock.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { connectWithWill, packet, RawClient, subscribePacket, text } from "./support/raw-client.js";

let server: TestEdge;
let watcher: RawClient;
let mortal: RawClient;

async function watch(on: TestEdge): Promise<void> {
  watcher = await RawClient.connected(on.port, "watcher");
  watcher.send(subscribePacket(1, 1, "wills/#"));
  await watcher.expect("90 03 00 01 01");
}

async function connectMortal(on: TestEdge, flags?: number): Promise<void> {
  mortal = await RawClient.open(on.port);
  mortal.send(connectWithWill("mortal", "wills/m", "gone", flags));
  await mortal.expect("20 02 00 00");
}

const WILL_AT_QOS_0 = "30 0d 00 07 'wills/m' 'gone'";

beforeEach(async () => {
  server = await startEdge();
  await watch(server);
  await connectMortal(server);
});
afterEach(() => server.close());

it("published when the connection breaks (MQTT-3.1.2-8)", async () => {
  mortal.drop();
  await watcher.expect(WILL_AT_QOS_0);
});

it("published after a protocol error (MQTT-3.1.2-8)", async () => {
  mortal.send("c1 00");
  await mortal.expectClosed();
  await watcher.expect(WILL_AT_QOS_0);
});

it("published when another connection takes the client id (MQTT-3.1.4-2)", async () => {
  await RawClient.connected(server.port, "mortal");
  await watcher.expect(WILL_AT_QOS_0);
});

it("published when an operator disconnects the client", async () => {
  server.edge.kick("mortal");
  await watcher.expect(WILL_AT_QOS_0);
});

it("not published after DISCONNECT (MQTT-3.14.4-3)", async () => {
  mortal.send("e0 00");
  await mortal.expectClosed();
  await watcher.expectNothing();
  await until(() => server.broker.sessionOf("mortal") === undefined);
  expect(server.broker.store.messages).toEqual([]);
});

it("published once", async () => {
  mortal.send("c1 00");
  await mortal.expectClosed();
  mortal.drop();
  await watcher.expect(WILL_AT_QOS_0);
  await watcher.expectNothing();
});

it("published with its QoS and its RETAIN flag (MQTT-3.1.2-16, 3.1.2-17)", async () => {
  mortal.send("e0 00");
  await mortal.expectClosed();
  await connectMortal(server, 0x2e);
  mortal.drop();
  await watcher.expect("32 0f 00 07 'wills/m' 00 01 'gone'");
  const late = await RawClient.connected(server.port, "late");
  late.send(subscribePacket(1, 0, "wills/m"));
  await late.expect("90 03 00 01 00 31 0d 00 07 'wills/m' 'gone'");
});

it("may be empty", async () => {
  const silent = await RawClient.open(server.port);
  silent.send(packet(0x10, text("MQTT"), Buffer.from([4, 6, 0, 0]), text("s"), text("wills/s"), text("")));
  await silent.expect("20 02 00 00");
  silent.drop();
  await watcher.expect("30 09 00 07 'wills/s'");
});

it("published in the end when the node refuses at first to hear that the connection is over", async () => {
  server.broker.refusal = "overloaded";
  mortal.send("c1 00");
  await mortal.expectClosed();
  await watcher.expectNothing();
  server.broker.refusal = null;
  await watcher.expect(WILL_AT_QOS_0);
  await watcher.expectNothing();
});

describe("silence", () => {
  it("beyond one and a half times the keep-alive (MQTT-3.1.2-24)", async () => {
    const clock = new ManualClock();
    const quiet = await startEdge({ clock });
    await watch(quiet);
    mortal = await RawClient.open(quiet.port);
    const connect = connectWithWill("mortal", "wills/m", "gone");
    connect[11] = 10;
    mortal.send(connect);
    await mortal.expect("20 02 00 00");
    clock.advance(15_001);
    await mortal.expectClosed();
    await watcher.expect(WILL_AT_QOS_0);
    expect(quiet.metrics.of("refused keep_alive_timeout")).toBe(1);
    await quiet.close();
  });
});
