/** Some of the calls of `npm run test:disk-calls`, which lets every one fail. */
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";
import { FailingCalls } from "./failing-calls.js";
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

describe("a file of which a sync failed", () => {
  /** Writes and syncs one part after the other, to the same file; gives what is there when the disk is as a disk would be. */
  async function heldAfter(parts: readonly [at: number, text: string][], failing: number): Promise<string> {
    const directory = temporaryDirectory("disk-calls");
    const path = join(directory, "file");
    // Each part is a write and a sync, behind the call that opens.
    const disk = new FailingCalls(directory, 1 + 2 * failing, "EIO");
    const file = await open(path, "w+");
    for (const [at, text] of parts) {
      await file.write(Buffer.from(text), 0, text.length, at);
      await file.datasync().catch(() => undefined);
    }
    await file.close();
    expect(disk.failed).toBe("datasync");
    disk.end();
    const text = await readFile(path, "latin1");
    removeDirectory(directory);
    return text;
  }

  test("holds what was synced before", async () => {
    expect(
      await heldAfter(
        [
          [0, "one"],
          [3, "two"],
        ],
        2,
      ),
    ).toBe("one");
    expect(await heldAfter([[0, "one"]], 1)).toBe("");
  });

  test("has not got it back by a later sync, but what was written then", async () => {
    expect(
      await heldAfter(
        [
          [0, "one"],
          [3, "two"],
          [6, "three"],
        ],
        2,
      ),
    ).toBe("one\0\0\0three");
    expect(
      await heldAfter(
        [
          [0, "......"],
          [0, "one"],
          [3, "two"],
        ],
        2,
      ),
    ).toBe("...two");
  });
});
