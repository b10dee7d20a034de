/**
 * Bytes that no client of MQTT 5.0 may send: DISCONNECT says why, the connection ends, and everybody else is served as before. The decoders'
 * own tables are longer; here each kind of refusal goes through a running server.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { packet, type RawClient, text } from "./support/raw-client.js";
import { connected, publish, publishPacket, subscribe } from "./support/v5.js";

let server: TestEdge;
let bystander: RawClient;
beforeAll(async () => {
  server = await startEdge();
});
afterAll(() => server.close());
beforeEach(async () => {
  bystander = await connected(server.port, "bystander");
  await subscribe(bystander, "bystander/+", 0);
  server.metrics.counts.clear();
});
afterEach(async () => {
  bystander.drop();
  await until(() => server.edge.clients().length === 0);
});

type Row = readonly [what: string, script: string | Buffer, reason: string, code: string];

const rows: readonly Row[] = [
  ["type 0 (2.1.2)", "00 00", "82", "protocol_violation"],
  ["type 0, by its first byte alone (2.1.2)", "0a", "82", "protocol_violation"],
  ["CONNACK, which servers send (2.1.2)", "20 03 00 00 00", "82", "protocol_violation"],
  ["SUBACK, which servers send (2.1.2)", "90 04 00 01 00 00", "82", "protocol_violation"],
  ["UNSUBACK, which servers send (2.1.2)", "b0 04 00 01 00 00", "82", "protocol_violation"],
  ["PINGRESP, which servers send (2.1.2)", "d0 00", "82", "protocol_violation"],
  ["PINGREQ with reserved flags (MQTT-2.1.3-1)", "c1 00", "81", "malformed_packet"],
  ["PINGREQ with a body (3.12)", "c0 01 00", "81", "malformed_packet"],
  ["DISCONNECT with reserved flags (MQTT-3.14.1-1)", "e1 00", "81", "malformed_packet"],
  ["PUBREL with flags 0 (MQTT-3.6.1-1)", "60 02 00 01", "81", "malformed_packet"],
  ["AUTH with reserved flags (MQTT-3.15.1-1)", "f1 00", "81", "malformed_packet"],
  [
    "AUTH from who did not begin with it (MQTT-4.12.0-7)",
    "f0 06 19 04 15 00 01 'm'",
    "82",
    "protocol_violation",
  ],
  ["PUBLISH at QoS 3 (MQTT-3.3.1-4)", "36 07 00 01 'a' 00 01 00 'b'", "81", "malformed_packet"],
  ["PUBLISH at QoS 0 with DUP (MQTT-3.3.1-2)", "38 05 00 01 'a' 00 'b'", "81", "malformed_packet"],
  ["PUBLISH with packet id 0 (MQTT-2.2.1-3)", "32 07 00 01 'a' 00 00 00 'b'", "82", "protocol_violation"],
  ["PUBLISH with neither topic nor alias (3.3.2.3.4)", "30 04 00 00 00 'b'", "82", "protocol_violation"],
  ["PUBLISH to a wildcard (MQTT-3.3.2-2)", "30 05 00 01 '#' 00 'b'", "81", "malformed_packet"],
  ["PUBLISH to a topic with NUL (MQTT-1.5.4-2)", "30 06 00 02 'a' 00 00 'b'", "81", "malformed_packet"],
  [
    "PUBLISH to a topic with a control character (1.5.4)",
    "30 06 00 02 'a' 07 00 'b'",
    "81",
    "malformed_packet",
  ],
  [
    "PUBLISH to a topic that is not UTF-8 (MQTT-1.5.4-1)",
    "30 06 00 02 c3 28 00 'b'",
    "81",
    "malformed_packet",
  ],
  ["PUBLISH without a property length", "30 03 00 01 'a'", "81", "malformed_packet"],
  [
    "PUBLISH with a subscription identifier (MQTT-3.3.4-6)",
    publishPacket("a", "b", { properties: "0b 01" }),
    "82",
    "protocol_violation",
  ],
  [
    "PUBLISH with a property of another packet (2.2.2.2)",
    publishPacket("a", "b", { properties: "11 00 00 00 01" }),
    "82",
    "protocol_violation",
  ],
  [
    "PUBLISH with a property that there is not (2.2.2.2)",
    publishPacket("a", "b", { properties: "04 01" }),
    "81",
    "malformed_packet",
  ],
  [
    "PUBLISH with payload format 2 (3.3.2.3.2)",
    publishPacket("a", "b", { properties: "01 02" }),
    "82",
    "protocol_violation",
  ],
  [
    "PUBLISH with a response topic that is a filter (MQTT-3.3.2-14)",
    publishPacket("a", "b", { properties: "08 00 01 '#'" }),
    "82",
    "protocol_violation",
  ],
  [
    "PUBLISH with topic alias 0 (MQTT-3.3.2-8)",
    publishPacket("a", "b", { properties: "23 00 00" }),
    "94",
    "topic_alias_invalid",
  ],
  [
    "PUBLISH with a topic alias above the maximum (MQTT-3.2.2-17)",
    publishPacket("a", "b", { properties: "23 00 41" }),
    "94",
    "topic_alias_invalid",
  ],
  [
    "PUBLISH with an alias that stands for nothing (3.3.2.3.4)",
    publishPacket("", "b", { properties: "23 00 01" }),
    "82",
    "protocol_violation",
  ],
  ["a huge PUBLISH, refused by its header alone (3.2.2.3.6)", "30 ff ff ff 7f", "95", "packet_too_large"],
  [
    "a payload above the ceiling",
    packet(0x30, text("a"), Buffer.alloc(1 + 1024 * 1024 + 1)),
    "95",
    "payload_too_large",
  ],
  ["PUBACK with packet id 0 (MQTT-2.2.1-3)", "40 02 00 00", "82", "protocol_violation"],
  ["PUBACK that is too short", "40 01 00", "81", "malformed_packet"],
  ["PUBACK with a reason that it does not have (MQTT-3.4.2-1)", "40 03 00 01 92", "82", "protocol_violation"],
  [
    "PUBCOMP with a reason that it does not have (MQTT-3.7.2-1)",
    "70 03 00 01 80",
    "82",
    "protocol_violation",
  ],
  [
    "PUBREC with a reason string twice (3.5.2.2.2)",
    "50 0c 00 01 00 08 1f 00 01 'a' 1f 00 01 'a'",
    "82",
    "protocol_violation",
  ],
  ["SUBSCRIBE with flags 0 (MQTT-3.8.1-1)", "80 07 00 01 00 00 01 'a' 00", "81", "malformed_packet"],
  ["SUBSCRIBE with packet id 0 (MQTT-2.2.1-3)", "82 07 00 00 00 00 01 'a' 00", "81", "malformed_packet"],
  ["SUBSCRIBE without a filter (MQTT-3.8.3-2)", "82 03 00 01 00", "81", "malformed_packet"],
  ["SUBSCRIBE at QoS 3", "82 07 00 01 00 00 01 'a' 03", "81", "malformed_packet"],
  ["SUBSCRIBE with retain handling 3 (3.8.3.1)", "82 07 00 01 00 00 01 'a' 30", "81", "malformed_packet"],
  [
    "SUBSCRIBE with reserved option bits (MQTT-3.8.3-5)",
    "82 07 00 01 00 00 01 'a' 40",
    "81",
    "malformed_packet",
  ],
  [
    "SUBSCRIBE with subscription identifier 0 (3.8.2.1.2)",
    "82 09 00 01 02 0b 00 00 01 'a' 00",
    "82",
    "protocol_violation",
  ],
  [
    "SUBSCRIBE to a share with no local (MQTT-3.8.3-4)",
    "82 10 00 01 00 00 0a '$share/g/a' 04",
    "82",
    "protocol_violation",
  ],
  ["SUBSCRIBE to what is no filter (MQTT-4.7.1-1)", "82 08 00 01 00 00 02 'a#' 00", "81", "malformed_packet"],
  ["UNSUBSCRIBE with flags 0 (MQTT-3.10.1-1)", "a0 06 00 01 00 00 01 'a'", "81", "malformed_packet"],
  ["UNSUBSCRIBE without a filter (MQTT-3.10.3-2)", "a2 03 00 01 00", "81", "malformed_packet"],
  ["a remaining length in more bytes than it needs (MQTT-1.5.5-1)", "c0 80 00", "81", "malformed_packet"],
];

describe("the client is told why, and closed", () => {
  it.each(rows)("%s", async (_what, script, reason, code) => {
    const client = await connected(server.port, "culprit");
    client.send(script);
    await client.expect(`e0 01 ${reason}`);
    await client.expectClosed();
    expect([...server.metrics.counts].filter(([name]) => name.startsWith("refused"))).toEqual([
      [`refused ${code}`, 1],
    ]);
    const honest = await connected(server.port, "honest");
    await publish(honest, "bystander/1", "ok");
    await bystander.expect(publishPacket("bystander/1", "ok"));
    honest.drop();
  });
});

it("five bytes of remaining length may be anything, and are closed without a word (1.5.5)", async () => {
  const client = await connected(server.port, "culprit");
  client.send("30 80 80 80 80 01");
  await client.expectClosed();
});
