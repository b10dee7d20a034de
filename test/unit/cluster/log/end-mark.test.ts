/** The last frame is like any other once the log's end is written down: damage to it stops the node, and is not cut as a torn write. */
import { describe, expect, it } from "vitest";
import { decodeEndMark, END_MARK_NAME, encodeEndMark } from "../../../../cluster/log/end-mark.js";
import { SegmentLog } from "../../../../cluster/log/segment-log.js";
import { entry } from "../../../contracts/log-store.contract.js";
import { SimulatedDisk, seededRandom } from "../../../support/simulated-disk.js";

const DIR = "/log";
const MARK = `${DIR}/${END_MARK_NAME}`;
const SEGMENT_BYTES = 4096;

function logOn(disk: SimulatedDisk, durability: "fsync" | "os" = "fsync"): SegmentLog {
  return new SegmentLog({ dir: DIR, group: 0, segmentBytes: SEGMENT_BYTES, durability, disk });
}

function segment(number: number): string {
  return `${DIR}/${String(number).padStart(10, "0")}.seg`;
}

/** A log of `last` entries of 500 bytes, stopped cleanly. 6 fit into a segment. */
async function written(last: number, durability: "fsync" | "os" = "fsync"): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk(seededRandom(5));
  const log = logOn(disk, durability);
  await log.open();
  for (let index = 1; index <= last; index += 1) {
    await log.append({ entries: [entry(index, 1, Buffer.alloc(500, index))] });
  }
  await log.close();
  return disk;
}

async function lastIndexOf(disk: SimulatedDisk): Promise<number> {
  const log = logOn(disk);
  const { lastIndex } = await log.open();
  await log.close();
  return lastIndex;
}

const CORRUPT = { code: "log_corrupt" };

describe("the mark of the log's end", () => {
  it("makes a flipped bit anywhere in the last frame damage, and nothing is changed", async () => {
    const disk = await written(3);
    const last = disk.content(segment(1)).lastIndexOf("JNGF");
    for (let bit = 0; bit < 8 * 550; bit += 61) {
      const hurt = disk.copy();
      const bytes = Buffer.from(hurt.content(segment(1)));
      const at = last + (bit >> 3);
      bytes[at] = bytes[at]! ^ (1 << (bit & 7));
      hurt.replace(segment(1), bytes);
      await expect(lastIndexOf(hurt), `bit ${bit}`).rejects.toMatchObject(CORRUPT);
      expect(hurt.content(segment(1)).equals(bytes)).toBe(true);
    }
  });

  it("makes an end that is zeros, or a segment that is not there, damage", async () => {
    const zeroed = await written(3);
    const bytes = Buffer.from(zeroed.content(segment(1)));
    bytes.fill(0, bytes.lastIndexOf("JNGF"));
    zeroed.replace(segment(1), bytes);
    await expect(lastIndexOf(zeroed)).rejects.toMatchObject(CORRUPT);
    const without = await written(8);
    await without.unlink(segment(2));
    await expect(lastIndexOf(without)).rejects.toMatchObject(CORRUPT);
    const empty = await written(3);
    await empty.unlink(segment(1));
    await expect(lastIndexOf(empty)).rejects.toMatchObject(CORRUPT);
  });

  it("is written in the background too, when nothing is appended for a while", async () => {
    const disk = new SimulatedDisk(seededRandom(1));
    const log = logOn(disk);
    await log.open();
    await log.append({ entries: [entry(1, 1, "one")] });
    await new Promise((resolve) => setImmediate(resolve));
    const left = disk.afterPowerLoss();
    const bytes = Buffer.from(left.content(segment(1)));
    bytes.fill(0, bytes.lastIndexOf("JNGF"));
    left.replace(segment(1), bytes);
    await expect(lastIndexOf(left)).rejects.toMatchObject(CORRUPT);
  });

  it("damaged itself, or torn, is no word of anything", async () => {
    const disk = await written(3);
    for (let bit = 0; bit < 8 * 20; bit += 7) {
      for (const slot of [0, 4096]) {
        const hurt = disk.copy();
        const bytes = Buffer.from(hurt.content(MARK));
        const at = slot + (bit >> 3);
        bytes[at] = bytes[at]! ^ (1 << (bit & 7));
        hurt.replace(MARK, bytes);
        expect(await lastIndexOf(hurt)).toBe(3);
      }
    }
    disk.replace(MARK, disk.content(MARK).subarray(0, 10));
    expect(await lastIndexOf(disk)).toBe(3);
    expect(await lastIndexOf(disk)).toBe(3);
  });

  it("is made where an older program left none, and not where writes are left to the system", async () => {
    const disk = await written(3);
    await disk.unlink(MARK);
    expect(await lastIndexOf(disk)).toBe(3);
    expect(
      Math.max(
        decodeEndMark(disk.content(MARK), MARK),
        decodeEndMark(disk.content(MARK).subarray(4096), MARK),
      ),
    ).toBe(3);
    expect((await written(3, "os")).paths()).not.toContain(MARK);
  });

  it("of a newer format is not guessed at", async () => {
    const disk = await written(3);
    const bytes = Buffer.from(disk.content(MARK));
    encodeEndMark(3, 2).copy(bytes, 0);
    disk.replace(MARK, bytes);
    await expect(lastIndexOf(disk)).rejects.toMatchObject({ code: "log_version" });
  });
});
