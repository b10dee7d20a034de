/** What every Transport must do. Run on the memory twin here, and on the TCP one when it comes. */
import { describe, expect, test } from "vitest";
import type { PeerFrame, RaftFrame, Transport } from "../../cluster/transport/transport.js";
import type { PeerMessage } from "../../cluster/types.js";

/** Two transports, "1" and "2", that know and can reach each other, and a way to part them. */
export interface TransportPair {
  readonly one: Transport;
  readonly two: Transport;
  /** Frames from "1" to "2" are lost from now on. */
  part(): void;
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

function indexOf(frame: PeerFrame | undefined): number {
  return frame?.kind === "raft" ? frame.message.index : 0;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("what was awaited did not happen in 5 s");
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
      await pair.one.start();
      await pair.two.start();
      return { ...pair, received, unreachable };
    }

    test("delivers frames in the order they were sent, whole", async () => {
      const pair = await started();
      for (let index = 1; index <= 100; index += 1) pair.one.send("2", append(index, 7));
      await until(() => pair.received.length === 100);
      expect(pair.received.map(indexOf)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
      expect(pair.received[0]).toEqual(append(1, 7));
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
  });
}
