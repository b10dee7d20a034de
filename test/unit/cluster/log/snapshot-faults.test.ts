/** Every disk call of taking snapshots fails once, in every way: the newest finished one is there, whole, or the one before it. */
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { FileSnapshotStore } from "../../../../cluster/log/file-snapshot-store.js";
import { encodeManifest } from "../../../../cluster/log/snapshot-manifest.js";
import { marker } from "../../../contracts/log-store.contract.js";
import { contentOf } from "../../../contracts/snapshot-store.contract.js";
import { type FaultKind, SimulatedDisk, seededRandom } from "../../../support/simulated-disk.js";

const DIR = "/data/snapshots";

function storeOn(disk: SimulatedDisk, group = 0): FileSnapshotStore {
  return new FileSnapshotStore({ dir: DIR, group, disk });
}

/** Takes snapshots 1 to 4, as far as the disk lets it; gives the last that was finished and the one that failed. */
async function live(disk: SimulatedDisk): Promise<{ finished: number; failed: number; error: unknown }> {
  disk.replace("/messages", Buffer.alloc(5000, 5));
  const store = storeOn(disk);
  let finished = 0;
  try {
    await store.open();
    for (let index = 1; index <= 4; index += 1) {
      await store.create(marker(index, 1), async (sink) => {
        await sink.write("state", Buffer.alloc(1500, index));
        await sink.link("messages", "/messages", index * 1000);
        await sink.write("state", Buffer.alloc(1500, index + 100));
      });
      expect(store.latest()?.meta.index).toBe(index);
      finished = index;
    }
  } catch (error) {
    return { finished, failed: finished + 1, error };
  }
  return { finished, failed: finished, error: null };
}

/** From which byte on the next snapshot reads a file. */
async function partsKnown(store: FileSnapshotStore, index: number): Promise<number> {
  let from = -1;
  await store.create(marker(index, 1), async (sink) => {
    from = await sink.link("messages", "/messages", 4000);
  });
  return from;
}

describe("a snapshot store whose Nth disk call fails", () => {
  it.each<[FaultKind, "process death" | "power loss"]>([
    ["EIO", "process death"],
    ["ENOSPC", "power loss"],
    ["torn", "power loss"],
    ["short", "power loss"],
    ["freeze", "power loss"],
  ])("%s, then %s", async (kind, then) => {
    const whole = new SimulatedDisk(seededRandom(1));
    expect((await live(whole)).error).toBeNull();
    for (let call = 1; call <= whole.calls; call += 1) {
      for (let seed = 1; seed <= 3; seed += 1) {
        const disk = new SimulatedDisk(seededRandom(seed * 1000 + call));
        disk.fault = { call, kind };
        const { finished, failed, error } = await live(disk);
        if (error !== null)
          expect(error).toMatchObject({ code: kind === "ENOSPC" ? "disk_full" : "disk_failed" });
        const left = then === "power loss" ? disk.afterPowerLoss() : disk.afterProcessDeath();
        const store = storeOn(left);
        await store.open();
        const found = store.latest();
        const index = found?.meta.index ?? 0;
        expect([finished, failed], `call ${call}, seed ${seed}`).toContain(index);
        if (found === null) continue;
        await found.verify();
        expect((await contentOf(found))["messages"]).toHaveLength(index * 1000);
        expect(left.paths().filter((path) => path.startsWith(DIR))).toHaveLength(3);
        // What was found is relied on from here: the log may be compacted up to it.
        const later = storeOn(left.afterPowerLoss());
        await later.open();
        expect(later.latest()?.meta.index).toBe(index);
        await later.latest()?.verify();
      }
    }
  });
});

describe("a start after the process died, which the power loss interrupts", () => {
  it("has removed nothing that is still needed without what it found", async () => {
    const whole = new SimulatedDisk(seededRandom(1));
    await live(whole);
    let interrupted = 0;
    for (let call = 1; call <= whole.calls; call += 1) {
      for (let second = 1; ; second += 1) {
        const disk = new SimulatedDisk(seededRandom(second * 1000 + call));
        disk.fault = { call, kind: "freeze" };
        const { finished, failed } = await live(disk);
        const found = disk.afterProcessDeath();
        found.fault = { call: second, kind: "freeze" };
        const isOpen = await storeOn(found)
          .open()
          .then(
            () => true,
            () => false,
          );
        const store = storeOn(found.afterPowerLoss());
        await store.open();
        expect([finished, failed], `call ${call}, then ${second}`).toContain(store.latest()?.meta.index ?? 0);
        await store.latest()?.verify();
        interrupted += 1;
        if (isOpen) break;
      }
    }
    expect(interrupted).toBeGreaterThan(3 * whole.calls);
  });
});

