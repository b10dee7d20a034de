/** Writes are refused before the disk is full, and taken again when there is clearly room. */
import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { type DiskSpace, DiskWatch } from "../../../src/replica/disk-watch.js";
import { silentLogger } from "../../../src/runtime/logger.js";
import { ManualClock } from "../../support/manual-clock.js";

const MIB = 1024 * 1024;

/** A watch over a disk of `totalMib`, and what it says after each look. */
async function watched(totalMib: number): Promise<{ look(freeMib: number | null): Promise<boolean> }> {
  const clock = new ManualClock();
  let space: DiskSpace | null = { freeBytes: totalMib * MIB, totalBytes: totalMib * MIB };
  const watch = new DiskWatch("anywhere", silentLogger, async () => space);
  await watch.start(clock);
  expect(watch.full).toBe(false);
  return {
    async look(freeMib) {
      space = freeMib === null ? null : { freeBytes: freeMib * MIB, totalBytes: totalMib * MIB };
      clock.advance(500);
      for (let i = 0; i < 4; i += 1) await Promise.resolve();
      return watch.full;
    },
  };
}

describe("DiskWatch", () => {
  it("refuses below 192 MiB and takes writes again above 256 MiB, not in between", async () => {
    const { look } = await watched(100_000);
    expect(await look(193)).toBe(false);
    expect(await look(191)).toBe(true);
    expect(await look(255)).toBe(true);
    expect(await look(257)).toBe(false);
    expect(await look(200)).toBe(false);
  });

  it("asks less of a small disk: a tenth and an eighth of it", async () => {
    const { look } = await watched(400);
    expect(await look(41)).toBe(false);
    expect(await look(39)).toBe(true);
    expect(await look(49)).toBe(true);
    expect(await look(51)).toBe(false);
  });

  it("stays as it is when the system does not say", async () => {
    const { look } = await watched(100_000);
    expect(await look(1)).toBe(true);
    expect(await look(null)).toBe(true);
  });

  it("reads a real disk", async () => {
    const lines: string[] = [];
    const watch = new DiskWatch(tmpdir(), { ...silentLogger, error: (_facts, text) => lines.push(text) });
    await watch.start(new ManualClock());
    expect(watch.full).toBe(lines.length === 1);
    watch.stop();
  });
});
