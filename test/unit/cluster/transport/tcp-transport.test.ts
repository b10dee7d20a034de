/** Two nodes over real sockets: links that break, peers that are not who they should be. What all transports do is in the contract. */
import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { PeerFrame, RaftFrame } from "../../../../cluster/transport/transport.js";
import type { Ticker } from "../../../../cluster/transport/transport-options.js";
import { systemClock } from "../../../../src/runtime/clock.js";
import { addressOf, makePeer, pause, startPair, type TestPeer, until } from "../../../support/tcp-nodes.js";

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function pairOf(one: TestPeer, two: TestPeer) {
  const { proxy, close } = await startPair(one, two);
  closers.push(close);
  return proxy;
}

function heartbeat(index: number, from = "1", to = "2"): RaftFrame {
  const message = {
    kind: 8,
    to,
    from,
    term: 1,
    logTerm: 0,
    index,
    entries: [],
    commit: 0,
    snapshot: null,
    reject: false,
    rejectHint: 0,
    context: "",
  };
  return { kind: "raft", group: 0, message };
}

function bulk(call: number, byteLength: number): PeerFrame {
  const bytes = new Uint8Array(byteLength);
  return { kind: "response", group: 0, call, isBulk: true, error: null, params: {}, bytes };
}

function proposal(byteLength: number): PeerFrame {
  return { kind: "proposal", group: 0, payload: new Uint8Array(byteLength) };
}

/** Sends heartbeats until one arrives; gives how long that took. */
async function msUntilHeard(one: TestPeer, two: TestPeer): Promise<number> {
  const before = two.received.length;
  const startMs = performance.now();
  await until(() => {
    one.transport.send("2", heartbeat(1));
    return two.received.length > before;
  });
  return performance.now() - startMs;
}

describe("two nodes over TCP", () => {
  test("meet in both directions, and know who the other is", async () => {
    const [one, two] = [makePeer("1"), makePeer("2", { advertise: "two.example:7" })];
    await pairOf(one, two);
    await until(() => one.met.length === 6 && two.met.length === 6);
    const isTwo = { id: "2", clusterId: "c", tag: "tag-2", address: "two.example:7" };
    expect(one.met.every((peer) => JSON.stringify(peer) === JSON.stringify(isTwo))).toBe(true);
    expect(two.met[0]).toEqual({ id: "1", clusterId: "c", tag: "tag-1", address: addressOf(one) });
    expect([...one.refused, ...two.refused, ...one.warnings, ...two.warnings]).toEqual([]);
  });

  test("notice within 1.5 s that nothing comes through, and mend within 1.5 s of its coming through", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    const proxy = await pairOf(one, two);
    await msUntilHeard(one, two);
    proxy.swallow(true);
    const cutMs = performance.now();
    await until(() => one.unreachable.includes("2"));
    expect(performance.now() - cutMs).toBeLessThan(1_500);
    // Long enough for attempts that connect and then hear nothing.
    await pause(700);
    expect(two.received.length).toBeGreaterThan(0);
    proxy.swallow(false);
    expect(await msUntilHeard(one, two)).toBeLessThan(1_500);
  });

  test("are told once that a lost link is lost, though many frames were queued", async () => {
    const timings = { silenceMs: 250, pingMs: 50, tickMs: 25 };
    const [one, two] = [makePeer("1", { timings }), makePeer("2")];
    const proxy = await pairOf(one, two);
    await until(() => one.met.length === 6);
    await msUntilHeard(one, two);
    proxy.swallow(true);
    await until(() => one.unreachable.length >= 3);
    const told = one.unreachable.length;
    expect(told).toBeGreaterThanOrEqual(3);
    expect(told).toBeLessThanOrEqual(6);
    for (let i = 0; i < 1_000; i += 1) one.transport.send("2", heartbeat(i));
    await pause(50);
    expect(one.unreachable.length - told).toBeLessThanOrEqual(1);
  });

  test("a slow network full of bulk holds up no heartbeat and is not taken for a dead one", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    const proxy = await pairOf(one, two);
    await msUntilHeard(one, two);
    proxy.throttle(2 * 1024 * 1024);
    for (let call = 0; call < 8; call += 1) one.transport.send("2", bulk(call, 512 * 1024));
    const bulkHere = (): number => two.received.filter(({ frame }) => frame.kind === "response").length;
    await until(() => bulkHere() > 0);
    expect(await msUntilHeard(one, two)).toBeLessThan(500);
    expect(bulkHere()).toBeLessThan(8);
    await until(() => bulkHere() === 8);
    expect(one.unreachable).toEqual([]);
    expect(one.warnings).toEqual([]);
  });

  test("a full lane drops what is too much, says so once, and goes on with the rest", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    await pairOf(one, two);
    await msUntilHeard(one, two);
    for (let i = 0; i < 100; i += 1) one.transport.send("2", proposal(1024 * 1024));
    await until(() => one.unreachable.length > 0);
    const here = (): number => two.received.filter(({ frame }) => frame.kind === "proposal").length;
    await until(() => here() >= 63);
    await pause(50);
    expect(here()).toBeLessThan(65);
    expect(one.unreachable).toEqual(["2"]);
    one.transport.send("2", proposal(70 * 1024 * 1024));
    await until(() => one.unreachable.length === 2);
    one.transport.send("2", proposal(1));
    await until(() => here() >= 64);
  });

  test("take no offence at silence in a time in which they stood still themselves", async () => {
    const timings = { tickMs: 20, pingMs: 40, silenceMs: 200, acceptedSilenceMs: 200 };
    const [one, two] = [makePeer("1", { timings }), makePeer("2", { timings })];
    await pairOf(one, two);
    await until(() => one.met.length === 6 && two.met.length === 6);
    for (let i = 0; i < 2; i += 1) {
      const endMs = performance.now() + 300;
      while (performance.now() < endMs);
      await pause(60);
    }
    expect([...one.unreachable, ...two.unreachable]).toEqual([]);
    expect(one.transport.peers()[0]?.isAlive).toBe(true);
  });

  test("find each other whoever is first, again and again", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    await two.transport.start();
    const port = Number(addressOf(two).split(":")[1]);
    await two.transport.stop();
    one.transport.setPeers(new Map([["2", `127.0.0.1:${port}`]]));
    await one.transport.start();
    closers.push(() => one.transport.stop());
    for (let life = 0; life < 3; life += 1) {
      await pause(100);
      const next = makePeer("2", { port });
      await next.transport.start();
      expect(await msUntilHeard(one, next)).toBeLessThan(1_500);
      await next.transport.stop();
    }
  });

  test("a frame that cannot be encoded harms nobody", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    await pairOf(one, two);
    one.transport.send("2", { ...proposal(1), group: 70_000 });
    await until(() => one.unreachable.includes("2"));
    await msUntilHeard(one, two);
  });
});

