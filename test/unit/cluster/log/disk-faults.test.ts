/**
 * Every disk call of a log's life fails once, in every way; the log is then opened on what is left. Everything acknowledged must be
 * there, and nothing else but the one call that was under way.
 */
import { describe, expect, it } from "vitest";
import { SegmentLog } from "../../../../cluster/log/segment-log.js";
import { type FaultKind, SimulatedDisk, seededRandom } from "../../../support/simulated-disk.js";
import { comparable, contentsOf, NOTHING, type Outcome, runScript, script } from "./log-scenario.js";

const SEGMENT_BYTES = 4096;

function logOn(disk: SimulatedDisk, cacheBytesMax = 1e6): SegmentLog {
  return new SegmentLog({
    dir: "/data/log",
    group: 0,
    segmentBytes: SEGMENT_BYTES,
    durability: "fsync",
    disk,
    cacheBytesMax,
  });
}

/** Opens a log and runs the script, as far as the disk lets it. */
async function live(disk: SimulatedDisk): Promise<Outcome> {
  const log = logOn(disk);
  try {
    await log.open();
  } catch (error) {
    return { acknowledged: NOTHING, underWay: NOTHING, error };
  }
  const outcome = await runScript(log, script());
  if (outcome.error !== null) {
    await expect(log.append({ entries: [] })).rejects.toMatchObject({
      code: expect.stringMatching(/^disk_/),
    });
  }
  await log.close();
  return outcome;
}

/** The log opens on what is left and holds one of the two; then it still works. */
async function expectIntact(
  disk: SimulatedDisk,
  { acknowledged, underWay }: Outcome,
  what: string,
): Promise<void> {
  const log = logOn(disk, 0);
  const found = await log.open();
  const contents = contentsOf(log, found);
  const expected = [comparable(acknowledged), comparable(underWay)];
  expect(expected, what).toContainEqual(contents);
  const index = log.lastIndex() + 1;
  await log.append({ entries: [{ index, term: 9, kind: 0, data: Buffer.from("one more") }] });
  await log.close();
  const again = logOn(disk.afterPowerLoss(), 0);
  expect((await again.open()).lastIndex, what).toBe(index);
  expect(again.term(index)).toBe(9);
  await again.close();
}

async function callsOfTheScript(): Promise<number> {
  const disk = new SimulatedDisk(seededRandom(1));
  const outcome = await live(disk);
  expect(outcome.error).toBeNull();
  return disk.calls;
}

describe("a log whose Nth disk call fails", () => {
  it("rolls, recycles and drops segments in the script", async () => {
    const disk = new SimulatedDisk(seededRandom(1));
    await live(disk);
    const names = disk.paths().map((path) => path.replace("/data/log/", ""));
    expect(names.filter((name) => name.startsWith("spare"))).toHaveLength(2);
    expect(Number(/^\d+/.exec(names[0]!)?.[0])).toBeGreaterThan(5);
  });

  it.each<[FaultKind, "process death" | "power loss"]>([
    ["EIO", "process death"],
    ["EIO", "power loss"],
    ["ENOSPC", "process death"],
    ["ENOSPC", "power loss"],
    ["torn", "process death"],
    ["torn", "power loss"],
    ["lost", "process death"],
    ["lost", "power loss"],
    ["freeze", "power loss"],
    ["short", "power loss"],
  ])("%s, then %s: everything acknowledged is there", { timeout: 60_000 }, async (kind, then) => {
    const calls = await callsOfTheScript();
    expect(calls).toBeGreaterThan(100);
    let failures = 0;
    for (let call = 1; call <= calls; call += 1) {
      for (let seed = 1; seed <= 3; seed += 1) {
        const disk = new SimulatedDisk(seededRandom(seed * 1000 + call));
        disk.fault = { call, kind };
        const outcome = await live(disk);
        if (outcome.error !== null) failures += 1;
        if (kind === "short") expect(outcome.error).toBeNull();
        if (kind === "ENOSPC" && outcome.error !== null)
          expect(outcome.error).toMatchObject({ code: "disk_full" });
        const left = then === "power loss" ? disk.afterPowerLoss() : disk.afterProcessDeath();
        await expectIntact(left, outcome, `call ${call}, seed ${seed}`);
      }
    }
    if (kind !== "short") expect(failures).toBeGreaterThan(calls / 3);
  });

  it("fails again while it recovers, and still loses nothing", { timeout: 60_000 }, async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = seededRandom(seed);
      const disk = new SimulatedDisk(random);
      disk.fault = { call: 20 + Math.floor(random() * 150), kind: "freeze" };
      const outcome = await live(disk);
      let left = disk.afterPowerLoss();
      for (let call = 1; call <= 12; call += 1) {
        left.fault = { call, kind: "freeze" };
        await logOn(left)
          .open()
          .catch(() => undefined);
        left = left.afterPowerLoss();
      }
      await expectIntact(left, outcome, `seed ${seed}`);
    }
  });

  it("says disk_failed when an old entry cannot be read, also in the middle of a step", async () => {
    const disk = new SimulatedDisk(seededRandom(1));
    let isBroken = false;
    const open = disk.open.bind(disk);
    disk.open = async (path, mode) => {
      const file = await open(path, mode);
      const readSync: typeof file.readSync = (target, position) => {
        if (isBroken) throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
        return file.readSync(target, position);
      };
      return { ...file, readSync };
    };
    const log = logOn(disk, 0);
    await log.open();
    await log.append({ entries: [{ index: 1, term: 1, kind: 0, data: Buffer.from("old") }] });
    isBroken = true;
    expect(() => log.entries(1, 2, 100)).toThrow(expect.objectContaining({ code: "disk_failed" }));
    await log.close();
  });
});
