/** Retained messages (MQTT 3.1.1, 3.3.1.3), byte for byte. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { limits } from "../../src/limits.js";
import { ManualClock } from "../support/manual-clock.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { bytes, publishPacket, RawClient, subscribePacket } from "./support/raw-client.js";

const RETAIN = 1;

let server: TestEdge;
let client: RawClient;
let publisher: RawClient;
beforeEach(async () => {
  server = await startEdge();
  client = await RawClient.connected(server.port, "subscriber");
  publisher = await RawClient.connected(server.port, "publisher");
});
afterEach(() => server.close());

async function retain(topic: string, payload: string): Promise<void> {
  publisher.send(publishPacket(topic, payload, 1, RETAIN));
  await publisher.expect("40 02 00 01");
}

it("come after SUBACK, oldest first, with RETAIN set (MQTT-3.3.1-6, 3.3.1-8)", async () => {
  await retain("b", "1");
  await retain("a", "2");
  client.send(subscribePacket(1, 1, "#"));
  await client.expect("90 03 00 01 01  33 06 00 01 'b' 00 01 '1'  33 06 00 01 'a' 00 02 '2'");
});

it("come at the lower of the two QoS", async () => {
  await retain("a", "1");
  client.send(subscribePacket(1, 0, "a"));
  await client.expect("90 03 00 01 00  31 04 00 01 'a' '1'");
  publisher.send(publishPacket("b", "0", 0, RETAIN));
  await publisher.expectNothing();
  client.send(subscribePacket(2, 1, "b"));
  await client.expect("90 03 00 02 01");
  expect((await client.takePacket()).toString("hex")).toBe("31040001" + "6230");
});

it("come again when a client subscribes again (MQTT-3.8.4-3)", async () => {
  await retain("a", "1");
  for (const id of [1, 2]) {
    client.send(subscribePacket(id, 0, "a"));
    await client.expect(`90 03 00 0${id} 00  31 04 00 01 'a' '1'`);
  }
});

it("only of the filters that are asked for now", async () => {
  await retain("a", "1");
  await retain("b", "2");
  client.send(subscribePacket(1, 0, "a"));
  await client.expect("90 03 00 01 00  31 04 00 01 'a' '1'");
  client.send(subscribePacket(2, 0, "b"));
  await client.expect("90 03 00 02 00  31 04 00 01 'b' '2'");
});

it("are replaced by the next and deleted by an empty one, which subscribers see like any other (MQTT-3.3.1-10)", async () => {
  await retain("a", "1");
  await retain("a", "2");
  client.send(subscribePacket(1, 0, "a"));
  await client.expect("90 03 00 01 00  31 04 00 01 'a' '2'");
  await retain("a", "");
  await client.expect("30 03 00 01 'a'");
  client.send(subscribePacket(2, 0, "a"));
  await client.expect("90 03 00 02 00");
  await client.expectNothing();
});

it("are not touched by a message without RETAIN (MQTT-3.3.1-12)", async () => {
  await retain("a", "kept");
  publisher.send(publishPacket("a", "passing", 2));
  await publisher.expect("40 02 00 02");
  client.send(subscribePacket(1, 0, "a"));
  await client.expect("90 03 00 01 00  31 07 00 01 'a' 'kept'");
});

describe("looking for them", () => {
  it("is done once for all SUBSCRIBEs of a chunk, however many there are", async () => {
    await retain("a", "1");
    const looked = vi.spyOn(server.broker, "retained");
    const rounds = 5_000;
    client.send(
      Buffer.concat([...Array.from({ length: rounds }, () => subscribePacket(1, 0, "#")), bytes("c0 00")]),
    );
    const count = { suback: 0, retained: 0 };
    for (let first = 0; first !== 0xd0; ) {
      first = (await client.takePacket())[0] ?? 0;
      if (first === 0x90) count.suback += 1;
      if (first === 0x31) count.retained += 1;
    }
    // The last may come after PINGRESP.
    expect(count.suback).toBe(rounds);
    expect(count.retained).toBeLessThan(10);
    // Once a chunk, and once for each message that is sent.
    expect(looked.mock.calls.length).toBeLessThan(20);
  });

  it("when others do it too, comes in its turn: after SUBACK and before live messages", async () => {
    await retain("a", "kept");
    const clock = new ManualClock();
    const slow = await startEdge({ clock, broker: server.broker });
    const clients = await Promise.all(["x", "y"].map((id) => RawClient.connected(slow.port, id)));
    const look = server.broker.retained.bind(server.broker);
    vi.spyOn(server.broker, "retained").mockImplementation((filters) => {
      clock.spend(50);
      return look(filters);
    });
    for (const one of clients) one.send(Buffer.concat([subscribePacket(1, 0, "+"), bytes("c0 00")]));
    await Promise.all(clients.map((one) => one.expect("90 03 00 01 00 d0 00")));
    publisher.send(publishPacket("a", "live", 1));
    await publisher.expect("40 02 00 01");
    await until(() => {
      clock.turn();
      return clients.every((one) => one.receivedBytes > 9);
    });
    for (const one of clients) {
      await one.expect("31 07 00 01 'a' 'kept' 30 07 00 01 'a' 'live'");
    }
    await slow.close();
  });
});

describe("more than the window takes", () => {
  const topics = Array.from(
    { length: 2 * limits.inflightMax + 100 },
    (_, i) => `r/${String(i).padStart(5, "0")}`,
  );
  beforeEach(async () => {
    publisher.send(Buffer.concat(topics.map((topic) => publishPacket(topic, "x", 0, RETAIN))));
    publisher.send(Buffer.concat(topics.map((topic) => publishPacket(topic, "x", 1, RETAIN))));
    await publisher.take(4 * topics.length);
    client.send(subscribePacket(9, 1, "r/#"));
    await client.expect("90 03 00 09 01");
  });

  async function takeAndAcknowledge(count: number): Promise<string[]> {
    const taken: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const received = await client.takePacket();
      const topicEnd = 4 + received.readUInt16BE(2);
      taken.push(`${(received[0] ?? 0) & 1} ${received.subarray(4, topicEnd).toString()}`);
      client.send(Buffer.from([0x40, 2, received[topicEnd] ?? 0, received[topicEnd + 1] ?? 0]));
    }
    return taken;
  }

  it("wait for acknowledgements, and live ones wait for them", async () => {
    publisher.send(publishPacket("r/live", "y", 1));
    await publisher.expect("40 02 00 01");
    await until(() => client.receivedBytes === 14 * limits.inflightMax);
    await client.take(0);
    const taken = await takeAndAcknowledge(topics.length + 1);
    expect(taken).toEqual([...topics.map((topic) => `1 ${topic}`), "0 r/live"]);
    await client.expectNothing();
  });

  it("one that is deleted meanwhile does not come back; one that is replaced comes live, once", async () => {
    const last = topics.at(-1) ?? "";
    const beforeLast = topics.at(-2) ?? "";
    await retain(last, "");
    await retain(beforeLast, "new");
    const taken = await takeAndAcknowledge(topics.length);
    expect(taken.slice(0, -2)).toEqual(topics.slice(0, -2).map((topic) => `1 ${topic}`));
    expect(taken.slice(-2)).toEqual([`0 ${last}`, `0 ${beforeLast}`]);
    await client.expectNothing();
  });

  it("those of a filter that is given up meanwhile do not come any more", async () => {
    client.send("a2 07 00 0a 00 03 'r/#'");
    await until(() => client.receivedBytes === 14 * limits.inflightMax + 4);
    await client.take(14 * limits.inflightMax);
    await client.expect("b0 02 00 0a");
    client.send(Buffer.concat(topics.slice(0, 100).map((_, i) => Buffer.from([0x40, 2, 0, i + 1]))));
    await client.expectNothing();
  });
});
