/** QoS 2 towards the server (MQTT 3.1.1 and 5.0, 4.3.3): once per packet identifier until PUBREL, byte for byte. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { RawClient } from "./support/raw-client.js";
import { type ConnectOptions, connack, connected, connectPacket, KEPT, publishPacket } from "./support/v5.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(async () => {
  server.broker.refusal = null;
  await server.close();
});

function published(): string[] {
  return server.broker.store.messages.map(({ payload }) => Buffer.from(payload).toString());
}

interface Kind {
  readonly open: () => Promise<RawClient>;
  readonly publish: (id: number, payload: string, first?: number) => Buffer;
  /** PUBCOMP of an identifier that is not in use. */
  readonly unknown: string;
}

function of5(options: ConnectOptions, unknown: string): Kind {
  return {
    open: () => connected(server.port, "publisher", options),
    publish: (id, payload, first = 0x34) => publishPacket("a", payload, { id, qos: 2, dup: first === 0x3c }),
    unknown,
  };
}

function of3(connect: string): Kind {
  return {
    async open() {
      const client = await RawClient.open(server.port);
      client.send(connect);
      await client.expect("20 02 00 00");
      return client;
    },
    publish: (id, payload, first = 0x34) =>
      Buffer.concat([
        Buffer.from([first, 5 + payload.length, 0, 1, 0x61, id >> 8, id & 255]),
        Buffer.from(payload),
      ]),
    unknown: "70 02 00 09",
  };
}

const KINDS: readonly (readonly [string, Kind])[] = [
  ["5.0, a session that ends with its connection", of5({}, "70 03 00 09 92")],
  ["5.0, a session that is kept", of5(KEPT, "70 03 00 09 92")],
  ["3.1.1, a clean session", of3("10 0e 00 04 'MQTT' 04 02 00 00 00 02 'ab'")],
  ["3.1.1, a session that is kept", of3("10 0e 00 04 'MQTT' 04 00 00 00 00 02 'ab'")],
];

describe.each(KINDS)("%s", (_what, { open, publish, unknown }) => {
  let client: RawClient;
  beforeEach(async () => {
    client = await open();
  });

  it("PUBREC when it is committed, not before; PUBCOMP after PUBREL (MQTT-4.3.3-8, 4.3.3-11)", async () => {
    const commit = server.broker.holdCommits();
    client.send(publish(1, "x"));
    await until(() => server.broker.publishes.length === 1);
    await client.expectNothing();
    commit();
    await client.expect("50 02 00 01");
    client.send("62 02 00 01");
    await client.expect("70 02 00 01");
    expect(published()).toEqual(["x"]);
  });

  it("the same identifier before PUBREL is the same message, with DUP or without (MQTT-4.3.3-10)", async () => {
    client.send(Buffer.concat([publish(1, "x"), publish(1, "x", 0x3c)]));
    await client.expect("50 02 00 01 50 02 00 01");
    client.send(publish(1, "x"));
    await client.expect("50 02 00 01");
    expect(published()).toEqual(["x"]);
  });

  it("the same identifier after PUBCOMP is another message (MQTT-4.3.3-12)", async () => {
    for (const payload of ["x", "y"]) {
      client.send(publish(1, payload));
      await client.expect("50 02 00 01");
      client.send("62 02 00 01");
      await client.expect("70 02 00 01");
    }
    expect(published()).toEqual(["x", "y"]);
  });

  it("PUBRECs come in the order of the PUBLISHes, PUBCOMPs in that of the PUBRELs (MQTT-4.6.0-3, 4.6.0-4)", async () => {
    client.send(Buffer.concat([publish(7, "a"), publish(3, "b"), publish(300, "c")]));
    await client.expect("50 02 00 07 50 02 00 03 50 02 01 2c");
    client.send("62 02 00 03 62 02 01 2c 62 02 00 07");
    await client.expect("70 02 00 03 70 02 01 2c 70 02 00 07");
  });

  it("PUBREL of an identifier that is not in use is answered (3.7.2.1)", async () => {
    client.send("62 02 00 09");
    await client.expect(unknown);
  });

  it("of a repeated PUBREL too", async () => {
    client.send(publish(9, "x"));
    await client.expect("50 02 00 09");
    client.send("62 02 00 09");
    await client.expect("70 02 00 09");
    client.send("62 02 00 09");
    await client.expect(unknown);
  });
});

/** Comes back to its session. */
async function resumed(): Promise<RawClient> {
  const client = await RawClient.open(server.port);
  client.send(connectPacket("publisher", KEPT));
  await client.expect(connack(1));
  return client;
}

