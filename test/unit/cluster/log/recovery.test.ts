/**
 * What a log does with a directory that was hurt: an unfinished last write is cut, whatever its length; anything else is refused
 * with the file and the place, and nothing is changed.
 */
import { describe, expect, it } from "vitest";
import { END_MARK_NAME } from "../../../../cluster/log/end-mark.js";
import { encodeHeader, type SegmentHeader } from "../../../../cluster/log/segment-header.js";
import { SegmentLog } from "../../../../cluster/log/segment-log.js";
import { EMPTY_HARD_STATE } from "../../../../cluster/types.js";
import { entry, marker, plain, readAll } from "../../../contracts/log-store.contract.js";
import { SimulatedDisk, seededRandom } from "../../../support/simulated-disk.js";

const DIR = "/log";
const SEGMENT_BYTES = 4096;
const HEADER_BYTES = 512;

function logOn(disk: SimulatedDisk, durability: "fsync" | "os" = "fsync", group = 0): SegmentLog {
  return new SegmentLog({ dir: DIR, group, segmentBytes: SEGMENT_BYTES, durability, disk, cacheBytesMax: 0 });
}

function segment(number: number): string {
  return `${DIR}/${String(number).padStart(10, "0")}.seg`;
}

const ENTRY_BYTES = 500;

/** A log of single entries of 500 bytes, as one is whose process died at once. 6 fit into a segment. */
async function written(last: number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk(seededRandom(5));
  const log = logOn(disk);
  await log.open();
  for (let index = 1; index <= last; index += 1) {
    await log.append({ entries: [entry(index, 1, Buffer.alloc(ENTRY_BYTES, index))] });
  }
  await log.close();
  await disk.unlink(`${DIR}/${END_MARK_NAME}`);
  return disk;
}

/** A log whose segments were all other segments before: spares with old frames in them. */
async function recycled(): Promise<{ disk: SimulatedDisk; last: number }> {
  const disk = await written(30);
  const log = logOn(disk);
  await log.open();
  await log.compact(marker(29, 1));
  for (let index = 31; index <= 41; index += 1) {
    await log.append({ entries: [entry(index, 1, Buffer.alloc(ENTRY_BYTES, index))] });
  }
  await log.close();
  await disk.unlink(`${DIR}/${END_MARK_NAME}`);
  return { disk, last: 41 };
}

function newest(disk: SimulatedDisk): string {
  return disk
    .paths()
    .filter((path) => path.endsWith(".seg"))
    .at(-1)!;
}

async function open(disk: SimulatedDisk): Promise<{ tornBytes: number; lastIndex: number; log: SegmentLog }> {
  const log = logOn(disk);
  const { tornBytes, lastIndex } = await log.open();
  return { tornBytes, lastIndex, log };
}

/** Refused, with the place in the text, and not a byte is different after. */
async function expectCorrupt(disk: SimulatedDisk, where: string): Promise<void> {
  const before = disk.paths().map((path) => [path, disk.content(path).toString("base64")]);
  const error = await logOn(disk)
    .open()
    .then(
      () => null,
      (reason: unknown) => reason,
    );
  expect(error).toMatchObject({ code: "log_corrupt", message: expect.stringContaining(where) });
  expect(disk.paths().map((path) => [path, disk.content(path).toString("base64")])).toEqual(before);
}

/** Where the frames of a segment lie: found by their magic (the entries' data do not contain it). */
function framesOf(content: Buffer): number[] {
  const frames: number[] = [];
  for (let at = content.indexOf("JNGF"); at >= 0; at = content.indexOf("JNGF", at + 1)) frames.push(at);
  return frames;
}

