/** Costly work in turns. */
import { expect, it } from "vitest";
import { TurnBudget } from "../../../src/edges/mqtt/turn-budget.js";
import { ManualClock } from "../../support/manual-clock.js";

function create() {
  const clock = new ManualClock();
  const budget = new TurnBudget(clock);
  const done: string[] = [];
  const run = (name: string, costMs: number): void => {
    budget.run(() => {
      clock.spend(costMs);
      done.push(name);
    });
  };
  return { clock, done, run };
}

it("runs what fits into a turn at once", () => {
  const { done, run } = create();
  run("a", 1);
  run("b", 3);
  expect(done).toEqual(["a", "b"]);
});

it("puts off the rest, in order, as much in each turn as fits", () => {
  const { clock, done, run } = create();
  for (const name of ["a", "b", "c", "d", "e"]) run(name, 3);
  expect(done).toEqual(["a", "b"]);
  clock.turn();
  expect(done).toEqual(["a", "b", "c", "d"]);
  clock.turn();
  expect(done).toEqual(["a", "b", "c", "d", "e"]);
});

it("does not let a latecomer pass", () => {
  const { clock, done, run } = create();
  run("long", 50);
  run("first", 1);
  run("second", 1);
  expect(done).toEqual(["long"]);
  clock.turn();
  expect(done).toEqual(["long", "first", "second"]);
  run("third", 1);
  clock.turn();
  clock.turn();
  expect(done).toEqual(["long", "first", "second", "third"]);
  expect(clock.hasSoon).toBe(false);
});
