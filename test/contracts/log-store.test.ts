/** The log's contract on the memory twin, on a simulated disk with tiny segments, and on the real disk. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { emptyLogImage, MemoryLog } from "../../cluster/log/memory-log.js";
import { SegmentLog } from "../../cluster/log/segment-log.js";
import { SimulatedDisk, seededRandom } from "../support/simulated-disk.js";
import { describeLogStore } from "./log-store.contract.js";

describeLogStore("in memory", async () => {
  const image = emptyLogImage();
  return { create: () => new MemoryLog(image), remove: async () => undefined };
});

describeLogStore("segments of 4 KiB on a simulated disk, nothing kept in memory", async () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const options = { dir: "/log", group: 0, segmentBytes: 4096, cacheBytesMax: 0, disk } as const;
  return {
    create: () => new SegmentLog({ ...options, durability: "fsync" }),
    remove: async () => undefined,
  };
});

for (const durability of ["fsync", "os"] as const) {
  describeLogStore(`segments of 64 KiB on the real disk, durability ${durability}`, async () => {
    const dir = await mkdtemp(join(tmpdir(), "jangada-log-"));
    return {
      create: () =>
        new SegmentLog({ dir: join(dir, "groups", "0", "log"), group: 0, segmentBytes: 65_536, durability }),
      remove: () => rm(dir, { recursive: true, force: true }),
    };
  });
}
