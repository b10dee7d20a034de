/** The edge as the node sees it: start, stop, ceilings. */
import { type AddressInfo, createServer } from "node:net";
import { expect, it } from "vitest";
import { SocketBudget } from "../../src/edges/socket-budget.js";
import { FatalError } from "../../src/errors.js";
import { limits } from "../../src/limits.js";
import { startEdge, until } from "./support/edge.js";
import { connectPacket, publishPacket, RawClient, subscribePacket } from "./support/raw-client.js";

it("a port that is taken is named, with the flag that changes it", async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const { port } = holder.address() as AddressInfo;
  const failure = await startEdge({ port }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(FatalError);
  expect(failure).toMatchObject({ code: "port_taken" });
  expect(String(failure)).toContain(`MQTT port ${port} on 127.0.0.1 is taken`);
  expect(String(failure)).toContain("--mqtt-port");
  await new Promise((resolve) => holder.close(resolve));
});

it("an address that is not this machine's is a clear error", async () => {
  const failure = await startEdge({ host: "192.0.2.1" }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "listen_failed" });
});

it("an edge that never listened can be stopped", async () => {
  const server = await startEdge();
  await server.close();
  await server.close();
});

it("takes no new connections after stopAccepting, and serves those that are there", async () => {
  const server = await startEdge();
  const client = await RawClient.connected(server.port, "early");
  server.edge.stopAccepting();
  await expect(RawClient.open(server.port)).rejects.toThrow(/ECONNREFUSED/);
  client.send(publishPacket("a", "x", 1));
  await client.expect("40 02 00 01");
  await server.close();
  await client.expectClosed();
});

it("stop waits for what is being committed, acknowledges it, and reads no more", async () => {
  const server = await startEdge();
  const client = await RawClient.connected(server.port, "busy");
  const idle = await RawClient.connected(server.port, "idle");
  const stranger = await RawClient.open(server.port);
  const commit = server.broker.holdCommits();
  client.send(publishPacket("a", "x", 7));
  await until(() => server.broker.publishes.length === 1);
  const stopped = server.edge.stop();
  await idle.expectClosed();
  await stranger.expectClosed();
  client.send(publishPacket("a", "y", 8));
  commit();
  await client.expect("40 02 00 07");
  await client.expectClosed();
  await stopped;
  expect(server.broker.publishes.length).toBe(1);
});

it("stop does not wait for ever: not for a commit, not for a client that reads nothing", async () => {
  const server = await startEdge();
  const client = await RawClient.connected(server.port, "stuck");
  client.send(subscribePacket(1, 0, "big"));
  await client.expect("90 03 00 01 00");
  client.stall();
  const publisher = await RawClient.connected(server.port, "publisher");
  for (let i = 1; i <= 100; i += 1) publisher.send(publishPacket("big", Buffer.alloc(100_000), i));
  await publisher.take(400);
  server.broker.holdCommits();
  publisher.send(publishPacket("a", "x", 1));
  await until(() => server.broker.publishes.some(({ topic }) => topic === "a"));
  await server.close();
  expect(server.edge.clients()).toEqual([]);
  client.drop();
});

it("sockets far beyond the ceiling are closed before they can say anything", async () => {
  const server = await startEdge({ connectionsMax: 0 });
  const sockets = await Promise.all(
    Array.from({ length: limits.handshakesMax }, () => RawClient.open(server.port)),
  );
  const tooMany = await RawClient.open(server.port);
  await tooMany.expectClosed();
  sockets[0]?.send(connectPacket("a"));
  await sockets[0]?.expect("20 02 00 03");
  for (const socket of sockets) socket.drop();
  await server.close();
});

it("sockets beyond those of all edges are closed at once, and one that leaves makes room", async () => {
  const server = await startEdge({ sockets: new SocketBudget(2) });
  const first = await RawClient.connected(server.port, "first");
  await RawClient.connected(server.port, "second");
  const tooMany = await RawClient.open(server.port);
  await tooMany.expectClosed();
  expect(server.metrics.of("refused too_many_connections")).toBe(1);
  first.drop();
  await until(() => server.edge.clients().length === 1);
  await RawClient.connected(server.port, "third");
  await server.close();
});

it("counts connections", async () => {
  const server = await startEdge();
  await RawClient.connected(server.port, "a");
  await RawClient.connected(server.port, "b");
  expect(server.metrics.of("connections")).toBe(2);
  await server.close();
});
