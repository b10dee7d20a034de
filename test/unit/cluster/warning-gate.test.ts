/** Warnings at a bounded rate: the first is heard at once, and none is forgotten. */
import { expect, test } from "vitest";
import { WarningGate } from "../../../cluster/warning-gate.js";
import { ManualClock } from "../../support/manual-clock.js";

test("a warning comes once in five seconds, with the number of those held back", () => {
  const clock = new ManualClock();
  const heard: unknown[] = [];
  const gate = new WarningGate(clock, (facts, text) => heard.push([text, facts]));
  gate.warn({ n: 1 }, "one");
  gate.warn({ n: 2 }, "one");
  gate.warn({ n: 3 }, "other");
  clock.advance(4_000);
  gate.warn({ n: 4 }, "one");
  clock.advance(1_000);
  gate.warn({ n: 5 }, "one");
  clock.advance(5_000);
  gate.warn({ n: 6 }, "one");
  expect(heard).toEqual([
    ["one", { n: 1 }],
    ["other", { n: 3 }],
    ["one", { n: 5, heldBack: 2 }],
    ["one", { n: 6 }],
  ]);
});
