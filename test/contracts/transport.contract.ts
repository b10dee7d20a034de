/** What every Transport must do. Run on the memory twin and on TCP. */
import { describe, expect, test } from "vitest";
import type { PeerFrame, RaftFrame, Transport } from "../../cluster/transport/transport.js";
import type { PeerMessage } from "../../cluster/types.js";

/** Two transports, "1" and "2", not started yet, and a way to part them. */
export interface TransportPair {
  readonly one: Transport;
  readonly two: Transport;
  /** Starts both, and lets them know each other. */
  start(): Promise<void>;
  /** Frames from "1" to "2" are lost from now on. */
  part(): void;
  /** Stops "2" and gives its next life: at the same address, with the same peers, not started yet. */
  stoppedTwo(): Promise<Transport>;
  close(): Promise<void>;
}

function append(index: number, group = 0, to = "2"): RaftFrame {
  const message: PeerMessage = {
    kind: 3,
    to,
    from: "1",
    term: 1,
    logTerm: 1,
    index,
    entries: [{ term: 1, index, kind: 0, data: new Uint8Array([1, 2, 3]) }],
    commit: index,
    snapshot: null,
    reject: false,
    rejectHint: 0,
    context: "",
  };
  return { kind: "raft", group, message };
}

function heartbeat(): RaftFrame {
  const { message } = append(0);
  return { kind: "raft", group: 0, message: { ...message, kind: 8, entries: [] } };
}

function bulk(call: number, byteLength: number): PeerFrame {
  const bytes = new Uint8Array(byteLength).fill(call);
  return { kind: "response", group: 0, call, isBulk: true, error: null, params: {}, bytes };
}

/** Compared by content: views and copies of payloads are both fine. */
function plain(frame: PeerFrame): unknown {
  if (frame.kind === "raft") {
    const entries = frame.message.entries.map((entry) => ({ ...entry, data: [...entry.data] }));
    return { ...frame, message: { ...frame.message, entries } };
  }
  if (frame.kind === "proposal") return { ...frame, payload: [...frame.payload] };
  return frame.kind === "response" ? { ...frame, bytes: [...frame.bytes] } : frame;
}

