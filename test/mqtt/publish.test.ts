/** PUBLISH and PUBACK towards the server (MQTT 3.1.1, 3.3 and 3.4). */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Command } from "../../src/commands/command.js";
import { limits } from "../../src/limits.js";
import type { CommandResult } from "../../src/state-machine/effects.js";
import { FakeBroker } from "../support/fake-broker.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { publishPacket, RawClient } from "./support/raw-client.js";

/** Answers commands when the test says so, with what it says. */
class UndecidedBroker extends FakeBroker {
  readonly waiting: ((result: CommandResult) => void)[] = [];

  override submit(command: Command, done: (result: CommandResult) => void): void {
    if (command.kind === "publish") this.waiting.push(done);
    else super.submit(command, done);
  }
}

const PUBLISHED: CommandResult = {
  kind: "published",
  topic: "a",
  firstPosition: 1,
  lastPosition: 1,
  firstOffset: 0,
  lastOffset: 0,
  count: 1,
  timestampMs: 1,
  replayed: false,
};

let server: TestEdge;
let client: RawClient;
beforeEach(async () => {
  server = await startEdge();
  client = await RawClient.connected(server.port, "publisher");
});
afterEach(() => {
  server.broker.refusal = null;
  return server.close();
});

function published(): { topic: string; payload: string; qos: number; retain: boolean }[] {
  return server.broker.store.messages.map(({ topic, payload, qos, retain }) => ({
    topic: topic.name,
    payload: Buffer.from(payload).toString(),
    qos,
    retain,
  }));
}

describe("QoS 1", () => {
  it("is acknowledged once it is committed, not before", async () => {
    const commit = server.broker.holdCommits();
    client.send("32 09 00 03 'a/b' 00 0a 'hi'");
    await until(() => server.broker.publishes.length === 1);
    await client.expectNothing();
    commit();
    await client.expect("40 02 00 0a");
    expect(published()).toEqual([{ topic: "a/b", payload: "hi", qos: 1, retain: false }]);
  });

  it("is acknowledged in the order of the PUBLISHes (MQTT-4.6.0-2)", async () => {
    const ids = [5, 3, 65_535, 1, 256];
    client.send(Buffer.concat(ids.map((id) => publishPacket(`t${id}`, "x", id))));
    for (const id of ids) await client.expect(Buffer.from([0x40, 2, id >> 8, id & 255]));
    expect(published().map(({ topic }) => topic)).toEqual(ids.map((id) => `t${id}`));
  });

  it("with DUP is published like any other: nothing is remembered of an earlier connection", async () => {
    client.send("3a 06 00 01 'a' 00 01 'x'");
    await client.expect("40 02 00 01");
  });

  it("counts what was taken in", async () => {
    client.send(Buffer.concat([publishPacket("a", "12345", 1), publishPacket("a", "678")]));
    await client.expect("40 02 00 01");
    await until(() => server.metrics.of("messagesIn") === 2);
    expect(server.metrics.of("bytesIn")).toBe(8);
  });

  it.each(["disk_full", "no_leader", "outcome_unknown", "not_ready"] as const)(
    "that fails with %s ends the connection without PUBACK, so that the client sends it again",
    async (code) => {
      server.broker.refusal = code;
      client.send(publishPacket("a", "x", 1));
      await client.expectClosed();
      expect(server.metrics.of(`refused ${code}`)).toBe(1);
    },
  );

  it("is not acknowledged once one before it is unknown, although it was committed: the client sends both again", async () => {
    const broker = new UndecidedBroker();
    const undecided = await startEdge({ broker });
    const other = await RawClient.connected(undecided.port, "publisher");
    other.send(Buffer.concat([publishPacket("a", "x", 1), publishPacket("a", "y", 2)]));
    await until(() => broker.waiting.length === 2);
    const [first, second] = broker.waiting;
    first?.({ kind: "failed", code: "outcome_unknown" });
    second?.(PUBLISHED);
    await other.expectClosed();
    expect(undecided.metrics.of("refused outcome_unknown")).toBe(1);
    await undecided.close();
  });

  it("what was committed before the refused one is acknowledged, even in the same log entry", async () => {
    const strict = await startEdge({ autoCreate: false });
    await strict.broker.perform({ kind: "create-topic", topic: "a", retention: {}, ifMissing: false });
    const other = await RawClient.connected(strict.port, "publisher");
    other.send(Buffer.concat([publishPacket("a", "x", 1), publishPacket("missing", "y", 2)]));
    await other.expect("40 02 00 01");
    await other.expectClosed();
    expect(strict.metrics.of("refused topic_not_found")).toBe(1);
    await strict.close();
  });
});

describe("QoS 0", () => {
  it("is published and not answered", async () => {
    client.send("30 07 00 03 'a/b' 'hi'");
    await client.expectNothing();
    await until(() => published().length === 1);
    expect(published()).toEqual([{ topic: "a/b", payload: "hi", qos: 0, retain: false }]);
  });

  it("that the node refuses is dropped and counted; the connection stays", async () => {
    server.broker.refusal = "overloaded";
    client.send(publishPacket("a", "x"));
    await client.expectNothing();
    expect(server.metrics.of("dropped overloaded")).toBe(1);
  });
});

describe("packets in pieces", () => {
  it("a payload of many chunks arrives byte for byte", async () => {
    const payload = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 31) % 256));
    client.send(publishPacket("big", payload, 1));
    await client.expect("40 02 00 01");
    expect(Buffer.from(server.broker.store.messages[0]!.payload).equals(payload)).toBe(true);
  });

  it("the largest payload passes", async () => {
    client.send(publishPacket("a".repeat(limits.topicBytesMax), Buffer.alloc(1024 * 1024), 1));
    await client.expect("40 02 00 01");
  });

  it("an empty payload passes", async () => {
    client.send("32 05 00 01 'a' 00 01");
    await client.expect("40 02 00 01");
    expect(published()).toEqual([{ topic: "a", payload: "", qos: 1, retain: false }]);
  });
});

it("a topic is not made when the node makes none by itself", async () => {
  const strict = await startEdge({ autoCreate: false });
  const other = await RawClient.connected(strict.port, "publisher");
  other.send(publishPacket("missing", "x"));
  await other.expectNothing();
  await until(() => strict.metrics.of("dropped topic_not_found") === 1);
  other.send(publishPacket("missing", "x", 1));
  await other.expectClosed();
  await strict.close();
});
