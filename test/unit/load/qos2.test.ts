/** What the QoS 2 benchmark makes of what arrived, and of the figures. */
import { describe, expect, it } from "vitest";
import { judgeQos2, type Qos2Outcome, qos2Tables } from "../../../load/bench-qos2/rounds.js";
import type { Qos2Report } from "../../../load/loaders/mqtt-qos2.js";

const right: Qos2Report = {
  ...{ deliveredPerSecond: 100, p50Ms: 4, p99Ms: 9, published: 300, delivered: 300, doubled: 0 },
  ...{ inOrder: true, failure: null },
};

describe("what arrived is judged", () => {
  it.each<[string, Partial<Qos2Report>, string]>([
    ["as right", {}, "ok"],
    ["as lost", { delivered: 297 }, "LOST 3"],
    ["as doubled", { doubled: 2 }, "DOUBLED 2"],
    ["as out of order", { inOrder: false }, "OUT OF ORDER"],
    ["as failed, whatever else", { failure: "closed", delivered: 1 }, "FAILED: closed"],
  ])("%s", (_, part, verdict) => {
    expect(judgeQos2({ ...right, ...part })).toBe(verdict);
  });
});

it("ratios are of medians, ours over the peer's, cell by cell", () => {
  const outcome = (isOurs: boolean, rates: readonly number[]): Qos2Outcome => ({
    contestant: {
      name: isOurs ? "ours" : "peer",
      isOurs,
      missing: null,
      start: () => Promise.reject(new Error()),
    },
    samples: rates.map((deliveredPerSecond) => ({
      ...right,
      deliveredPerSecond,
      p50Ms: isOurs ? 6 : 3,
      cell: { isClean: false, window: 1 },
    })),
    failure: null,
  });
  const options = { rounds: 3, windows: [1], warmUpMs: 0, measureMs: 1 };
  const [figures, ratios] = qos2Tables([outcome(true, [10, 50, 30]), outcome(false, [60, 60, 900])], options);
  expect(figures?.rows[0]).toEqual(["ours", "kept sessions", "1", "30", "6.00 ms", "9.00 ms", "133%", "ok"]);
  expect(ratios?.rows).toEqual([
    ["kept sessions", "1", "0.50x", "2.00x", "1.00x"],
    ["clean sessions", "1", "-", "-", "-"],
  ]);
});
