/** A small set beside a real one: whatever is done to it, also by those who go through it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SmallSet } from "../../../src/topics/small-set.js";

test("holds what a set holds, in the same order", () => {
  const step = fc.record({ value: fc.nat(4), remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const small = new SmallSet<number>();
      const set = new Set<number>();
      for (const { value, remove } of steps) {
        if (remove) small.delete(value);
        else small.add(value);
        if (remove) set.delete(value);
        else set.add(value);
        expect([...small]).toEqual([...set]);
        expect(small.size).toBe(set.size);
      }
    }),
  );
});

test("what is taken away while somebody goes through it does not come to him any more", () => {
  const step = fc.record({ at: fc.nat(5), value: fc.nat(5) });
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(5)), fc.array(step), (values, removals) => {
      const small = new SmallSet<number>();
      for (const value of values) small.add(value);
      const gone = new Set<number>();
      const seen: number[] = [];
      for (const value of small) {
        expect(gone.has(value)).toBe(false);
        seen.push(value);
        for (const removal of removals) {
          if (removal.at !== value) continue;
          small.delete(removal.value);
          gone.add(removal.value);
        }
      }
      expect(seen).toEqual(values.filter((value) => seen.includes(value) || !gone.has(value)));
      expect([...small]).toEqual(values.filter((value) => !gone.has(value)));
    }),
  );
});