describe("what a snapshot store finds at the start", () => {
  async function withSnapshots(): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk(seededRandom(2));
    await live(disk);
    return disk;
  }
  const manifest = `${DIR}/snapshot-0000000004/manifest.json`;

  it("reads only what was added to a file that it has a checksum of", async () => {
    const disk = await withSnapshots();
    const store = storeOn(disk);
    await store.open();
    const before = disk.calls;
    await store.create(marker(5, 1), (sink) => sink.link("messages", "/messages", 4000));
    const unchanged = disk.calls - before;
    await store.create(marker(6, 1), (sink) => sink.link("messages", "/messages", 5000));
    expect(disk.calls - before - unchanged).toBeGreaterThan(unchanged);
    expect(store.latest()?.files).toEqual([
      { name: "messages", bytes: 5000, crc: crc32(Buffer.alloc(5000, 5)) },
    ]);
  });

  it("reads all of it again where the newest snapshot is not to be trusted, once", async () => {
    const disk = await withSnapshots();
    const store = storeOn(disk);
    await store.open();
    await store.create(marker(5, 1), (sink) => sink.link("messages", "/messages", 4000));
    const known = await partsKnown(store, 6);
    store.distrust();
    expect([known, await partsKnown(store, 7), await partsKnown(store, 8)]).toEqual([4000, 0, 4000]);
    await store.latest()?.verify();
  });

  it("does not trust the checksum of another file of the same name", async () => {
    const disk = await withSnapshots();
    disk.replace("/other", Buffer.alloc(5000, 9));
    const store = storeOn(disk);
    await store.open();
    await store.create(marker(5, 1), (sink) => sink.link("messages", "/other", 4000));
    await store.latest()?.verify();
  });

  it("refuses a manifest with any byte changed", async () => {
    const disk = await withSnapshots();
    const good = Buffer.from(disk.content(manifest));
    for (let at = 0; at < good.byteLength - 1; at += 1) {
      const hurt = disk.copy();
      const bytes = Buffer.from(good);
      bytes[at]! ^= 1;
      hurt.replace(manifest, bytes);
      await expect(storeOn(hurt).open(), `byte ${at}`).rejects.toMatchObject({ code: "snapshot_corrupt" });
    }
    await disk.unlink(manifest);
    await expect(storeOn(disk).open()).rejects.toMatchObject({ code: "snapshot_corrupt" });
  });

  it("refuses a newer format and another group", async () => {
    const disk = await withSnapshots();
    await expect(storeOn(disk, 1).open()).rejects.toMatchObject({ code: "snapshot_corrupt" });
    disk.replace(manifest, encodeManifest({ group: 0, meta: marker(4, 1), files: [] }, 2));
    await expect(storeOn(disk).open()).rejects.toMatchObject({ code: "log_version" });
  });

  it("removes what was left behind, and only after the newest was found good", async () => {
    const disk = await withSnapshots();
    await disk.makeDirectory(`${DIR}/tmp-9`);
    disk.replace(`${DIR}/tmp-9/state`, Buffer.from("half"));
    await disk.makeDirectory(`${DIR}/snapshot-0000000001`);
    disk.replace(`${DIR}/snapshot-0000000001/state`, Buffer.from("old"));
    const hurt = disk.copy();
    hurt.replace(manifest, Buffer.from("{}"));
    const before = hurt.paths();
    await expect(storeOn(hurt).open()).rejects.toMatchObject({ code: "snapshot_corrupt" });
    expect(hurt.paths()).toEqual(before);
    await storeOn(disk).open();
    expect(disk.paths().filter((path) => path.startsWith(DIR))).toEqual([
      manifest,
      `${DIR}/snapshot-0000000004/messages`,
      `${DIR}/snapshot-0000000004/state`,
    ]);
  });
});