describe("a session that is kept goes on", () => {
  it("on another connection: what was received is not published again, and can be let go of", async () => {
    const first = await connected(server.port, "publisher", KEPT);
    first.send(
      Buffer.concat([publishPacket("a", "x", { id: 1, qos: 2 }), publishPacket("a", "y", { id: 2, qos: 2 })]),
    );
    await first.expect("50 02 00 01 50 02 00 02");
    first.drop();
    const second = await resumed();
    second.send(publishPacket("a", "x", { id: 1, qos: 2, dup: true }));
    await second.expect("50 02 00 01");
    second.send("62 02 00 01 62 02 00 02");
    await second.expect("70 02 00 01 70 02 00 02");
    expect(published()).toEqual(["x", "y"]);
    await until(() => server.broker.sessionOf("publisher")?.incoming.size === 0);
  });

  it("PUBREL whose PUBCOMP was lost is repeated, and that is no error (3.7.2.1)", async () => {
    const first = await connected(server.port, "publisher", KEPT);
    first.send(publishPacket("a", "x", { id: 1, qos: 2 }));
    await first.expect("50 02 00 01");
    first.send("62 02 00 01");
    await first.expect("70 02 00 01");
    first.drop();
    const second = await resumed();
    second.send("62 02 00 01");
    await second.expect("70 02 00 01");
  });

  it("not one that ended: the same identifier is another message there", async () => {
    const first = await connected(server.port, "publisher");
    first.send(publishPacket("a", "x", { id: 1, qos: 2 }));
    await first.expect("50 02 00 01");
    first.drop();
    const second = await connected(server.port, "publisher", { flags: 0 });
    second.send(publishPacket("a", "y", { id: 1, qos: 2, dup: true }));
    await second.expect("50 02 00 01");
    expect(published()).toEqual(["x", "y"]);
  });
});

describe("refused", () => {
  it.each([
    ["that ends with its connection", {}],
    ["that is kept", KEPT],
  ])("a session %s: the reason is in PUBREC, and the identifier is free (4.3.3)", async (_what, options) => {
    const client = await connected(server.port, "publisher", options);
    server.broker.refusal = "disk_full";
    client.send(publishPacket("a", "x", { id: 1, qos: 2 }));
    await client.expect("50 03 00 01 97");
    server.broker.refusal = null;
    client.send(publishPacket("a", "y", { id: 1, qos: 2 }));
    await client.expect("50 02 00 01");
    expect(published()).toEqual(["y"]);
  });

  it("a PUBREL that cannot be committed ends the connection: the client asks again on the next", async () => {
    const client = await connected(server.port, "publisher", KEPT);
    client.send(publishPacket("a", "x", { id: 1, qos: 2 }));
    await client.expect("50 02 00 01");
    server.broker.refusal = "overloaded";
    client.send("62 02 00 01");
    await client.expect("e0 01 89");
    await client.expectClosed();
    server.broker.refusal = null;
    const next = await resumed();
    next.send("62 02 00 01");
    await next.expect("70 02 00 01");
  });
});

describe("Receive Maximum (MQTT-3.3.4-9)", () => {
  const many = (count: number, from = 1): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, i) => publishPacket("a", "x", { id: from + i, qos: 2 })));

  it.each([
    ["that ends with its connection", {}],
    ["that is kept", KEPT],
  ])(
    "a session %s: one more without PUBREL is too many; after a PUBCOMP there is room",
    async (_what, options) => {
      const client = await connected(server.port, "publisher", options);
      client.send(many(limits.receiveMax));
      await client.take(4 * limits.receiveMax);
      client.send("62 02 00 01");
      await client.expect("70 02 00 01");
      client.send(many(1, 5_000));
      await client.expect("50 02 13 88");
      // What is there already takes no room.
      client.send(publishPacket("a", "x", { id: 2, qos: 2, dup: true }));
      await client.expect("50 02 00 02");
      client.send(many(1, 5_001));
      await client.expect("e0 01 93");
      await client.expectClosed();
      expect(server.metrics.of("refused receive_maximum_exceeded")).toBe(1);
    },
  );

  it("a client that publishes faster at QoS 1 is only slowed, and so is one of 3.1.1", async () => {
    const client = await connected(server.port, "publisher");
    const total = 3 * limits.receiveMax;
    client.send(
      Buffer.concat(Array.from({ length: total }, (_, i) => publishPacket("a", "x", { id: i + 1 }))),
    );
    await client.take(4 * total);
    const older = await RawClient.connected(server.port, "older");
    const one = (id: number): Buffer => Buffer.from([0x34, 6, 0, 1, 0x61, id >> 8, id & 255, 0x78]);
    older.send(Buffer.concat(Array.from({ length: total }, (_, i) => one(i + 1))));
    await older.take(4 * total);
    await older.expectNothing();
  });
});

describe("5.0, a session that is kept, when the broker takes nothing", () => {
  it("a message that it has is not refused when it comes again: its identifier would be free (MQTT-4.3.3-9)", async () => {
    const first = await connected(server.port, "publisher", KEPT);
    const commit = server.broker.holdCommits();
    first.send(publishPacket("a", "x", { id: 2, qos: 2 }));
    await until(() => server.broker.publishes.length === 1);
    first.drop();
    commit();
    const second = await RawClient.open(server.port);
    second.send(connectPacket("publisher", KEPT));
    await second.expect(connack(1));
    server.broker.refusal = "overloaded";
    second.send(publishPacket("a", "x", { id: 2, qos: 2, dup: true }));
    await second.expect("50 02 00 02");
    server.broker.refusal = null;
    second.send("62 02 00 02");
    await second.expect("70 02 00 02");
    second.send(publishPacket("a", "y", { id: 2, qos: 2 }));
    await second.expect("50 02 00 02");
    expect(published()).toEqual(["x", "y"]);
  });

  it("a new one is refused, and its identifier is free (MQTT-4.3.3-9)", async () => {
    const client = await connected(server.port, "publisher", KEPT);
    server.broker.refusal = "overloaded";
    client.send(publishPacket("a", "x", { id: 2, qos: 2 }));
    expect((await client.takePacket()).subarray(2, 5)).toEqual(Buffer.from([0, 2, 0x97]));
    expect(published()).toEqual([]);
  });
});
