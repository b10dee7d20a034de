/** What every Transport must do. Run on the memory twin here, and on the TCP one when it comes. */
import { describe, expect, test } from "vitest";
import type { PeerFrame, Transport } from "../../cluster/transport/transport.js";
import type { PeerMessage } from "../../cluster/types.js";

/** Two transports that can reach each other, and a way to part them. */
export interface TransportPair {
  readonly one: Transport;
  readonly two: Transport;
  /** Frames from "1" to "2" are lost from now on. */
  part(): void;
  close(): Promise<void>;
}

function message(index: number, to = "2"): PeerMessage {
  return {
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
      pair.two.onFrame((frame) => received.push(frame));
      pair.one.onFrame(() => undefined);
      pair.one.onUnreachable((peer) => unreachable.push(peer));
      await pair.one.start();
      await pair.two.start();
      return { ...pair, received, unreachable };
    }

    test("delivers frames in the order they were sent, whole", async () => {
      const pair = await started();
      for (let index = 1; index <= 100; index += 1) pair.one.send({ group: 7, message: message(index) });
      await until(() => pair.received.length === 100);
      expect(pair.received.map((frame) => frame.message.index)).toEqual(
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
      expect(pair.received[0]?.group).toBe(7);
      expect([...(pair.received[0]?.message.entries[0]?.data ?? [])]).toEqual([1, 2, 3]);
      await pair.close();
    });

    test("never delivers within the call to send", async () => {
      const pair = await started();
      pair.one.send({ group: 0, message: message(1) });
      expect(pair.received).toEqual([]);
      await until(() => pair.received.length === 1);
      await pair.close();
    });

    test("tells who could not be reached, and goes on", async () => {
      const pair = await started();
      pair.one.send({ group: 0, message: message(1, "9") });
      await until(() => pair.unreachable.length > 0);
      expect(pair.unreachable).toContain("9");
      pair.one.send({ group: 0, message: message(2) });
      await until(() => pair.received.length === 1);
      await pair.close();
    });

    test("drops what is sent over a parted link", async () => {
      const pair = await started();
      pair.part();
      pair.one.send({ group: 0, message: message(1) });
      await until(() => pair.unreachable.includes("2"));
      expect(pair.received).toEqual([]);
      await pair.close();
    });

    test("gives no frame after stop", async () => {
      const pair = await started();
      await pair.two.stop();
      pair.one.send({ group: 0, message: message(1) });
      await until(() => pair.unreachable.includes("2"));
      expect(pair.received).toEqual([]);
      await pair.close();
    });
  });
}
