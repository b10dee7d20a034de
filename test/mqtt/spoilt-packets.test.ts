/** Packets with a few bytes changed, sent to a running server: the client is served or closed, and nothing in the server breaks. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { GOOD_PACKETS } from "../unit/mqtt/packets/good-packets.js";
import { startEdge, type TestEdge } from "./support/edge.js";
import {
  connectPacket as connect4,
  publishPacket,
  RawClient,
  subscribePacket,
} from "./support/raw-client.js";
import { connectPacket } from "./support/v5.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(() => server.close());

const RUNS = 400;

const level = fc.constantFrom(4 as const, 5 as const);
const packets = level.chain((one) =>
  fc.record({
    level: fc.constant(one),
    packets: fc.array(fc.constantFrom(...GOOD_PACKETS[one]), { minLength: 1, maxLength: 3 }),
  }),
);
const changes = fc.array(fc.record({ at: fc.nat(300), byte: fc.integer({ min: 0, max: 255 }) }), {
  maxLength: 3,
});

/** Half of the clients begin with a good CONNECT. */
async function play(
  given: { level: 4 | 5; packets: readonly Buffer[] },
  edits: readonly { at: number; byte: number }[],
  isConnected: boolean,
): Promise<void> {
  const spoilt = Buffer.concat(given.packets);
  for (const { at, byte } of edits) spoilt[at % spoilt.length] = byte;
  const client = await RawClient.open(server.port);
  if (isConnected) {
    client.send(given.level === 4 ? connect4("spoilt") : connectPacket("spoilt"));
    await client.takePacket();
  }
  client.send(spoilt);
  await client.leave();
}

it("harm nobody", { timeout: 60_000 }, async () => {
  const bystander = await RawClient.connected(server.port, "bystander");
  bystander.send(subscribePacket(1, 0, "bystander"));
  await bystander.expect("90 03 00 01 00");
  await fc.assert(fc.asyncProperty(packets, changes, fc.boolean(), play), { numRuns: RUNS });
  expect(server.metrics.of("refused internal")).toBe(0);
  bystander.send(publishPacket("bystander", "still here"));
  await bystander.expect(publishPacket("bystander", "still here"));
});
