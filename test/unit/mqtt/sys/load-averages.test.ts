/** Moving averages of events a minute. */
import { expect, it } from "vitest";
import { LoadAverages } from "../../../../src/edges/mqtt/sys/load-averages.js";

const STEP_MS = 10_000;

/** The averages after `steps` of ten seconds with so many events in each. */
function after(...eventsPerStep: number[]): Record<string, number> {
  const loads = new LoadAverages(0);
  let total = 0;
  for (const [index, events] of eventsPerStep.entries()) {
    total += events;
    loads.sample({ it: total }, (index + 1) * STEP_MS);
  }
  return Object.fromEntries([...loads.entries()].map(([name, text]) => [name, Number(text)]));
}

const steps = (count: number, events: number): number[] => Array.from({ length: count }, () => events);

it("a steady rate is what the averages come to, the short one first", () => {
  const early = after(...steps(6, 100));
  expect(early["it/1min"]).toBeCloseTo(600 * (1 - Math.exp(-1)), 1);
  expect(early["it/5min"]).toBeCloseTo(600 * (1 - Math.exp(-1 / 5)), 1);
  expect(early["it/15min"]).toBeCloseTo(600 * (1 - Math.exp(-1 / 15)), 1);
  const late = after(...steps(2_000, 100));
  expect(late).toEqual({ "it/1min": 600, "it/5min": 600, "it/15min": 600 });
});

it("what is over fades", () => {
  const { "it/1min": oneMinute = 0, "it/15min": fifteen = 0 } = after(...steps(6, 100), ...steps(30, 0));
  expect(oneMinute).toBeLessThan(5);
  expect(fifteen).toBeGreaterThan(20);
});

it("the length of the steps makes no difference", () => {
  const coarse = new LoadAverages(0);
  coarse.sample({ it: 600 }, 60_000);
  const fine = new LoadAverages(0);
  for (let second = 1; second <= 60; second += 1) fine.sample({ it: 10 * second }, second * 1_000);
  expect([...fine.entries()]).toEqual([...coarse.entries()]);
});

it("two samples at one time are one", () => {
  const loads = new LoadAverages(0);
  loads.sample({ it: 10 }, 1_000);
  const before = [...loads.entries()];
  loads.sample({ it: 20 }, 1_000);
  expect([...loads.entries()]).toEqual(before);
});
