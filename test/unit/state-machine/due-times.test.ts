/** What is due comes in the order of its time, whatever was pushed, changed and forgotten before. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DueTimes } from "../../../src/state-machine/due-times.js";

interface Item {
  readonly number: number;
  dueMs: number;
}

/** Takes out all that is due, each item's time set to never. */
function drain(due: DueTimes<Item>, nowMs: number): string[] {
  const taken: string[] = [];
  for (let item = due.take(nowMs); item !== undefined; item = due.take(nowMs)) {
    taken.push(`${item.number}@${item.dueMs}`);
    item.dueMs = 0;
  }
  return taken;
}

describe("due times", () => {
  it("come earliest first, and of one time the lowest number first", () => {
    const due = new DueTimes<Item>();
    const at = [30, 10, 20, 10, 10];
    for (const [number, dueMs] of [...at.entries()].reverse()) due.changed({ number, dueMs });
    expect(due.nextMs()).toBe(10);
    expect(drain(due, 20)).toEqual(["1@10", "3@10", "4@10", "2@20"]);
    expect(due.nextMs()).toBe(30);
    expect(drain(due, 29)).toEqual([]);
  });

  it("are what the item says at last", () => {
    const due = new DueTimes<Item>();
    const item = { number: 1, dueMs: 10 };
    due.changed(item);
    item.dueMs = 40;
    due.changed(item);
    expect(due.nextMs()).toBe(40);
    item.dueMs = 0;
    due.changed(item);
    expect([due.nextMs(), drain(due, 99)]).toEqual([0, []]);
  });

  it("any history gives what sorting gives", () => {
    const change = fc.record({ number: fc.nat(9), dueMs: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), fc.nat(20), (changes, nowMs) => {
        const due = new DueTimes<Item>();
        const items = Array.from({ length: 10 }, (_, number): Item => ({ number, dueMs: 0 }));
        for (const { number, dueMs } of changes) {
          items[number]!.dueMs = dueMs;
          due.changed(items[number]!);
        }
        const expected = items
          .filter(({ dueMs }) => dueMs !== 0 && dueMs <= nowMs)
          .sort((a, b) => a.dueMs - b.dueMs || a.number - b.number)
          .map(({ number, dueMs }) => `${number}@${dueMs}`);
        expect(drain(due, nowMs)).toEqual(expected);
      }),
    );
  });

  it("that are out of date do not gather for ever", () => {
    const due = new DueTimes<Item>();
    const item = { number: 1, dueMs: 0 };
    for (let dueMs = 1; dueMs <= 5_000; dueMs += 1) {
      item.dueMs = dueMs;
      due.changed(item);
      due.tidy([item], 1);
    }
    expect(due.entries).toBeLessThan(2_000);
    expect(drain(due, 9_999)).toEqual(["1@5000"]);
  });
});
