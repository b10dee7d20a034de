/**
 * Bytes that no client may send: the connection ends, the reason is counted, and everybody else is served as before. Each row names
 * the clause of MQTT 3.1.1 that it breaks.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { bytes, packet, publishPacket, RawClient, subscribePacket, text } from "./support/raw-client.js";

let server: TestEdge;
let bystander: RawClient;
beforeAll(async () => {
  server = await startEdge();
});
afterAll(() => server.close());
beforeEach(async () => {
  bystander = await RawClient.connected(server.port, "bystander");
  bystander.send(subscribePacket(1, 1, "bystander/+"));
  await bystander.expect("90 03 00 01 01");
  server.metrics.counts.clear();
});
afterEach(async () => {
  bystander.drop();
  await until(() => server.edge.clients().length === 0);
});

async function bystanderIsServed(): Promise<void> {
  bystander.send(publishPacket("bystander/1", "ok", 9));
  const packets = [await bystander.takePacket(), await bystander.takePacket()];
  expect(packets.map((one) => one[0]).sort()).toEqual([0x32, 0x40]);
  bystander.send("40 02 00 01");
}

async function isRefused(client: RawClient, code: string): Promise<void> {
  await client.expectClosed();
  expect([...server.metrics.counts].filter(([name]) => name.startsWith("refused"))).toEqual([
    [`refused ${code}`, 1],
  ]);
  await bystanderIsServed();
}

type Row = readonly [string, string | Buffer, string];

describe("as the first packet", () => {
  const rows: readonly Row[] = [
    ["PINGREQ before CONNECT (MQTT-3.1.0-1)", "c0 00", "protocol_violation"],
    ["PUBLISH before CONNECT (MQTT-3.1.0-1)", publishPacket("a", "b"), "protocol_violation"],
    ["type 0 (2.2.1)", "00 00", "protocol_violation"],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "protocol_violation"],
    [
      "CONNECT with reserved flags (MQTT-2.2.2-2)",
      "11 0e 00 04 'MQTT' 04 02 00 3c 00 02 'ab'",
      "malformed_packet",
    ],
    [
      "CONNECT of another protocol (MQTT-3.1.2-1)",
      "10 0e 00 04 'MOTT' 04 02 00 3c 00 02 'ab'",
      "protocol_violation",
    ],
    [
      "CONNECT with its reserved flag set (MQTT-3.1.2-3)",
      "10 0e 00 04 'MQTT' 04 03 00 3c 00 02 'ab'",
      "malformed_packet",
    ],
    [
      "will QoS without a will (MQTT-3.1.2-13)",
      "10 0e 00 04 'MQTT' 04 0a 00 3c 00 02 'ab'",
      "malformed_packet",
    ],
    [
      "will QoS 3 (MQTT-3.1.2-14)",
      "10 14 00 04 'MQTT' 04 1e 00 3c 00 02 'ab' 00 01 't' 00 01 'w'",
      "malformed_packet",
    ],
    [
      "will retain without a will (MQTT-3.1.2-15)",
      "10 0e 00 04 'MQTT' 04 22 00 3c 00 02 'ab'",
      "malformed_packet",
    ],
    [
      "a password without a user name (MQTT-3.1.2-22)",
      "10 11 00 04 'MQTT' 04 42 00 3c 00 02 'ab' 00 01 'p'",
      "malformed_packet",
    ],
    [
      "a user name that is promised and missing (MQTT-3.1.2-19)",
      "10 0e 00 04 'MQTT' 04 82 00 3c 00 02 'ab'",
      "malformed_packet",
    ],
    [
      "a client id that is not UTF-8 (MQTT-1.5.3-1)",
      "10 0e 00 04 'MQTT' 04 02 00 3c 00 02 c3 28",
      "malformed_packet",
    ],
    [
      "a client id with an encoded surrogate (MQTT-1.5.3-1)",
      "10 0f 00 04 'MQTT' 04 02 00 3c 00 03 ed a0 80",
      "malformed_packet",
    ],
    [
      "a client id with NUL (MQTT-1.5.3-2)",
      "10 0e 00 04 'MQTT' 04 02 00 3c 00 02 'a' 00",
      "malformed_packet",
    ],
    [
      "a user name that is not UTF-8 (MQTT-3.1.3-11)",
      "10 11 00 04 'MQTT' 04 82 00 3c 00 02 'ab' 00 01 ff",
      "malformed_packet",
    ],
    [
      "a will topic that is not UTF-8 (MQTT-3.1.3-10)",
      "10 14 00 04 'MQTT' 04 06 00 3c 00 02 'ab' 00 01 ff 00 01 'w'",
      "malformed_packet",
    ],
    [
      "a will topic with a wildcard",
      "10 14 00 04 'MQTT' 04 06 00 3c 00 02 'ab' 00 01 '#' 00 01 'w'",
      "invalid_topic",
    ],
    [
      "an empty will topic (MQTT-4.7.3-1)",
      "10 13 00 04 'MQTT' 04 06 00 3c 00 02 'ab' 00 00 00 01 'w'",
      "invalid_topic",
    ],
    [
      "a will topic of the broker's own",
      "10 16 00 04 'MQTT' 04 06 00 3c 00 02 'ab' 00 03 '$SY' 00 01 'w'",
      "invalid_topic",
    ],
    ["a client id beyond the packet's end", "10 0e 00 04 'MQTT' 04 02 00 3c 00 09 'ab'", "malformed_packet"],
    ["bytes after the last field", "10 0f 00 04 'MQTT' 04 02 00 3c 00 02 'ab' 00", "malformed_packet"],
    ["CONNECT that stops after its name", "10 06 00 04 'MQTT'", "malformed_packet"],
    ["CONNECT without a body", "10 00", "malformed_packet"],
    ["five bytes of remaining length (2.2.3)", "10 80 80 80 80 01", "malformed_packet"],
    ["a CONNECT above 64 KiB, refused by its header alone", "10 81 80 04", "packet_too_large"],
    ["a CONNECT of 256 MiB, refused by its header alone", "10 ff ff ff 7f", "packet_too_large"],
  ];
  it.each(rows)("%s", async (_what, script, code) => {
    const client = await RawClient.open(server.port);
    client.send(script);
    await isRefused(client, code);
  });
});

describe("from a connected client", () => {
  const deep = Array.from({ length: limits.topicLevelsMax + 1 }, () => "a").join("/");
  const rows: readonly Row[] = [
    ["type 0 (2.2.1)", "00 00", "protocol_violation"],
    ["type 0, by its first byte alone (2.2.1)", "0a", "protocol_violation"],
    ["type 15 (2.2.1)", "f0 00", "malformed_packet"],
    ["CONNACK, which servers send (2.2.1)", "20 02 00 00", "protocol_violation"],
    ["SUBACK, which servers send (2.2.1)", "90 03 00 01 00", "protocol_violation"],
    ["UNSUBACK, which servers send (2.2.1)", "b0 02 00 01", "protocol_violation"],
    ["PINGRESP, which servers send (2.2.1)", "d0 00", "protocol_violation"],
    ["PINGREQ with reserved flags (MQTT-2.2.2-2)", "c1 00", "malformed_packet"],
    ["PINGREQ with a body (3.12)", "c0 01 00", "malformed_packet"],
    ["DISCONNECT with reserved flags (MQTT-3.14.1-1)", "e1 00", "malformed_packet"],
    ["DISCONNECT with a body (3.14)", "e0 01 00", "malformed_packet"],
    ["PUBACK with reserved flags (MQTT-2.2.2-2)", "42 02 00 01", "malformed_packet"],
    ["PUBACK with packet id 0 (MQTT-2.3.1-1)", "40 02 00 00", "protocol_violation"],
    ["PUBACK that is too short (3.4)", "40 01 00", "malformed_packet"],
    ["PUBACK that is too long (3.4)", "40 03 00 01 00", "malformed_packet"],
    ["PUBREL with flags 0 (MQTT-3.6.1-1)", "60 02 00 01", "malformed_packet"],
    ["PUBLISH at QoS 3 (MQTT-3.3.1-4)", "36 06 00 01 'a' 00 01 'b'", "malformed_packet"],
    ["PUBLISH at QoS 0 with DUP (MQTT-3.3.1-2)", "38 04 00 01 'a' 'b'", "malformed_packet"],
    ["PUBLISH with packet id 0 (MQTT-2.3.1-1)", "32 06 00 01 'a' 00 00 'b'", "protocol_violation"],
    ["PUBLISH with an empty topic (MQTT-4.7.3-1)", "30 03 00 00 'b'", "malformed_packet"],
    ["PUBLISH to # (MQTT-3.3.2-2)", "30 04 00 01 '#' 'b'", "malformed_packet"],
    ["PUBLISH to a/+ (MQTT-3.3.2-2)", "30 06 00 03 'a/+' 'b'", "malformed_packet"],
    ["PUBLISH to a topic with NUL (MQTT-1.5.3-2)", "30 05 00 02 'a' 00 'b'", "malformed_packet"],
    ["PUBLISH to a topic that is not UTF-8 (MQTT-1.5.3-1)", "30 05 00 02 c3 28 'b'", "malformed_packet"],
    [
      "PUBLISH to a topic with an encoded surrogate (MQTT-1.5.3-1)",
      "30 06 00 03 ed a0 80 'b'",
      "malformed_packet",
    ],
    ["PUBLISH with a topic beyond its end", "30 03 00 05 'a'", "malformed_packet"],
    ["PUBLISH without room for a topic length", "30 01 00", "malformed_packet"],
    ["PUBLISH without a body", "30 00", "malformed_packet"],
    ["PUBLISH at QoS 1 without room for a packet id", "32 04 00 01 'a' 00", "malformed_packet"],
    ["PUBLISH at QoS 1 to a topic that is too deep", publishPacket(deep, "b", 1), "invalid_topic"],
    [
      "PUBLISH at QoS 1 to a topic that is too long",
      publishPacket("a".repeat(limits.topicBytesMax + 1), "b", 1),
      "invalid_topic",
    ],
    ["a huge PUBLISH, refused by its header alone", "30 ff ff ff 7f", "packet_too_large"],
    [
      "a payload above the ceiling under a short topic",
      packet(0x30, text("a"), Buffer.alloc(1024 * 1024 + 1)),
      "payload_too_large",
    ],
    ["SUBSCRIBE with flags 0 (MQTT-3.8.1-1)", "80 06 00 01 00 01 'a' 00", "malformed_packet"],
    ["SUBSCRIBE with packet id 0 (MQTT-2.3.1-1)", "82 06 00 00 00 01 'a' 00", "malformed_packet"],
    ["SUBSCRIBE without a filter (MQTT-3.8.3-3)", "82 02 00 01", "malformed_packet"],
    ["SUBSCRIBE without a packet id", "82 01 00", "malformed_packet"],
    ["SUBSCRIBE without a body", "82 00", "malformed_packet"],
    ["SUBSCRIBE at QoS 3 (MQTT-3-8.3-4)", "82 06 00 01 00 01 'a' 03", "malformed_packet"],
    ["SUBSCRIBE with reserved QoS bits (MQTT-3-8.3-4)", "82 06 00 01 00 01 'a' 04", "malformed_packet"],
    ["SUBSCRIBE whose last filter has no QoS", "82 05 00 01 00 01 'a'", "malformed_packet"],
    ["SUBSCRIBE whose filter goes beyond its end", "82 06 00 01 00 05 'a' 00", "malformed_packet"],
    [
      "SUBSCRIBE with a filter that is not UTF-8 (MQTT-3.8.3-1)",
      "82 07 00 01 00 02 c3 28 00",
      "malformed_packet",
    ],
    ["SUBSCRIBE with # that is not last (MQTT-4.7.1-2)", "82 0a 00 01 00 05 'a/#/b' 00", "malformed_packet"],
    ["SUBSCRIBE with # beside another (MQTT-4.7.1-2)", "82 07 00 01 00 02 'a#' 00", "malformed_packet"],
    ["SUBSCRIBE with + beside another (MQTT-4.7.1-3)", "82 09 00 01 00 04 'a+/b' 00", "malformed_packet"],
    ["SUBSCRIBE with an empty filter (MQTT-4.7.3-1)", "82 05 00 01 00 00 00", "malformed_packet"],
    ["SUBSCRIBE with a control character (1.5.3)", "82 07 00 01 00 02 'a' 07 00", "malformed_packet"],
    ["SUBSCRIBE with a filter with NUL (MQTT-1.5.3-2)", "82 07 00 01 00 02 'a' 00 00", "malformed_packet"],
    ["UNSUBSCRIBE with flags 0 (MQTT-3.10.1-1)", "a0 05 00 01 00 01 'a'", "malformed_packet"],
    ["UNSUBSCRIBE with packet id 0 (MQTT-2.3.1-1)", "a2 05 00 00 00 01 'a'", "malformed_packet"],
    ["UNSUBSCRIBE without a filter (MQTT-3.10.3-2)", "a2 02 00 01", "malformed_packet"],
    [
      "UNSUBSCRIBE with a filter that is not UTF-8 (MQTT-3.10.3-1)",
      "a2 06 00 01 00 02 c3 28",
      "malformed_packet",
    ],
    ["five bytes of remaining length (2.2.3)", "30 80 80 80 80 01", "malformed_packet"],
    ["a SUBSCRIBE of 256 MiB, refused by its header alone", "82 ff ff ff 7f", "packet_too_large"],
    [
      "more filters in one packet than a connection may have",
      subscribePacket(
        1,
        0,
        ...Array.from({ length: limits.subscriptionsPerConnectionMax + 1 }, (_, i) => `f${i}`),
      ),
      "too_many_subscriptions",
    ],
  ];
  it.each(rows)("%s", async (_what, script, code) => {
    const client = await RawClient.connected(server.port, "culprit");
    client.send(script);
    await isRefused(client, code);
  });

  it("nothing after the bad packet is handled", async () => {
    const client = await RawClient.connected(server.port, "culprit");
    client.send(Buffer.concat([bytes("c1 00"), publishPacket("bystander/2", "late", 1)]));
    await isRefused(client, "malformed_packet");
  });

  it("what came before the bad packet is handled", async () => {
    const client = await RawClient.connected(server.port, "culprit");
    client.send(Buffer.concat([publishPacket("bystander/2", "early"), bytes("c1 00")]));
    await client.expectClosed();
    await bystander.expect("30 12 00 0b 'bystander/2' 'early'");
  });
});

describe("what looks bad and is not", () => {
  let client: RawClient;
  beforeEach(async () => {
    client = await RawClient.connected(server.port, "honest");
  });
  afterEach(() => client.drop());

  it("PUBACK of an id that is not in use is passed over", async () => {
    client.send("40 02 12 34");
    await client.expectNothing();
  });

  it("packets of a QoS 2 exchange that never began are answered as if it had (4.4)", async () => {
    client.send("70 02 00 01 62 02 00 02 50 02 00 03");
    await client.expect("70 02 00 02 62 02 00 03");
  });

  it("PUBLISH to a $ topic is acknowledged, dropped and counted (MQTT-3.3.5-2)", async () => {
    client.send(Buffer.concat([publishPacket("$SYS/x", "b", 1), bytes("34 09 00 04 '$SYS' 00 02 'b'")]));
    await client.expect("40 02 00 01 50 02 00 02");
    expect(server.metrics.of("dropped invalid_topic")).toBe(2);
    expect(server.broker.topics("$", null, 1)).toEqual([]);
  });

  it.each([
    ["to a $ topic", "$SYS/x"],
    ["to a topic that is too deep", Array.from({ length: limits.topicLevelsMax + 1 }, () => "a").join("/")],
    ["to a topic that is too long", "a".repeat(limits.topicBytesMax + 1)],
  ])("PUBLISH at QoS 0 %s is dropped and counted", async (_what, topic) => {
    client.send(publishPacket(topic, "b"));
    await client.expectNothing();
    expect(server.metrics.of("dropped invalid_topic")).toBe(1);
  });

  it("a topic may be empty levels, spaces and U+FEFF (4.7.3, MQTT-1.5.3-3)", async () => {
    for (const [index, topic] of ["/", "//", " ", "\ufeffa", "\ufffd"].entries()) {
      client.send(publishPacket(topic, "b", index + 1));
      await client.expect(Buffer.from([0x40, 2, 0, index + 1]));
    }
    expect(server.broker.topics("\ufeff", null, 1).map(({ name }) => name)).toEqual(["\ufeffa"]);
  });

  it("a connection without a byte does not hold others up", async () => {
    const silent = await RawClient.open(server.port);
    await client.expectNothing();
    silent.drop();
  });
});
