/** SUBSCRIBE and UNSUBSCRIBE of MQTT 5.0 (3.8 to 3.11, 4.8), byte for byte. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge } from "./support/edge.js";
import type { RawClient } from "./support/raw-client.js";
import { connected, publish, publishPacket, subscribe, subscribePacket } from "./support/v5.js";

let server: TestEdge;
let client: RawClient;
/** Another client: answers to what a client publishes and what it is sent come in no certain order. */
let publisher: RawClient;
beforeEach(async () => {
  server = await startEdge({ denySubscribe: ["secret/#"] });
  client = await connected(server.port, "client");
  publisher = await connected(server.port, "publisher");
});
afterEach(() => server.close());

const tooDeep = "/".repeat(limits.topicLevelsMax);

describe("SUBACK", () => {
  const rows: readonly (readonly [string, readonly (readonly [string, number])[], string])[] = [
    [
      "grants what was asked for, in order (MQTT-3.8.4-6)",
      [
        ["a", 2],
        ["b", 0],
        ["c/+", 1],
      ],
      "90 06 00 01 00 02 00 01",
    ],
    [
      "refuses what is too deep, and nothing else of the packet (3.9.3)",
      [
        [tooDeep, 1],
        ["b", 1],
      ],
      "90 05 00 01 00 8f 01",
    ],
    ["refuses what nobody may have (3.9.3)", [["secret/#", 1]], "90 04 00 01 00 87"],
    ["refuses a share without a name (MQTT-4.8.2-1)", [["$share//a", 1]], "90 04 00 01 00 8f"],
    ["grants shares (4.8.2)", [["$share/g/a", 2]], "90 04 00 01 00 02"],
    ["grants topics of the broker's own", [["$SYS/#", 0]], "90 04 00 01 00 00"],
    [
      "counts a repeated filter once, the last options hold (MQTT-3.8.4-3)",
      [
        ["a", 0],
        ["a", 1],
      ],
      "90 05 00 01 00 00 01",
    ],
  ];
  it.each(rows)("%s", async (_what, filters, suback) => {
    client.send(subscribePacket(1, filters));
    await client.expect(suback);
    await client.expectNothing();
  });

  it("refuses filters past the connection's ceiling (3.9.3: quota)", async () => {
    const filters = Array.from(
      { length: limits.subscriptionsPerConnectionMax },
      (_, i) => [`f${i}`, 0] as const,
    );
    client.send(subscribePacket(1, filters));
    await client.takePacket();
    client.send(
      subscribePacket(2, [
        ["one/more", 1],
        ["f7", 1],
      ]),
    );
    await client.expect("90 05 00 02 00 97 01");
  });
});

describe("UNSUBACK (3.11.3)", () => {
  it("tells what there was, in order (MQTT-3.11.3-2)", async () => {
    await subscribe(client, "a", 0);
    client.send("a2 09 00 02 00 00 01 'a' 00 01 'b'");
    await client.expect("b0 05 00 02 00 00 11");
    await publish(publisher, "a", "x");
    await client.expectNothing();
  });

  it("of a share", async () => {
    await subscribe(client, "$share/g/a", 0);
    client.send("a2 0f 00 02 00 00 0a '$share/g/a'");
    await client.expect("b0 04 00 02 00 00");
    client.send("a2 0f 00 03 00 00 0a '$share/g/a'");
    await client.expect("b0 04 00 03 00 11");
  });

  it("of what cannot be", async () => {
    client.send("a2 0c 00 02 00 00 07 '$share/'");
    await client.expect("b0 04 00 02 00 8f");
  });
});

describe("options (3.8.3.1)", () => {
  it("no local: not what it published itself (MQTT-3.8.3-3)", async () => {
    await subscribe(client, "a", 4);
    await publish(client, "a", "mine");
    await publish(publisher, "a", "theirs");
    await client.expect(publishPacket("a", "theirs"));
    await client.expectNothing();
  });

  it("without no local it hears itself", async () => {
    await subscribe(client, "a", 0);
    client.send(publishPacket("a", "mine"));
    await client.expect(publishPacket("a", "mine"));
  });

  it("retain as published: the flag goes on (MQTT-3.3.1-13), otherwise not (MQTT-3.3.1-12)", async () => {
    const other = await connected(server.port, "other");
    await subscribe(client, "a", 8);
    await subscribe(other, "a", 0);
    await publish(publisher, "a", "kept", { retain: true });
    await client.expect(publishPacket("a", "kept", { retain: true }));
    await other.expect(publishPacket("a", "kept"));
  });

  it.each([
    ["0: at every SUBSCRIBE (MQTT-3.3.1-9)", 0x00, [true, true]],
    ["1: if it is new (MQTT-3.3.1-10)", 0x10, [true, false]],
    ["2: never (MQTT-3.3.1-11)", 0x20, [false, false]],
  ] as const)("retain handling %s", async (_what, options, comes) => {
    await publish(publisher, "a", "kept", { retain: true });
    for (const isSent of comes) {
      await subscribe(client, "a", options);
      if (isSent) await client.expect(publishPacket("a", "kept", { retain: true }));
      await client.expectNothing();
    }
  });

  it("a subscription identifier comes with retained messages too (MQTT-3.3.4-3)", async () => {
    await publish(publisher, "a", "kept", { retain: true, properties: "03 00 01 't'" });
    await subscribe(client, "a", 1, "0b 07");
    await client.expect(
      publishPacket("a", "kept", { id: 1, retain: true, properties: "03 00 01 't' 0b 07" }),
    );
  });

  it("of a filter that is subscribed to again are replaced, without a gap (MQTT-3.8.4-3, 3.8.4-4)", async () => {
    await subscribe(client, "a", 1, "0b 07");
    await subscribe(client, "a", 0, "0b 08");
    await publish(publisher, "a", "x");
    await client.expect(publishPacket("a", "x", { properties: "0b 08" }));
    await client.expectNothing();
  });
});

describe("shares (4.8.2)", () => {
  it("give each message to one member", async () => {
    const other = await connected(server.port, "other");
    for (const member of [client, other]) await subscribe(member, "$share/g/a/+", 1);
    const got: string[] = [];
    for (const payload of ["1", "2", "3", "4"]) await publish(publisher, "a/b", payload);
    for (const member of [client, other]) {
      for (let i = 0; i < 2; i += 1) {
        const packet = await member.takePacket();
        got.push(packet.subarray(-1).toString());
      }
      await member.expectNothing();
    }
    expect(got.sort()).toEqual(["1", "2", "3", "4"]);
  });

  it("get no retained messages (4.8.2)", async () => {
    await publish(publisher, "a", "kept", { retain: true });
    await subscribe(client, "$share/g/a", 1);
    await client.expectNothing();
  });

  it("and subscriptions of its own are two things", async () => {
    await subscribe(client, "a", 0);
    await subscribe(client, "$share/g/a", 0);
    await publish(publisher, "a", "x");
    await client.expect(publishPacket("a", "x"));
    await client.expect(publishPacket("a", "x"));
    await client.expectNothing();
  });
});
