/** Wills of MQTT 5.0 (3.1.2.5, 3.1.3.2): with properties, with a delay, and with a goodbye. */
import { afterEach, beforeEach, describe, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { RawClient } from "./support/raw-client.js";
import { connack, connected, connectPacket, publishPacket, subscribe } from "./support/v5.js";

let server: TestEdge;
let watcher: RawClient;
beforeEach(async () => {
  server = await startEdge();
  watcher = await connected(server.port, "watcher");
  await subscribe(watcher, "#", 0);
});
afterEach(() => server.close());

const WILL = "00 00 07 'wills/m' 00 04 'gone'";
const DELAYED = "05 18 00 00 00 05 00 07 'wills/m' 00 04 'gone'";
const GONE = publishPacket("wills/m", "gone");

/** The connection breaks, and the group knows. */
async function lose(client: RawClient): Promise<void> {
  client.drop();
  await until(() => server.broker.sessionOf("mortal")?.owner === null);
}

/** Time goes on, and some command brings it to the machine. */
async function later(ms: number): Promise<void> {
  await server.broker.advance(ms);
}

it("goes out with its properties (3.1.3.2)", async () => {
  const properties = "18 01 01 02 00 00 00 09 03 00 01 'c' 08 00 01 'r' 09 00 01 ff 26 00 00 00 00";
  const mortal = await connected(server.port, "mortal", {
    flags: 0x06,
    rest: `${properties} 00 07 'wills/m' 00 04 'gone'`,
  });
  mortal.drop();
  await watcher.expect(
    publishPacket("wills/m", "gone", {
      properties: "02 00 00 00 09 03 00 01 'c' 01 01 08 00 01 'r' 09 00 01 ff 26 00 00 00 00",
    }),
  );
});

describe("DISCONNECT", () => {
  it.each([
    ["0x00 takes it back (MQTT-3.14.4-3)", "e0 00", false],
    ["0x00 in full takes it back", "e0 02 00 00", false],
    ["0x04 is a goodbye with the will (3.14.2.1)", "e0 01 04", true],
    ["an error leaves it (MQTT-3.1.2-8)", "e0 01 81", true],
  ])("%s", async (_what, script, comes) => {
    const mortal = await connected(server.port, "mortal", { flags: 0x06, rest: WILL });
    mortal.send(script);
    await mortal.expectClosed();
    if (comes) await watcher.expect(GONE);
    await watcher.expectNothing();
  });
});

describe("a delay (3.1.3.2.2)", () => {
  const options = { flags: 0x04, properties: "11 00 00 00 0a", rest: DELAYED };
  let mortal: RawClient;
  beforeEach(async () => {
    mortal = await connected(server.port, "mortal", options);
    await lose(mortal);
    await watcher.expectNothing();
  });

  it("passes before it goes out", async () => {
    await later(4_900);
    await watcher.expectNothing();
    await later(200);
    await watcher.expect(GONE);
    await later(60_000);
    await watcher.expectNothing();
  });

  it("is cut short by the end of the session", async () => {
    await later(4_000);
    // A clean start ends it.
    await connected(server.port, "mortal");
    await watcher.expect(GONE);
  });

  it("is over when the client comes back (MQTT-3.1.3-9)", async () => {
    await later(4_000);
    const again = await RawClient.open(server.port);
    again.send(connectPacket("mortal", { flags: 0, properties: "11 00 00 00 0a" }));
    await again.expect(connack(1));
    await later(60_000);
    await watcher.expectNothing();
  });
});

it("with a delay and a session that ends with the connection goes out at once (3.1.3.2.2)", async () => {
  const mortal = await connected(server.port, "mortal", { flags: 0x06, rest: DELAYED });
  mortal.drop();
  await watcher.expect(GONE);
});

it("of a session that is taken over goes out too (3.1.4)", async () => {
  await connected(server.port, "mortal", { flags: 0x06, rest: WILL });
  await connected(server.port, "mortal");
  await watcher.expect(GONE);
});

it("that is retained is found later (MQTT-3.1.2-15)", async () => {
  const mortal = await connected(server.port, "mortal", { flags: 0x26, rest: WILL });
  mortal.drop();
  await watcher.expect(GONE);
  const late = await connected(server.port, "late");
  await subscribe(late, "wills/+", 0);
  await late.expect(publishPacket("wills/m", "gone", { retain: true }));
});
