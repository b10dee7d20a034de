/** The index and the recent entries against plain lists. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EntryIndex } from "../../../../cluster/log/entry-index.js";
import { RecentEntries } from "../../../../cluster/log/recent-entries.js";
import { entry } from "../../../contracts/log-store.contract.js";

type Step = { readonly do: "push" | "cut" | "drop"; readonly part: number };

const steps = fc.array(
  fc.record({
    do: fc.constantFrom("push" as const, "push" as const, "cut" as const, "drop" as const),
    part: fc.nat(100),
  }),
  { maxLength: 30 },
);

describe("the entry index", () => {
  it("agrees with a list, over the edges of its chunks", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), steps, (origin, script: readonly Step[]) => {
        const index = new EntryIndex(origin);
        let first = origin;
        let list: number[] = [];
        let term = 0;
        for (const step of script) {
          if (step.do === "push") {
            for (let nth = 0; nth < step.part * 83; nth += 1) {
              term += 1;
              index.push(term, term % 1000, term * 8);
              list.push(term);
            }
          } else {
            const at = Math.floor((list.length * step.part) / 100);
            if (step.do === "cut") {
              index.cutFrom(first + at);
              list = list.slice(0, at);
            } else if (at > 0) {
              index.dropThrough(first + at - 1);
              list = list.slice(at);
              first += at;
            }
          }
          expect([index.first, index.next]).toEqual([first, first + list.length]);
          for (const nth of [0, 1, list.length >> 1, list.length - 2, list.length - 1]) {
            const expected = list[nth];
            if (expected === undefined) continue;
            expect([index.term(first + nth), index.segment(first + nth), index.offset(first + nth)]).toEqual([
              expected,
              expected % 1000,
              expected * 8,
            ]);
          }
        }
        expect(() => index.term(first - 1)).toThrow();
        expect(() => index.term(first + list.length)).toThrow();
      }),
      { numRuns: 60 },
    );
  });

  it("holds places far into a large segment", () => {
    const index = new EntryIndex(1);
    index.push(1, 2 ** 32 - 1, 2 ** 30);
    expect([index.segment(1), index.offset(1)]).toEqual([2 ** 32 - 1, 2 ** 30]);
  });
});

describe("the recent entries", () => {
  it("are the newest ones that fit, in one run up to the last", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(600), { maxLength: 60 }), fc.nat(5000), (sizes, bytesMax) => {
        const recent = new RecentEntries(bytesMax);
        sizes.forEach((bytes, nth) => {
          recent.push(entry(nth + 1, 1, Buffer.alloc(bytes)));
          let kept = 0;
          for (let index = recent.first; index <= nth + 1; index += 1) {
            expect(recent.at(index)?.index).toBe(index);
            kept += sizes[index - 1]!;
          }
          expect(kept).toBeLessThanOrEqual(bytesMax);
        });
      }),
    );
  });

  it("are cut and dropped at both ends, and begin anew", () => {
    const recent = new RecentEntries(1e6);
    for (let index = 5; index <= 3000; index += 1) recent.push(entry(index, 1, ""));
    recent.dropThrough(2000);
    expect([recent.first, recent.at(2001)?.index, recent.at(2000)]).toEqual([2001, 2001, undefined]);
    recent.cutFrom(2010);
    expect([recent.at(2009)?.index, recent.at(2010)]).toEqual([2009, undefined]);
    recent.cutFrom(0);
    expect(recent.first).toBe(Number.POSITIVE_INFINITY);
    recent.push(entry(9000, 1, ""));
    expect([recent.first, recent.at(9000)?.index]).toEqual([9000, 9000]);
  });
});
