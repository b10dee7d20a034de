/** A WebSocket is no way round the rules of MQTT: what ends a connection over TCP ends it here too, for the same reason, and nobody else's. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { until } from "../mqtt/support/edge.js";
import { bytes, connectPacket, publishPacket, RawClient } from "../mqtt/support/raw-client.js";
import type { RawConnection } from "../support/raw-http.js";
import { clientFrame, Opcode } from "../support/websocket-frames.js";
import { closeAll, closeCodeOn } from "../support/websocket-host.js";
import {
  binary,
  closedInOrder,
  mqttIn,
  startWebSocketMqtt,
  type WebSocketMqtt,
} from "../support/websocket-mqtt.js";

let server: WebSocketMqtt;
let bystander: RawClient;
beforeAll(async () => {
  server = await startWebSocketMqtt();
  bystander = await RawClient.connected(server.mqtt.port, "bystander");
});
afterAll(async () => {
  bystander.drop();
  await closeAll();
  await server.close();
});

async function isRefused(raw: RawConnection, code: string): Promise<void> {
  await closedInOrder(raw);
  const { counts } = server.mqtt.metrics;
  expect([...counts].filter(([name]) => name.startsWith("refused"))).toEqual([[`refused ${code}`, 1]]);
  counts.clear();
  await bystander.expectNothing();
}

async function connected(): Promise<RawConnection> {
  const raw = await server.open();
  raw.send(binary(connectPacket("culprit")));
  await raw.until((text) => mqttIn(text).equals(bytes("20 02 00 00")));
  return raw;
}

const deep = Array.from({ length: limits.topicLevelsMax + 1 }, () => "a").join("/");

describe("from a stranger", () => {
  it.each<[string, string, string]>([
    ["a CONNECT of 256 MiB, refused by its header alone", "10 ff ff ff 7f", "packet_too_large"],
    ["five bytes of remaining length", "10 80 80 80 80 01", "malformed_packet"],
    ["PINGREQ before CONNECT", "c0 00", "protocol_violation"],
    ["a client id that is not UTF-8", "10 0e 00 04 'MQTT' 04 02 00 3c 00 02 c3 28", "malformed_packet"],
    ["a client id with NUL", "10 0e 00 04 'MQTT' 04 02 00 3c 00 02 'a' 00", "malformed_packet"],
    ["will QoS 3", "10 14 00 04 'MQTT' 04 1e 00 3c 00 02 'ab' 00 01 't' 00 01 'w'", "malformed_packet"],
    [
      "a will topic of the broker's own",
      "10 16 00 04 'MQTT' 04 06 00 3c 00 02 'ab' 00 03 '$SY' 00 01 'w'",
      "invalid_topic",
    ],
  ])("%s", async (_what, script, code) => {
    const raw = await server.open();
    raw.send(binary(bytes(script)));
    await isRefused(raw, code);
  });
});

describe("from a connected client", () => {
  it.each<[string, string | Buffer, string]>([
    ["a PUBLISH of 256 MiB, refused by its header alone", "30 ff ff ff 7f", "packet_too_large"],
    ["CONNACK, which servers send", "20 02 00 00", "protocol_violation"],
    ["PINGREQ with reserved flags", "c1 00", "malformed_packet"],
    ["PUBLISH at QoS 3", "36 06 00 01 'a' 00 01 'b'", "malformed_packet"],
    ["PUBLISH with packet id 0", "32 06 00 01 'a' 00 00 'b'", "protocol_violation"],
    ["PUBLISH with an empty topic", "30 03 00 00 'b'", "malformed_packet"],
    ["PUBLISH to a topic with NUL", "30 05 00 02 'a' 00 'b'", "malformed_packet"],
    ["PUBLISH to a topic that is not UTF-8", "30 05 00 02 c3 28 'b'", "malformed_packet"],
    ["PUBLISH at QoS 1 to a topic that is too deep", publishPacket(deep, "b", 1), "invalid_topic"],
    ["SUBSCRIBE with a filter with NUL", "82 07 00 01 00 02 'a' 00 00", "malformed_packet"],
  ])("%s", async (_what, script, code) => {
    const raw = await connected();
    raw.send(binary(typeof script === "string" ? bytes(script) : script));
    await isRefused(raw, code);
  });

  it("fragments of one byte without an end: cut off after some thousands, not after the ceiling's millions", async () => {
    const raw = await connected();
    raw.clear();
    raw.send(clientFrame(Opcode.Binary, "0", { fin: false }));
    const fragments = Buffer.concat(
      Array.from({ length: 32_768 }, () => clientFrame(Opcode.Continuation, "0", { fin: false })),
    );
    raw.send(fragments);
    expect(await closeCodeOn(raw)).toBe(1008);
    await raw.closed();
    await bystander.expectNothing();
    await until(() => server.mqtt.edge.clients().length === 1);
  });
});
