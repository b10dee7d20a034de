/** Strangers on a WebSocket send anything: frames of every kind, cut, merged and spoilt. Nobody else is harmed, and nothing is left behind. */
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";
import { clientFrame } from "../support/websocket-frames.js";
import { closeAll, openUpgraded, startServing } from "../support/websocket-host.js";

afterEach(closeAll);

const frame = fc
  .record({
    opcode: fc.integer({ min: 0, max: 15 }),
    payload: fc.uint8Array({ maxLength: 300 }),
    fin: fc.boolean(),
    masked: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.boolean() }),
    reserved: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 7 }) },
    ),
  })
  .map(({ opcode, payload, ...options }) => clientFrame(opcode, payload, options));

const conversation = fc.record({
  frames: fc.array(
    fc.oneof({ weight: 6, arbitrary: frame }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  ),
  /** Bytes a write. */
  piece: fc.integer({ min: 1, max: 700 }),
  /** Whether the server talks as well. */
  talks: fc.boolean(),
  end: fc.constantFrom("reset", "end"),
});

it("any conversation ends with its connection", async () => {
  const { host, streams } = await startServing();
  await fc.assert(
    fc.asyncProperty(conversation, async ({ frames, piece, talks, end }) => {
      const raw = await openUpgraded(host);
      const stream = streams.at(-1)!;
      stream.resume();
      const gone = new Promise((resolve) => stream.once("close", resolve));
      const bytes = Buffer.concat(frames);
      for (let at = 0; at < bytes.length; at += piece) {
        raw.send(bytes.subarray(at, at + piece));
        if (talks && stream.writable) stream.write("server");
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (end === "reset") raw.socket.resetAndDestroy();
      else raw.close();
      await gone;
    }),
    { numRuns: 300, endOnFailure: true },
  );
  while (host.edge.connectionsOpen > 0) await new Promise((resolve) => setImmediate(resolve));
  expect(host.errors).toEqual([]);
  expect((await fetch(`${host.url}/healthz`)).status).toBe(200);
});
