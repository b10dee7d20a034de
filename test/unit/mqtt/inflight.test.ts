/** Packet ids of what a client has not acknowledged. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Inflight } from "../../../src/edges/mqtt/inflight.js";

it("counts from 1, never gives 0, and begins again after 65,535 (MQTT-2.3.1-1)", () => {
  const inflight = new Inflight(4);
  const ids: number[] = [];
  for (let i = 0; i < 65_537; i += 1) {
    const id = inflight.take();
    ids.push(id);
    inflight.release(id);
  }
  expect(ids.slice(0, 3)).toEqual([1, 2, 3]);
  expect(ids.slice(65_533)).toEqual([65_534, 65_535, 1, 2]);
});

it("passes over acknowledgements of what was not sent", () => {
  const inflight = new Inflight(4);
  expect(inflight.release(1)).toBe(false);
  const id = inflight.take();
  expect([0, id + 1, id + 4, 65_535].map((other) => inflight.release(other))).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(inflight.release(id)).toBe(true);
  expect(inflight.release(id)).toBe(false);
  expect(inflight.free).toBe(4);
});

it("never gives an id twice while it is in use, however long one stays (MQTT-2.3.1-4)", () => {
  const steps = fc.array(fc.oneof(fc.constant("take" as const), fc.nat(10)), { maxLength: 400 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), steps, (windowMax, script) => {
      const inflight = new Inflight(windowMax);
      const used: number[] = [];
      for (const step of script) {
        if (step === "take") {
          if (inflight.free === 0) continue;
          const id = inflight.take();
          expect(id).toBeGreaterThan(0);
          expect(used).not.toContain(id);
          used.push(id);
        } else if (used.length > 0) {
          const [id] = used.splice(step % used.length, 1);
          expect(inflight.release(id ?? 0)).toBe(true);
        }
        expect(inflight.used).toBe(used.length);
        expect(inflight.free).toBe(windowMax - used.length);
      }
    }),
  );
});

it("one that is never acknowledged is stepped around for ever", () => {
  const inflight = new Inflight(8);
  const stuck = inflight.take();
  for (let i = 0; i < 200_000; i += 1) {
    const id = inflight.take();
    expect(id === stuck || id === 0 || id > 65_535).toBe(false);
    inflight.release(id);
  }
});
