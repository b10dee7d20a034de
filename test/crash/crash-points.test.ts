/** A process that dies at a named moment, some of them once: all of them, and often, in `npm run test:crash-points`. */
import { describe, expect, it } from "vitest";
import { CRASH_POINTS } from "../../cluster/ready-loop.js";
import { runCampaign } from "../../load/crash/campaign.js";
import { type CrashMoment, NAMED_POINTS, nameOf, preloadFor } from "../../load/crash-points/points.js";
import { builtFile } from "../../load/lib/paths.js";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";

/** One round each, on one directory. Those that come with snapshots need more publishes than a quick test has time for. */
const MOMENTS: readonly CrashMoment[] = [
  { kind: "point", name: "sent-early" },
  { kind: "point", name: "persisted" },
  { kind: "point", name: "applied" },
  { kind: "call", name: "write", side: "before" },
  { kind: "call", name: "write", side: "after" },
  { kind: "call", name: "fdatasync", side: "before" },
];

describe("a process that dies at a named moment", () => {
  it("knows every point that the product names", () => {
    expect(NAMED_POINTS).toEqual(CRASH_POINTS);
  });

  it(`${MOMENTS.map(nameOf).join(", ")}: what was acknowledged is there, once, in order`, async () => {
    const dataDir = temporaryDirectory("crash-points-test");
    const armedFile = builtFile("load", "crash-points", "armed.js");
    const report = await runCampaign({
      rounds: MOMENTS.length,
      publishes: 300,
      seed: 5,
      dataDir,
      armed: (round) => {
        const moment = MOMENTS[round - 1];
        return moment === undefined ? [] : preloadFor(armedFile, moment, round);
      },
      log: () => undefined,
    });
    expect(report.violations).toEqual([]);
    expect(report.diedIn).toEqual(MOMENTS.map((_, i) => i + 1));
    removeDirectory(dataDir);
  }, 90_000);
});
