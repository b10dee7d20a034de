/** How far a source is, beside a set that says the same. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Ledger } from "../../../../src/edges/mqtt/delivery/ledger.js";
import { limits } from "../../../../src/limits.js";

/** Positions that are sent in order, those that PUBREC came for before, and what is settled when. */
const script = fc.record({
  received: fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 6 }),
  steps: fc.array(
    fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ settle: fc.nat(80) }),
      fc.record({ late: fc.integer({ min: 1, max: 60 }) }),
    ),
    { maxLength: 120 },
  ),
});

it("is through up to the first that is not dealt with", () => {
  fc.assert(
    fc.property(script, ({ received, steps }) => {
      const ledger = new Ledger();
      ledger.expect(received);
      const open = new Set(received);
      const sent = new Set(received);
      let walked = 0;
      for (const step of steps) {
        if ("send" in step) {
          walked += step.send;
          if (!sent.has(walked)) {
            ledger.sent(walked);
            sent.add(walked);
            open.add(walked);
          }
        } else if ("late" in step) {
          // Learnt of behind others that were sent.
          if (step.late > walked || sent.has(step.late)) continue;
          ledger.sent(step.late);
          sent.add(step.late);
          open.add(step.late);
        } else {
          ledger.settle(step.settle);
          open.delete(step.settle);
        }
        expect(ledger.through(walked)).toBe(
          Math.min(walked, Math.min(...open, Number.POSITIVE_INFINITY) - 1),
        );
      }
    }),
  );
});

it("has room for so many above the oldest", () => {
  const ledger = new Ledger();
  for (let position = 1; position <= limits.unsettledMax; position += 1) ledger.sent(position);
  expect(ledger.room).toBe(0);
  for (let position = 2; position <= limits.unsettledMax; position += 1) ledger.settle(position);
  expect(ledger.room).toBe(0);
  ledger.settle(1);
  expect(ledger.room).toBe(limits.unsettledMax);
});