describe("a torn last write", () => {
  it("is cut at whatever byte it ends, and the log goes on there", { timeout: 60_000 }, async () => {
    const disk = await written(3);
    const content = Buffer.from(disk.content(segment(1)));
    const [, , last] = framesOf(content);
    const end = last! + 24 + 16 + 13 + ENTRY_BYTES;
    expect(content.subarray(end).every((byte) => byte === 0)).toBe(true);
    for (let cut = last!; cut < end; cut += 1) {
      const torn = disk.copy();
      const bytes = Buffer.from(content);
      bytes.fill(0, cut);
      torn.replace(segment(1), bytes);
      const { tornBytes, lastIndex, log } = await open(torn);
      expect([cut, lastIndex]).toEqual([cut, 2]);
      // Zeros at the end of what did get there cannot be told from what did not.
      expect(tornBytes).toBeLessThanOrEqual(cut - last!);
      if (cut > last!) expect(tornBytes).toBeGreaterThan(0);
      expect(
        torn
          .content(segment(1))
          .subarray(last!)
          .every((byte) => byte === 0),
      ).toBe(true);
      await log.append({ entries: [entry(3, 2, "again")] });
      await log.close();
      const after = await open(torn);
      expect([after.tornBytes, after.lastIndex, after.log.term(3)]).toEqual([0, 3, 2]);
    }
  });

  it("is cut whichever of its sectors are missing", async () => {
    const disk = await written(2);
    const content = Buffer.from(disk.content(segment(1)));
    const log = logOn(disk);
    await log.open();
    await log.append({ entries: [entry(3, 1, Buffer.alloc(2000, 3))] });
    const full = Buffer.from(disk.content(segment(1)));
    const from = Math.floor(framesOf(full)[2]! / 512);
    for (let mask = 0; mask < 31; mask += 1) {
      const bytes = Buffer.from(content);
      for (let nth = 0; nth < 5; nth += 1) {
        const sector = (from + nth) * 512;
        if ((mask & (1 << nth)) !== 0) full.copy(bytes, sector, sector, sector + 512);
      }
      const torn = disk.copy();
      torn.replace(segment(1), bytes);
      // The append never came to an end.
      await torn.unlink(`${DIR}/${END_MARK_NAME}`);
      expect((await open(torn)).lastIndex).toBe(2);
    }
  });

  it("is cut in a recycled segment, whose old frames never come back", async () => {
    const { disk, last } = await recycled();
    const path = newest(disk);
    const content = Buffer.from(disk.content(path));
    expect(content.subarray(0, HEADER_BYTES).readUInt32LE(20)).toBe(1);
    const frames = framesOf(content).length;
    expect(frames).toBeGreaterThan(5);
    const own = (last - 30) % 6 === 0 ? 6 : (last - 30) % 6;
    const lastFrame = framesOf(content)[own - 1]!;
    for (let cut = lastFrame; cut < lastFrame + 500; cut += 7) {
      const torn = disk.copy();
      const bytes = Buffer.from(content);
      bytes.fill(0xee, cut, lastFrame + 560);
      torn.replace(path, bytes);
      const { lastIndex, log } = await open(torn);
      expect([cut, lastIndex]).toEqual([cut, last - 1]);
      await log.append({ entries: [entry(last, 2, "again")] });
      await log.close();
      expect((await open(torn)).log.term(last)).toBe(2);
    }
  });
});

