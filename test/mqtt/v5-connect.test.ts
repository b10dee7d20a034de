/** CONNECT and CONNACK of MQTT 5.0 (3.1, 3.2), byte for byte, and how a connection ends (3.14, 4.13). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../support/manual-clock.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { bytes, RawClient } from "./support/raw-client.js";
import { connack, connected, connectPacket, KEPT, publishPacket } from "./support/v5.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(() => server.close());

async function answer(packet: Buffer, port = server.port): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.send(packet);
  return client;
}

describe("a CONNECT that is accepted", () => {
  it("is told the server's limits (3.2.2.3)", async () => {
    const client = await answer(connectPacket("a"));
    await client.expect("20 0e 00 00 0b 21 04 00 27 00 11 04 0d 22 00 40");
    await client.expectNothing();
  });

  it.each([
    ["user name and password", { flags: 0xc2, rest: "00 01 'u' 00 01 'p'" }],
    ["a password alone (3.1.2.9)", { flags: 0x42, rest: "00 01 'p'" }],
    ["a will", { flags: 0x06, rest: "00 00 01 't' 00 01 'w'" }],
    ["all limits of its own", { properties: "21 00 01 22 00 01 27 00 00 01 00" }],
    ["user properties", { properties: "26 00 01 'a' 00 01 'b' 26 00 01 'a' 00 01 'b'" }],
  ])("may have %s", async (_what, options) => {
    const client = await connected(server.port, "a", options);
    await client.expectNothing();
  });

  it("without a client id is told the one that it gets (3.2.2.3.7)", async () => {
    const client = await answer(connectPacket(""));
    const packet = await client.takePacket();
    const id = server.edge.clients()[0]?.id;
    expect(id).toMatch(/^jangada-[a-z0-9]{20}$/);
    expect(packet).toEqual(connack(0, { middle: `12 00 1c '${id}'` }));
  });

  it("is told where answers to its requests may go, if it asks (3.1.2.11.6)", async () => {
    const client = await answer(connectPacket("a/b c", { properties: "19 01" }));
    await client.expect(connack(0, { last: "1a 00 13 '_response/a%2Fb%20c'" }));
  });

  it("is told that its keep-alive is too long, or that it has one (MQTT-3.2.2-21, 3.2.2-22)", async () => {
    const strict = await startEdge({ keepAliveSecondsMax: 30 });
    for (const [id, keepAlive, told] of [
      ["a", 60, "13 00 1e"],
      ["b", 0, "13 00 1e"],
      ["c", 29, ""],
    ] as const) {
      const client = await answer(connectPacket(id, { keepAlive }), strict.port);
      await client.expect(connack(0, { last: told }));
    }
    await strict.close();
  });

  it("is told that its session will not last so long (3.2.2.3.2)", async () => {
    const strict = await startEdge({ sessionExpirySecondsMax: 100 });
    const client = await answer(connectPacket("a", { properties: "11 ff ff ff ff" }), strict.port);
    await client.expect(connack(0, { first: "11 00 00 00 64" }));
    await strict.close();
  });

  it("is told whether its session was there (MQTT-3.2.2-2, 3.2.2-3, 3.1.2-4 to 3.1.2-6)", async () => {
    const first = await answer(connectPacket("a", KEPT));
    await first.expect(connack(0));
    first.send("e0 00");
    await first.expectClosed();
    const second = await answer(connectPacket("a", KEPT));
    await second.expect(connack(1));
    second.drop();
    await until(() => server.edge.clients().length === 0);
    const third = await answer(connectPacket("a", { ...KEPT, flags: 0x02 }));
    await third.expect(connack(0));
  });

  it("has no session left when that was to end with the connection (MQTT-3.1.2-23)", async () => {
    const first = await connected(server.port, "a", { flags: 0 });
    first.send("e0 00");
    await first.expectClosed();
    await connected(server.port, "a", { flags: 0 });
  });
});

describe("a CONNECT that is refused", () => {
  const rows: readonly (readonly [string, string | Buffer, string, string])[] = [
    [
      "an unknown level (MQTT-3.1.2-2)",
      "10 0f 00 04 'MQTT' 06 02 00 3c 00 00 02 'ab'",
      "84",
      "unsupported_protocol_version",
    ],
    ["its reserved flag (MQTT-3.1.2-3)", connectPacket("a", { flags: 0x03 }), "81", "malformed_packet"],
    [
      "will QoS 3 (MQTT-3.1.2-12)",
      connectPacket("a", { flags: 0x1e, rest: "00 00 01 't' 00 01 'w'" }),
      "81",
      "malformed_packet",
    ],
    [
      "a remaining length in more bytes than it needs (MQTT-1.5.5-1)",
      "10 8f 00 00 04 'MQTT' 05 02 00 3c 00 00 02 'ab'",
      "81",
      "malformed_packet",
    ],
    ["no keep-alive", "10 08 00 04 'MQTT' 05 02", "81", "malformed_packet"],
    [
      "a user name that is missing (MQTT-3.1.2-17)",
      connectPacket("a", { flags: 0x82 }),
      "81",
      "malformed_packet",
    ],
    [
      "a property of another packet (2.2.2.2)",
      connectPacket("a", { properties: "23 00 01" }),
      "82",
      "protocol_violation",
    ],
    [
      "the same property twice (3.1.2.11.2)",
      connectPacket("a", { properties: "11 00 00 00 01 11 00 00 00 01" }),
      "82",
      "protocol_violation",
    ],
    [
      "a receive maximum of 0 (3.1.2.11.3)",
      connectPacket("a", { properties: "21 00 00" }),
      "82",
      "protocol_violation",
    ],
    ["a client id with NUL (MQTT-1.5.4-2)", connectPacket("a\0"), "85", "malformed_packet"],
    ["a client id with a control character (3.1.3.1)", connectPacket("a\n"), "85", "identifier_rejected"],
    [
      "an authentication method that is not served (MQTT-4.12.0-1)",
      connectPacket("a", { properties: "15 00 01 'm'" }),
      "8c",
      "bad_authentication_method",
    ],
    [
      "a will to a wildcard",
      connectPacket("a", { flags: 0x06, rest: "00 00 01 '#' 00 01 'w'" }),
      "90",
      "invalid_topic",
    ],
    [
      "a will that is said to be UTF-8 and is not (3.1.3.2.3)",
      connectPacket("a", { flags: 0x06, rest: "02 01 01 00 01 't' 00 01 ff" }),
      "99",
      "payload_format_invalid",
    ],
  ];
  it.each(rows)("for %s", async (_what, packet, reason, code) => {
    const client = await RawClient.open(server.port);
    client.send(packet);
    await client.expect(`20 03 00 ${reason} 00`);
    await client.expectClosed();
    expect(server.metrics.of(`refused ${code}`)).toBe(1);
    expect(server.edge.clients()).toEqual([]);
  });

  it("past the ceiling of connections (3.2.2.2: server busy)", async () => {
    const small = await startEdge({ connectionsMax: 1 });
    await connected(small.port, "a");
    const second = await answer(connectPacket("b"), small.port);
    await second.expect("20 03 00 89 00");
    await second.expectClosed();
    await small.close();
  });

  it("while there is no leader (3.2.2.2: server unavailable)", async () => {
    server.broker.refusal = "no_leader";
    const client = await answer(connectPacket("a"));
    await client.expect("20 03 00 88 00");
    await client.expectClosed();
  });

  it("is told in words, unless it does not want them (3.1.2.11.7)", async () => {
    const packet = bytes("10 13 00 04 'MQTT' 05 02 00 3c 04 15 00 01 'm' 00 02 'ab'");
    const client = await answer(packet);
    const refusal = await client.takePacket();
    expect(refusal.subarray(2, 4)).toEqual(bytes("00 8c"));
    expect(refusal[5]).toBe(0x1f);
    await client.expectClosed();
  });

  it("is not told anything when the answer is longer than it takes (MQTT-3.1.2-24)", async () => {
    const client = await answer(connectPacket("a", { properties: "27 00 00 00 04" }));
    await client.expectClosed();
    expect(server.metrics.of("refused packet_too_large")).toBe(1);
  });

  it.each([
    ["another first packet (MQTT-3.1.0-1)", "c0 00"],
    ["AUTH first (MQTT-3.1.0-1)", "f0 00"],
    ["flags in the fixed header (MQTT-2.1.3-1)", "11 0f 00 04 'MQTT' 05 02 00 3c 00 00 02 'ab'"],
    ["another protocol (MQTT-3.1.2-1)", "10 0f 00 04 'MOTT' 05 02 00 3c 00 00 02 'ab'"],
    ["a remaining length of five bytes (1.5.5)", "10 80 80 80 80 01"],
  ])("without a word for %s", async (_what, script) => {
    const client = await RawClient.open(server.port);
    client.send(script);
    await client.expectClosed();
  });
});

describe("a connection that the server ends", () => {
  it("because of a second CONNECT (MQTT-3.1.0-2)", async () => {
    const client = await connected(server.port, "a");
    client.send(connectPacket("a"));
    await client.expect("e0 01 82");
    await client.expectClosed();
  });

  it("because another took over its session (MQTT-3.1.4-3)", async () => {
    const first = await connected(server.port, "twin");
    await connected(server.port, "twin");
    await first.expect("e0 01 8e");
    await first.expectClosed();
  });

  it("because an operator wants it", async () => {
    const client = await connected(server.port, "a");
    server.edge.kick("a");
    await client.expect("e0 01 98");
    await client.expectClosed();
  });

  it("because the node stops", async () => {
    const other = await startEdge();
    const client = await connected(other.port, "a");
    await other.close();
    await client.expect("e0 01 8b");
    await client.expectClosed();
  });

  it("because it was silent for too long (MQTT-3.1.2-22)", async () => {
    const clock = new ManualClock();
    const slow = await startEdge({ clock });
    const client = await connected(slow.port, "a", { keepAlive: 10 });
    clock.advance(15_100);
    await client.expect("e0 01 8d");
    await client.expectClosed();
    await slow.close();
  });

  it("in words for who wants them (3.14.2.2.3)", async () => {
    const client = await answer(bytes("10 0f 00 04 'MQTT' 05 02 00 3c 00 00 02 'ab'"));
    await client.expect(connack(0));
    server.edge.kick("ab");
    const goodbye = await client.takePacket();
    expect(goodbye.subarray(2, 3)).toEqual(bytes("98"));
    expect(goodbye[4]).toBe(0x1f);
    await client.expectClosed();
  });

  it("without DISCONNECT when that is longer than it takes (MQTT-3.1.2-24)", async () => {
    const client = await RawClient.open(server.port);
    // CONNACK takes 16 bytes; with words DISCONNECT would take more, without them it takes three.
    client.send("10 14 00 04 'MQTT' 05 02 00 3c 05 27 00 00 00 10 00 02 'ab'");
    await client.expect(connack(0));
    server.edge.kick("ab");
    await client.expect("e0 01 98");
    await client.expectClosed();
  });

  it("nothing after the bad packet is handled, and what came before is", async () => {
    const client = await connected(server.port, "a");
    client.send(Buffer.concat([publishPacket("t/1", "x"), bytes("c1 00"), publishPacket("t/2", "x")]));
    await client.expect("e0 01 81");
    await client.expectClosed();
    await until(() => server.broker.topics("t/", null, 9).length > 0);
    expect(server.broker.topics("t/", null, 9).map(({ name }) => name)).toEqual(["t/1"]);
  });
});

describe("DISCONNECT of the client (3.14)", () => {
  it.each(["e0 00", "e0 01 00", "e0 02 00 00", "e0 01 04", "e0 01 80", "e0 08 81 06 1f 00 03 'why'"])(
    "%s is taken and not answered",
    async (script) => {
      const client = await connected(server.port, "a");
      client.send(script);
      await client.expectClosed();
      expect(server.metrics.counts.size).toBe(1);
    },
  );

  it("may not keep a session that was to end with the connection (3.14.2.2.2)", async () => {
    const client = await connected(server.port, "a");
    client.send("e0 07 00 05 11 00 00 00 01");
    await client.expect("e0 01 82");
    await client.expectClosed();
  });

  it("may end its session, or make it last longer", async () => {
    const first = await answer(connectPacket("a", KEPT));
    await first.expect(connack(0));
    first.send("e0 07 00 05 11 00 00 00 00");
    await first.expectClosed();
    const second = await answer(connectPacket("a", KEPT));
    await second.expect(connack(0));
    second.send("e0 07 00 05 11 ff ff ff ff");
    await second.expectClosed();
    await until(() => server.broker.sessionOf("a")?.expirySeconds === 0xffff_ffff);
  });

  it("with a reason that clients do not have is closed without a word (MQTT-3.14.2-1)", async () => {
    const client = await connected(server.port, "a");
    client.send("e0 01 8b");
    await client.expectClosed();
    expect(server.metrics.of("refused protocol_violation")).toBe(1);
  });
});
