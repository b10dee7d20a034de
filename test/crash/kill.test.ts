/**
 * kill -9 in the middle of acknowledged publishes, the short version (the long one is `npm run test:crash`). The node is
 * the built one, as a process of its own; everything is checked from outside.
 */
import { describe, expect, it } from "vitest";
import { runCampaign } from "../../load/crash/campaign.js";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";

const ROUNDS = 2;
const PUBLISHES = 2_000;

describe("kill -9 in the middle of publishes over HTTP and MQTT", () => {
  it("keeps what was acknowledged, once, in order, and subscribers go on where they stopped", async () => {
    const dataDir = temporaryDirectory("kill-test");
    const lines: string[] = [];
    const report = await runCampaign({
      rounds: ROUNDS,
      publishes: PUBLISHES,
      seed: 2,
      dataDir,
      log: (line) => lines.push(line),
    });
    expect(report.violations, lines.join("\n")).toEqual([]);
    expect(report.restartMs).toHaveLength(ROUNDS);
    expect(report.refused).toBe(0);
    expect(report.acknowledged).toBeGreaterThanOrEqual(ROUNDS * PUBLISHES);
    expect(report.stored).toBe(report.acknowledged + report.storedUnanswered);
    removeDirectory(dataDir);
  }, 60_000);
});
