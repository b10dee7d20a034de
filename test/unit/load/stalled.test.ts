/** How the stalled-subscribers run judges: everything once in order, or an explicit gap; and when the others keep their pace. */
import { describe, expect, it } from "vitest";
import { keepsPace } from "../../../load/stalled/plan.js";
import { Receiver } from "../../../load/stalled/receiver.js";

const BASE = 500_000_000;
const LAST = BASE + 3;

type Step = number | "gap" | "close";

/** A receiver that was there from the first number on, after it got these. */
function received(...steps: readonly Step[]): Receiver {
  const sentAtMs: number[] = [];
  const receiver = new Receiver("r", BASE, sentAtMs);
  const now = performance.now();
  sentAtMs.push(now, now, now, now);
  for (const step of steps) {
    if (step === "gap") receiver.takeGap();
    else if (step === "close") receiver.takeClose();
    else if (step % 2 === 0) receiver.takeText(`{"seq":${BASE + step},"pad":""}`);
    else receiver.takeBytes(Buffer.from(`{"seq":${BASE + step},"pad":""}`));
  }
  return receiver;
}

describe("a receiver", () => {
  it.each([
    ["everything", [0, 1, 2, 3], "everything"],
    ["a gap that it is told of", [0, "gap", 2, 3], "an explicit gap"],
    ["a gap at the beginning", ["gap", 3], "an explicit gap"],
  ] as const)("is content with %s", (_, steps, how) => {
    expect(received(...steps).verdict(LAST)).toEqual({ ok: true, how });
  });

  it.each([
    ["a silent gap", [0, 2, 3], "numbers 1 to 1 are missing"],
    ["a second, silent gap after one that it was told of", ["gap", 1, 3], "numbers 2 to 2 are missing"],
    ["a message that comes again", [0, 1, 1, 2, 3], "number 1 came again or late"],
    ["two messages in the wrong order", [1, 0, 2, 3], "numbers 0 to 0 are missing"],
    ["an end that never comes", [0, 1], "stopped at 2 of 4"],
    ["a closed connection", [0, 1, 2, 3, "close"], "closed after 4 messages"],
  ] as const)("complains about %s", (_, steps, why) => {
    expect(received(...steps).verdict(LAST)).toEqual({ ok: false, why });
  });

  it("that comes later begins with what is sent next", () => {
    const receiver = new Receiver("late", BASE, [1, 2]);
    receiver.takeText(`{"seq":${BASE + 2}}`);
    expect(receiver.verdict(BASE + 2)).toEqual({ ok: true, how: "everything" });
  });

  it("times what it receives", () => {
    const sentAtMs: number[] = [];
    const receiver = new Receiver("timed", BASE, sentAtMs);
    sentAtMs.push(performance.now() - 100);
    receiver.takeText(`{"seq":${BASE}}`);
    expect(receiver.latencies.count).toBe(1);
    expect(receiver.latencies.percentile(0.5)).toBeGreaterThan(90);
  });
});

describe("keeping pace", () => {
  const baseline = { p50Ms: 20, p99Ms: 100 };

  it.each([
    ["the same latency", { p50Ms: 20, p99Ms: 100 }, true],
    ["the machine's noise", { p50Ms: 35, p99Ms: 240 }, true],
    ["a slower median", { p50Ms: 60, p99Ms: 100 }, false],
    ["a longer tail", { p50Ms: 20, p99Ms: 400 }, false],
    ["nothing received", { p50Ms: Number.NaN, p99Ms: Number.NaN }, false],
  ])("%s: %o is %s", (_, stalled, expected) => {
    expect(keepsPace(baseline, stalled)).toBe(expected);
  });
});
