/** The table of open exchanges, beside a map that says the same. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Exchanges, LIVE, Stage } from "../../../../src/edges/mqtt/delivery/exchanges.js";

const id = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 65_500, max: 65_535 }),
  fc.constant(16_384),
);
const step = fc.oneof(
  fc.record({ kind: fc.constant("open" as const), id, source: fc.constantFrom(LIVE, 3, -1) }),
  fc.record({ kind: fc.constant("settle" as const), id }),
  fc.record({ kind: fc.constant("remove" as const), id }),
);

it("has what was opened and not removed, under its identifier, and counts its window", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const exchanges = new Exchanges(10);
      const model = new Map<number, { position: number; source: number; stage: Stage }>();
      for (const [index, each] of steps.entries()) {
        const slot = exchanges.find(each.id);
        const known = model.get(each.id);
        expect(slot >= 0).toBe(known !== undefined);
        if (each.kind === "open") {
          const opened = exchanges.open(each.id, index, Stage.AwaitsPuback, each.source);
          expect(opened).toBe(known === undefined);
          if (opened) model.set(each.id, { position: index, source: each.source, stage: Stage.AwaitsPuback });
        } else if (known === undefined) continue;
        else if (each.kind === "remove") {
          exchanges.remove(slot);
          model.delete(each.id);
        } else if (known.stage !== Stage.Settled) {
          exchanges.advance(slot, Stage.Settled);
          known.stage = Stage.Settled;
        }
        const inWindow = [...model.values()].filter(({ stage }) => stage !== Stage.Settled).length;
        expect([exchanges.size, exchanges.free]).toEqual([model.size, 10 - inWindow]);
      }
      for (const [each, { position, source, stage }] of model) {
        const slot = exchanges.find(each);
        expect([exchanges.positionAt(slot), exchanges.sourceAt(slot), exchanges.stageAt(slot)]).toEqual([
          position,
          source,
          stage,
        ]);
      }
    }),
  );
});

it("knows nothing of identifier 0", () => {
  const exchanges = new Exchanges(10);
  expect(exchanges.find(0)).toBe(-1);
  exchanges.open(1, 1, Stage.AwaitsPuback, LIVE);
  expect(exchanges.isUsed(0)).toBe(false);
});