/** The system's clock, and how many of its timers are set. */
function countingTicker(): { readonly ticker: Ticker; pending(): number } {
  const timers = new Set<() => void>();
  const ticker: Ticker = {
    monotonicMs: () => systemClock.monotonicMs(),
    after(delayMs, task) {
      const stop = systemClock.after(delayMs, () => {
        timers.delete(stop);
        task();
      });
      timers.add(stop);
      return () => timers.delete(stop) && stop();
    },
    every(periodMs, task) {
      const stop = systemClock.every(periodMs, task);
      timers.add(stop);
      return () => timers.delete(stop) && stop();
    },
  };
  return { ticker, pending: () => timers.size };
}

describe("a stop", () => {
  const sockets = (): string[] => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP"));

  test("leaves nothing behind, whatever was under way", async () => {
    await until(() => sockets().length === 0);
    const { ticker, pending } = countingTicker();
    const [one, two] = [makePeer("1", { ticker }), makePeer("2", { ticker })];
    const { close } = await startPair(one, two);
    one.transport.setPeers(
      new Map([
        ["2", addressOf(two)],
        ["3", "127.0.0.1:1"],
        ["4", "192.0.2.1:9"],
      ]),
    );
    for (let call = 0; call < 20; call += 1) one.transport.send("2", bulk(call, 1024 * 1024));
    await pause(20);
    await close();
    expect(pending()).toBe(0);
    await until(() => sockets().length === 0);
    const told = one.unreachable.length;
    one.transport.send("2", heartbeat(1));
    await pause(100);
    expect(one.unreachable).toHaveLength(told);
  });

  test("during the start is a stop too", async () => {
    await until(() => sockets().length === 0);
    const { transport } = makePeer("1");
    const starting = transport.start();
    await transport.stop();
    await starting;
    await until(() => sockets().length === 0);
  });
});

