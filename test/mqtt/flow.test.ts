/** Windows and back-pressure: what is not acknowledged, not read or not committed yet stays bounded, and nothing is lost. */
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.js";
import { startEdge, type TestEdge, until } from "./support/edge.js";
import { connectPacket, publishPacket, RawClient, subscribePacket } from "./support/raw-client.js";

let server: TestEdge;
beforeEach(async () => {
  server = await startEdge();
});
afterEach(() => server.close());

const views = () => server.edge.clients().map((client) => client.view());

describe("the window of a QoS 1 subscriber", () => {
  it("holds back what is beyond it, and goes on in order with each acknowledgement", async () => {
    const client = await RawClient.connected(server.port, "subscriber");
    client.send(subscribePacket(1, 1, "w"));
    await client.expect("90 03 00 01 01");
    const publisher = await RawClient.connected(server.port, "publisher");
    const total = 2 * limits.inflightMax + 50;
    publisher.send(
      Buffer.concat(
        Array.from({ length: total }, (_, i) => publishPacket("w", String(i).padStart(5, "0"), 1)),
      ),
    );
    await publisher.take(4 * total);
    const packetBytes = 2 + 3 + 2 + 5;
    await client.take(packetBytes * limits.inflightMax);
    await client.expectNothing();

    client.send("40 02 00 03 40 02 00 05");
    const next = Buffer.concat([await client.takePacket(), await client.takePacket()]);
    expect(next.toString("latin1")).toContain(`${String(limits.inflightMax).padStart(5, "0")}`);
    await client.expectNothing();

    // Everything else is acknowledged as it comes: the rest arrives in order, no id is used twice.
    for (let id = 1; id <= limits.inflightMax + 2; id += 1) {
      if (id !== 3 && id !== 5) client.send(Buffer.from([0x40, 2, id >> 8, id & 255]));
    }
    for (let i = limits.inflightMax + 2; i < total; i += 1) {
      const received = await client.takePacket();
      expect(received.subarray(7).toString()).toBe(String(i).padStart(5, "0"));
      client.send(Buffer.from([0x40, 2, received[5] ?? 0, received[6] ?? 0]));
    }
  });

  it("does not hold back other subscribers", async () => {
    const slow = await RawClient.connected(server.port, "slow");
    slow.send(subscribePacket(1, 1, "w"));
    await slow.expect("90 03 00 01 01");
    const quick = await RawClient.connected(server.port, "quick");
    quick.send(subscribePacket(1, 0, "w"));
    await quick.expect("90 03 00 01 00");
    const publisher = await RawClient.connected(server.port, "publisher");
    const total = 3 * limits.inflightMax;
    publisher.send(Buffer.concat(Array.from({ length: total }, () => publishPacket("w", "x", 1))));
    await quick.take(total * 6);
    await publisher.take(4 * total);
    await until(() => views().some(({ id, behind, lag }) => id === "slow" && behind && lag > 0));
  });
});

describe("a subscriber that does not read", () => {
  it("costs a bounded buffer, and gets everything in order once it reads", async () => {
    const slow = await RawClient.connected(server.port, "slow");
    slow.send(subscribePacket(1, 0, "big"));
    await slow.expect("90 03 00 01 00");
    slow.stall();
    const publisher = await RawClient.connected(server.port, "publisher");
    const body = Buffer.alloc(16 * 1024, 7);
    const total = 1_500;
    for (let i = 0; i < total; i += 1) {
      body.writeUInt32BE(i);
      publisher.send(publishPacket("big", body, 1));
    }
    await publisher.take(4 * total);
    // What the operating system took and the buffer are a small part of what was published.
    await until(() => views().some(({ id, behind }) => id === "slow" && behind));
    expect(server.metrics.of("bytesOut")).toBeLessThan((total * body.length) / 2);
    slow.read();
    for (let i = 0; i < total; i += 1) {
      const received = await slow.takePacket();
      expect(received.readUInt32BE(4 + 5)).toBe(i);
    }
  });

  it("of its answers is not read either", async () => {
    const socket = connect({ host: "127.0.0.1", port: server.port });
    socket.write(connectPacket("rude"));
    const pings = Buffer.from("c000".repeat(16 * 1024), "hex");
    const rounds = 1_024;
    let written = 0;
    const writeOn = (): void => {
      if (written === rounds) return;
      socket.write(pings, () => {
        written += 1;
        writeOn();
      });
    };
    writeOn();
    // The sockets' buffers fill up in both directions; then nothing moves, however often the server has its turn.
    const other = await RawClient.connected(server.port, "other");
    for (let turns = 0, before = -1; turns < 50; turns = written === before ? turns + 1 : 0) {
      before = written;
      await other.expectNothing();
    }
    expect(written).toBeLessThan(rounds);
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    await until(() => received === 4 + rounds * pings.length);
    socket.destroy();
  });
});

describe("a publisher that is quicker than the log", () => {
  it("is not read past its ceiling, and every publish is acknowledged in the end", async () => {
    const publisher = await RawClient.connected(server.port, "publisher");
    const other = await RawClient.connected(server.port, "other");
    const commit = server.broker.holdCommits();
    const total = 6_000;
    const body = Buffer.alloc(1_000);
    publisher.send(Buffer.concat(Array.from({ length: total }, (_, i) => publishPacket("a", body, i + 1))));
    await until(() => server.broker.publishes.length === limits.publishesInFlightMax);
    await other.expectNothing();
    expect(server.broker.publishes.length).toBe(limits.publishesInFlightMax);
    commit();
    for (let i = 0; i < total; i += 1) {
      const id = i + 1;
      await publisher.expect(Buffer.from([0x40, 2, id >> 8, id & 255]));
    }
  });

  it("is not read past its ceiling in bytes", async () => {
    const publisher = await RawClient.connected(server.port, "publisher");
    const other = await RawClient.connected(server.port, "other");
    const commit = server.broker.holdCommits();
    const body = Buffer.alloc(1024 * 1024);
    const total = 8;
    for (let i = 0; i < total; i += 1) publisher.send(publishPacket("a", body, i + 1));
    await until(() => server.broker.publishes.length === limits.publishBytesInFlightMax / body.length);
    await other.expectNothing();
    expect(server.broker.publishes.length).toBe(limits.publishBytesInFlightMax / body.length);
    commit();
    await publisher.take(4 * total);
  });

  it("waits while the node is saturated", async () => {
    const publisher = await RawClient.connected(server.port, "publisher");
    server.broker.isSaturated = true;
    publisher.send(publishPacket("a", "1", 1));
    await publisher.expect("40 02 00 01");
    publisher.send(publishPacket("a", "2", 2));
    const other = await RawClient.open(server.port);
    other.send(connectPacket("other"));
    await other.expect("20 02 00 00");
    expect(server.broker.publishes.length).toBe(1);
    server.broker.drain();
    await publisher.expect("40 02 00 02");
  });
});