function indexOf(frame: PeerFrame | undefined): number {
  return frame?.kind === "raft" ? frame.message.index : 0;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("what was awaited did not happen in 20 s");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function describeTransport(name: string, connect: () => Promise<TransportPair>): void {
  describe(`Transport: ${name}`, () => {
    async function started(): Promise<TransportPair & { received: PeerFrame[]; unreachable: string[] }> {
      const pair = await connect();
      const received: PeerFrame[] = [];
      const unreachable: string[] = [];
      pair.two.onFrame((from, frame) => {
        expect(from).toBe("1");
        received.push(frame);
      });
      pair.one.onFrame(() => undefined);
      pair.one.onUnreachable((peer) => unreachable.push(peer));
      await pair.start();
      return { ...pair, received, unreachable };
    }

    test("delivers frames in the order they were sent, whole", async () => {
      const pair = await started();
      for (let index = 1; index <= 100; index += 1) pair.one.send("2", append(index, 7));
      await until(() => pair.received.length === 100);
      expect(pair.received.map(indexOf)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
      expect(pair.received.map(plain)[0]).toEqual(plain(append(1, 7)));
      await pair.close();
    });

    test("never delivers within the call to send", async () => {
      const pair = await started();
      pair.one.send("2", append(1));
      expect(pair.received).toEqual([]);
      await until(() => pair.received.length === 1);
      await pair.close();
    });

    test("tells who could not be reached, and goes on", async () => {
      const pair = await started();
      pair.one.send("9", append(1, 0, "9"));
      await until(() => pair.unreachable.length > 0);
      expect(pair.unreachable).toContain("9");
      pair.one.send("2", append(2));
      await until(() => pair.received.length === 1);
      await pair.close();
    });

    test("drops what is sent over a parted link", async () => {
      const pair = await started();
      pair.part();
      pair.one.send("2", append(1));
      await until(() => pair.unreachable.includes("2"));
      expect(pair.received).toEqual([]);
      await pair.close();
    });

    test("gives no frame after stop", async () => {
      const pair = await started();
      await pair.two.stop();
      pair.one.send("2", append(1));
      await until(() => pair.unreachable.includes("2"));
      expect(pair.received).toEqual([]);
      await pair.close();
    });

    test("delivers every kind of frame whole", async () => {
      const pair = await started();
      const failure = { code: "not_leader", text: "ask another, s'il vous plaît" };
      const frames: PeerFrame[] = [
        { kind: "proposal", group: 1, payload: new Uint8Array([7, 8, 9]) },
        { kind: "request", group: 2, call: 1, method: "read", params: { id: "é", from: 3 }, isBulk: false },
        {
          kind: "response",
          group: 2,
          call: 1,
          isBulk: false,
          error: null,
          params: { to: 2 ** 53 - 1 },
          bytes: new Uint8Array([0, 255]),
        },
        {
          kind: "response",
          group: 0,
          call: 2,
          isBulk: false,
          error: failure,
          params: {},
          bytes: new Uint8Array(0),
        },
        { kind: "proposal", group: 0, payload: new Uint8Array(0) },
      ];
      for (const frame of frames) pair.one.send("2", frame);
      await until(() => pair.received.length === frames.length);
      expect(pair.received.map(plain)).toEqual(frames.map(plain));
      await pair.close();
    });

    test("delivers large frames whole, and small ones beside them", async () => {
      const pair = await started();
      for (let call = 1; call <= 24; call += 1) pair.one.send("2", bulk(call, 1024 * 1024));
      const sentMs = performance.now();
      pair.one.send("2", heartbeat());
      await until(() => pair.received.some(({ kind }) => kind === "raft"));
      expect(performance.now() - sentMs).toBeLessThan(1_000);
      await until(() => pair.received.length === 25);
      const responses = pair.received.filter((frame) => frame.kind === "response");
      expect(responses.map(({ call }) => call)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
      expect(responses.every(({ call, bytes }) => bytes.every((byte) => byte === call))).toBe(true);
      expect(pair.unreachable).toEqual([]);
      await pair.close();
    });

    test("knows who is alive", async () => {
      const pair = await started();
      await until(() => [...pair.one.peers(), ...pair.two.peers()].every(({ isAlive }) => isAlive));
      expect(pair.one.peers().map(({ id }) => id)).toEqual(["2"]);
      await pair.two.stop();
      await until(() => pair.one.peers().every(({ isAlive }) => !isAlive));
      await pair.close();
    });

    test("reaches a peer again that was away", async () => {
      const pair = await started();
      pair.one.send("2", append(1));
      await until(() => pair.received.length === 1);
      const two = await pair.stoppedTwo();
      pair.one.send("2", append(2));
      await until(() => pair.unreachable.includes("2"));
      const received: PeerFrame[] = [];
      two.onFrame((_from, frame) => received.push(frame));
      two.onUnreachable(() => undefined);
      await two.start();
      const deadlineMs = performance.now() + 5_000;
      for (let index = 3; received.length === 0 && performance.now() < deadlineMs; index += 1) {
        pair.one.send("2", append(index));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(received.map(indexOf)[0]).toBeGreaterThanOrEqual(3);
      expect(pair.received).toHaveLength(1);
      await two.stop();
      await pair.close();
    });

    test("reaches nobody whom it is told to forget, and somebody new", async () => {
      const pair = await started();
      const addresses = new Map(pair.one.peers().map(({ id, address }) => [id, address]));
      pair.one.send("2", append(1));
      await until(() => pair.received.length === 1);
      pair.one.setPeers(new Map());
      expect(pair.one.peers()).toEqual([]);
      pair.one.send("2", append(2));
      await until(() => pair.unreachable.includes("2"));
      pair.one.setPeers(addresses);
      pair.one.send("2", append(3));
      await until(() => pair.received.length === 2);
      expect(pair.received.map(indexOf)).toEqual([1, 3]);
      await pair.close();
    });
  });
}
