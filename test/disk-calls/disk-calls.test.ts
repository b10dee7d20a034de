/** Some of the calls of `npm run test:disk-calls`, which lets every one fail. */
import { describe, expect, test } from "vitest";
import { FAILURES, sweep } from "./sweep.js";

/** A prime: the calls that fail are of all kinds. */
const STEP = 23;

describe("a disk call that fails", () => {
  test.each(FAILURES)(
    "%s: the node goes on or stops and says so; what was acknowledged is there afterwards, once",
    async (failure) => {
      const report = await sweep({ failure, first: 7, step: STEP, width: 6 });
      expect(report.violations).toEqual([]);
      expect(report.acknowledged).toBeGreaterThan(0);
      if (failure === "short") expect(report.wentOn).toBe(report.hits);
      else expect(report.stoppedItself + report.didNotStart).toBeGreaterThan(0);
    },
    60_000,
  );
});
