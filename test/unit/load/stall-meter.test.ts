/** The stall meter: the longest time without an acknowledgement, over all nodes and on each that is watched. */
import { describe, expect, it } from "vitest";
import { StallMeter } from "../../../load/faults/stall-meter.js";

describe("StallMeter", () => {
  it("counts from its beginning, between acknowledgements, and to its end", () => {
    for (const [marks, longest] of [
      [[50, 60, 70], 50],
      [[10, 60, 70], 50],
      [[10, 20, 50], 50],
      [[], 100],
    ] as const) {
      const meter = new StallMeter();
      meter.begin(1_000, [1]);
      for (const mark of marks) meter.acknowledged(1_000 + mark, 1);
      expect(meter.end(1_100)).toEqual({ overallMs: longest, oneNodeMs: longest });
    }
  });

  it("tells a watched node that stands still while another goes on, and leaves out the unwatched", () => {
    const meter = new StallMeter();
    meter.begin(0, [1, 2]);
    for (let at = 10; at < 100; at += 10) meter.acknowledged(at, at === 40 ? 2 : 1);
    meter.acknowledged(95, 3);
    expect(meter.end(100)).toEqual({ overallMs: 10, oneNodeMs: 60 });
  });

  it("hears nothing before it begins and after it has ended", () => {
    const meter = new StallMeter();
    meter.acknowledged(5, 1);
    meter.begin(10, [1]);
    meter.acknowledged(15, 1);
    expect(meter.end(20)).toEqual({ overallMs: 5, oneNodeMs: 5 });
    meter.acknowledged(90, 1);
    meter.begin(100, []);
    expect(meter.end(101)).toEqual({ overallMs: 1, oneNodeMs: 0 });
  });
});