describe("a peer that is not what it should be", () => {
  test("with another secret is refused, and both say so", async () => {
    const [one, two] = [makePeer("1", { secret: new Uint8Array(3) }), makePeer("2")];
    await pairOf(one, two);
    await until(() => one.refused.length > 0 && two.refused.length > 0);
    expect(one.refused[0]).toMatchObject({ peer: "2", code: "peer_unauthorized" });
    expect(one.refused[0]?.text).toContain("--cluster-secret-file");
    one.transport.send("2", heartbeat(1));
    await pause(700);
    expect([...one.received, ...two.received, ...one.met, ...two.met]).toEqual([]);
    expect(one.refused.length).toBeLessThan(6);
  });

  test.each(["member_removed", "member_wiped", "member_unknown"] as const)("is told %s", async (code) => {
    const [one, two] = [
      makePeer("1"),
      makePeer("2", { admit: ({ tag }) => (tag === "tag-1" ? code : null) }),
    ];
    await pairOf(one, two);
    await until(() => one.refused.length > 0);
    expect(one.refused[0]).toMatchObject({ peer: "2", code });
    expect(two.warnings).toContain("a node was refused at the peer port");
    expect(two.warnings).toContain("the node at a peer's address is not that peer");
    expect(two.refused).toEqual([]);
  });

  test("of another cluster is told so, and let in when it belongs to this one", async () => {
    let clusterId = "other";
    const timings = { refusedMinMs: 50, refusedMaxMs: 200 };
    const one = makePeer("1", { timings, identity: () => ({ clusterId, tag: "tag-1" }) });
    const two = makePeer("2", { timings });
    await pairOf(one, two);
    await until(() => one.refused.length > 0 && two.refused.length > 0);
    expect(one.refused[0]?.code).toBe("wrong_cluster");
    clusterId = "c";
    await msUntilHeard(one, two);
    expect(two.met[0]?.clusterId).toBe("c");
  });

  test("at an address where another node listens is not reached", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    await pairOf(one, two);
    one.transport.setPeers(new Map([["3", addressOf(two)]]));
    await until(() => one.refused.some(({ code }) => code === "wrong_node_id"));
    expect(one.refused[0]?.peer).toBe("3");
  });

  test.each([
    ["speaks for another", heartbeat(2, "3", "2")],
    ["sends what is meant for another", heartbeat(2, "1", "9")],
  ])("that %s is cut off, and only it", async (_name, lie) => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    await pairOf(one, two);
    await msUntilHeard(one, two);
    one.transport.send("2", lie);
    await until(() => one.unreachable.includes("2"));
    expect(two.warnings).toEqual(["what came in at the peer port is no frame"]);
    await msUntilHeard(one, two);
    const indexes = two.received.map(({ frame }) => (frame.kind === "raft" ? frame.message.index : 0));
    expect(new Set(indexes)).toEqual(new Set([1]));
  });

  test("that is taken away is cut off on both ways, and let in again by those who admit it", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    let isMember = true;
    const three = makePeer("3", { admit: () => (isMember ? null : "member_removed") });
    await pairOf(one, two);
    await three.transport.start();
    closers.push(() => three.transport.stop());
    one.transport.setPeers(new Map([["3", addressOf(three)]]));
    three.transport.setPeers(new Map([["1", addressOf(one)]]));
    await until(() => three.met.length === 6);
    isMember = false;
    three.transport.setPeers(new Map());
    await until(() => one.refused.some(({ code, peer }) => code === "member_removed" && peer === "3"));
    expect(three.transport.peers()).toEqual([]);
  });

  test("that nobody told of is heard when it is admitted", async () => {
    const [one, two] = [makePeer("1"), makePeer("2")];
    await one.transport.start();
    await two.transport.start();
    closers.push(
      () => one.transport.stop(),
      () => two.transport.stop(),
    );
    one.transport.setPeers(new Map([["2", addressOf(two)]]));
    await msUntilHeard(one, two);
    expect(two.transport.peers()).toEqual([]);
    expect(two.received[0]?.from).toBe("1");
  });
});

describe("a start that fails", () => {
  test("names the port that is taken", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => new Promise((resolve) => server.close(() => resolve())));
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    const { transport } = makePeer("1", { port });
    await expect(transport.start()).rejects.toMatchObject({ code: "peer_port_taken" });
    await transport.stop();
  });

  test("names the address that is not of this machine", async () => {
    const { transport } = makePeer("1", { host: "203.0.113.7" });
    await expect(transport.start()).rejects.toMatchObject({ code: "peer_listen_failed" });
    expect(transport.address).toBeNull();
  });

  test("an address that is none is told and harms nobody", async () => {
    const one = makePeer("1");
    one.transport.setPeers(new Map([["2", "no address"]]));
    await one.transport.start();
    closers.push(() => one.transport.stop());
    await until(() => one.warnings.length > 0);
    one.transport.send("2", heartbeat(1));
    await until(() => one.unreachable.includes("2"));
  });
});