describe("a damaged log", () => {
  it.each([
    ["fresh", async () => ({ disk: await written(16), last: 16 })],
    ["recycled", recycled],
  ])("is refused for a flipped bit anywhere but in the last frame (%s segments)", async (_kind, make) => {
    const { disk, last } = await make();
    const random = seededRandom(11);
    const segments = disk.paths().filter((path) => path.endsWith(".seg"));
    const tail = segments.at(-1)!;
    expect(segments.length).toBeGreaterThan(1);
    let refused = 0;
    for (const path of segments) {
      const content = disk.content(path);
      const frames = framesOf(content);
      for (let round = 0; round < 150; round += 1) {
        const at = Math.floor(random() * content.byteLength);
        const hurt = disk.copy();
        const bytes = Buffer.from(content);
        bytes[at]! ^= 1 << Math.floor(random() * 8);
        hurt.replace(path, bytes);
        const result = await open(hurt).then(
          ({ lastIndex }) => lastIndex,
          (error: { code: string }) => error.code,
        );
        if (result === "log_corrupt") refused += 1;
        else if (path === tail) expect(result).toBeGreaterThanOrEqual(last - 1);
        else expect([at, result]).toEqual([at, last]);
        const inFrames = at < HEADER_BYTES || (at >= frames[0]! && at < (frames.at(-1) ?? 0));
        if (path !== tail && inFrames) expect([path, at, result]).toEqual([path, at, "log_corrupt"]);
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  it("says where the frame is", async () => {
    const disk = await written(4);
    const content = Buffer.from(disk.content(segment(1)));
    const [, second] = framesOf(content);
    content[second! + 100]! ^= 4;
    disk.replace(segment(1), content);
    await expectCorrupt(disk, `${segment(1)}: a frame is damaged, and there is a later one`);
    await expectCorrupt(disk, `(offset ${second})`);
  });

  it("is refused when the last frame of a full segment is damaged", async () => {
    const disk = await written(7);
    const content = Buffer.from(disk.content(segment(1)));
    const last = framesOf(content).at(-1)!;
    content[last + 30]! ^= 1;
    disk.replace(segment(1), content);
    await expectCorrupt(disk, `${segment(1)}: frame 6 is damaged or missing`);
  });

  it.each<[string, (disk: SimulatedDisk) => Promise<void> | void, string]>([
    [
      "a segment in the middle is missing",
      (disk) => disk.unlink(segment(2)),
      `${segment(2)}: the segment is missing`,
    ],
    [
      "a segment is there under another number",
      (disk) => disk.replace(segment(4), disk.content(segment(2))),
      "the file is segment 2 under another name",
    ],
    [
      "a segment was emptied",
      (disk) => disk.replace(segment(2), new Uint8Array(0)),
      "this is not a log segment",
    ],
    [
      "a segment was cut short",
      (disk) => disk.replace(segment(3), disk.content(segment(3)).subarray(0, 2000)),
      "the file was cut short",
    ],
    [
      "a segment is zeros",
      (disk) => disk.replace(segment(3), Buffer.alloc(4096)),
      "this is not a log segment",
    ],
    [
      "a stranger has a segment's ending",
      (disk) => disk.replace(`${DIR}/7.seg`, Buffer.alloc(9)),
      "not the name",
    ],
    ["the oldest segment is missing", (disk) => disk.unlink(segment(1)), "entries 1 to 6 are missing"],
    [
      "the newest segment is of another log",
      async (disk) => {
        const header: SegmentHeader = {
          group: 0,
          number: 4,
          salt: [1, 2],
          capacity: SEGMENT_BYTES,
          recycled: false,
          firstSequence: 40,
          lastIndex: 16,
          hardState: EMPTY_HARD_STATE,
          snapshot: null,
        };
        disk.replace(segment(4), Buffer.concat([encodeHeader(header), Buffer.alloc(SEGMENT_BYTES)]));
      },
      "frame 17 is damaged or missing, the next segment goes on at 40",
    ],
  ])("is refused when %s", async (_what, hurt, where) => {
    const disk = await written(16);
    await hurt(disk);
    await expectCorrupt(disk, where);
  });

  it("is refused when less is there than was committed", async () => {
    const disk = await written(1);
    const header: SegmentHeader = {
      group: 0,
      number: 1,
      salt: [1, 2],
      capacity: SEGMENT_BYTES,
      recycled: false,
      firstSequence: 1,
      lastIndex: 0,
      hardState: { term: 1, vote: "1", commit: 5 },
      snapshot: null,
    };
    disk.replace(segment(1), Buffer.concat([encodeHeader(header), Buffer.alloc(SEGMENT_BYTES)]));
    await expectCorrupt(disk, "entry 5 was committed and the log ends at 0");
  });

  it("is refused by another group", async () => {
    const disk = await written(2);
    await expect(logOn(disk, "fsync", 1).open()).rejects.toMatchObject({ code: "log_corrupt" });
  });

  it("is found by a read when the damage comes after the start", async () => {
    const disk = await written(4);
    const { log } = await open(disk);
    const content = disk.content(segment(1));
    content[framesOf(content)[1]! + 200]! ^= 1;
    expect(plain(log.entries(1, 2, 1e6))).toHaveLength(1);
    expect(() => log.entries(2, 3, 1e6)).toThrow(expect.objectContaining({ code: "log_corrupt" }));
  });
});

describe("what is no damage", () => {
  it("is whatever lies in spare and unfinished files", async () => {
    const disk = await written(4);
    disk.replace(`${DIR}/spare-7.free`, Buffer.alloc(SEGMENT_BYTES, 7));
    disk.replace(`${DIR}/spare-8.free`, Buffer.alloc(100, 7));
    disk.replace(`${DIR}/spare-9.tmp`, Buffer.alloc(50, 7));
    disk.replace(`${DIR}/spare-10.free`, disk.content(segment(1)));
    const { log, lastIndex } = await open(disk);
    expect(lastIndex).toBe(4);
    const files = disk.paths().filter((path) => !path.endsWith(END_MARK_NAME));
    expect(files.filter((path) => !path.endsWith(".free"))).toEqual([segment(1)]);
    expect(files.filter((path) => path.endsWith(".free"))).toHaveLength(2);
    expect(files.every((path) => disk.content(path).byteLength === SEGMENT_BYTES)).toBe(true);
    for (let index = 5; index <= 20; index += 1) {
      await log.append({ entries: [entry(index, 1, Buffer.alloc(ENTRY_BYTES, index))] });
    }
    await log.close();
    const again = await open(disk);
    expect(readAll(again.log).map(({ index }) => index)).toEqual(
      Array.from({ length: 20 }, (_, nth) => nth + 1),
    );
  });

  it("is a change of the segment size", async () => {
    const disk = await written(16);
    const larger = new SegmentLog({ dir: DIR, group: 0, segmentBytes: 16_384, durability: "fsync", disk });
    expect((await larger.open()).lastIndex).toBe(16);
    await larger.append({ entries: [entry(17, 1, Buffer.alloc(9000))] });
    await larger.close();
    expect((await open(disk)).lastIndex).toBe(17);
  });

  it("is a process that left syncing to the operating system and died, once it is opened again", async () => {
    const disk = new SimulatedDisk(seededRandom(9));
    const log = logOn(disk, "os");
    await log.open();
    for (let index = 1; index <= 16; index += 1) {
      await log.append({ entries: [entry(index, 1, Buffer.alloc(ENTRY_BYTES, index))] });
    }
    const next = disk.afterProcessDeath();
    expect((await open(next)).lastIndex).toBe(16);
    expect((await open(next.afterPowerLoss())).lastIndex).toBe(16);
  });
});

describe("a newer format", () => {
  it("is refused by its version, and only when its checksum is right", async () => {
    const disk = await written(2);
    const header = Buffer.from(disk.content(segment(1)));
    header.writeUInt32LE(2, 8);
    const { crc32 } = await import("node:zlib");
    disk.replace(segment(1), header);
    await expectCorrupt(disk, "the header is damaged");
    header.writeUInt32LE(crc32(header.subarray(20, HEADER_BYTES), crc32(header.subarray(0, 16))), 16);
    disk.replace(segment(1), header);
    await expect(logOn(disk).open()).rejects.toMatchObject({
      code: "log_version",
      message: expect.stringContaining("format 2"),
    });
  });
});
