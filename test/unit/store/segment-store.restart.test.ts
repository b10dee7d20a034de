/** What a restart finds of the segments, and what it says of damage. */
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { StoreMark } from "../../../src/store/message-store.js";
import { SegmentStore } from "../../../src/store/segment-store.js";
import { EMPTY_MARK, policy, readAll, show, topicOf } from "../../contracts/message-store.stream.js";
import type { CrashingDisk } from "./crashing-disk.js";
import { copy, filled, keepOnly, opened, path, segmentsOf } from "./store-on-disk.js";

describe("a restart", () => {
  it("at every mark there ever was has exactly what the mark covers", async () => {
    const { disk, stream, marks } = await filled();
    for (const mark of [EMPTY_MARK, ...marks]) {
      const again = copy(disk);
      const store = await opened(again, mark);
      const expected = stream.all.slice(0, mark.position).map(show);
      expect((await readAll(store)).messages.map(show)).toEqual(expected);
      expect(segmentsOf(again).every((number) => number <= mark.segment)).toBe(true);
      store.append(stream.from(mark.position));
      expect((await readAll(store)).messages).toHaveLength(stream.all.length);
      const end = await store.sync();
      const third = await opened(copy(again), end);
      expect((await readAll(third, { topics: { ids: [2, 5] } })).messages.map(show)).toEqual(
        stream.all.filter(({ topic }) => topic.id === 2 || topic.id === 5).map(show),
      );
    }
  });

  it("makes an index again that is missing, cut short, damaged or of another segment", async () => {
    const { disk, stream, mark } = await filled();
    const index = disk.file(path(2, "idx"));
    const damages: ((again: CrashingDisk) => Promise<void> | void)[] = [
      (again) => again.remove(path(2, "idx")),
      (again) => keepOnly(again, path(2, "idx"), 70),
      (again) => keepOnly(again, path(2, "idx"), 0),
      (again) => void again.file(path(2, "idx")).bytes.writeUInt32LE(99, 60),
      (again) => again.rename(path(1, "idx"), path(2, "idx")),
      (again) => void again.file(path(2, "idx")).bytes.writeUInt32LE(7, index.bytes.length - 36),
    ];
    for (const damage of damages) {
      const again = copy(disk);
      await damage(again);
      const store = await opened(again, mark);
      expect((await readAll(store, { topics: { ids: [1, 3] } })).messages).toHaveLength(
        stream.all.filter(({ topic }) => topic.id === 1 || topic.id === 3).length,
      );
      expect(again.file(path(2, "idx")).bytes.equals(index.bytes)).toBe(true);
    }
  });

  it("without any index goes by the segments alone", async () => {
    const { disk, stream, mark } = await filled();
    const again = copy(disk);
    for (const name of again.paths()) if (name.endsWith(".idx")) await again.remove(name);
    const store = await opened(again, mark);
    expect((await readAll(store)).messages.map(show)).toEqual(stream.all.map(show));
    expect(store.stats(4).messages).toBe(6);
  });

  it("clears away what an interrupted write left aside", async () => {
    const { disk, mark } = await filled();
    const again = copy(disk);
    await (await again.open("/d/messages/000000000009.idx.tmp", "create")).write(Buffer.from("half"), 0);
    await opened(again, mark);
    expect(again.paths().filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("damage", () => {
  type Damage = (disk: CrashingDisk, mark: StoreMark) => void | Promise<void>;
  const flip =
    (number: number, at: number): Damage =>
    (disk) => {
      const { bytes } = disk.file(path(number, "seg"));
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    };

  it.each<[string, string, RegExp, Damage]>([
    [
      "a sealed segment is missing",
      "store_corrupt",
      /000002\.seg: the segment is missing/,
      (disk) => disk.remove(path(2, "seg")),
    ],
    [
      "the mark's segment is missing",
      "store_corrupt",
      /\.seg: the segment is missing/,
      (disk, mark) => disk.remove(path(mark.segment, "seg")),
    ],
    [
      "a sealed segment is cut short",
      "store_corrupt",
      /000002\.seg/,
      (disk) => keepOnly(disk, path(2, "seg"), 500),
    ],
    [
      "a sealed segment is cut between two writes",
      "store_corrupt",
      /000003\.seg: it does not go on/,
      (disk) => {
        const file = disk.file(path(2, "seg"));
        file.bytes = file.bytes.subarray(0, file.bytes.lastIndexOf("JGRP"));
      },
    ],
    [
      "the mark's segment is cut short",
      "store_corrupt",
      /were made durable/,
      (disk, mark) => keepOnly(disk, path(mark.segment, "seg"), mark.bytes - 1),
    ],
    [
      "a bit of the mark's segment is flipped",
      "store_corrupt",
      /does not check/,
      (disk, mark) => flip(mark.segment, mark.bytes - 3)(disk, mark),
    ],
    ["a segment's header is flipped", "store_corrupt", /header does not check/, flip(1, 20)],
    ["a segment's format is flipped", "store_corrupt", /header does not check/, flip(1, 8)],
    ["a file is no segment", "store_corrupt", /not a message segment/, flip(1, 0)],
    [
      "a newer program wrote it",
      "store_version",
      /newer version/,
      (disk) => {
        const { bytes } = disk.file(path(1, "seg"));
        bytes.writeUInt32LE(2, 8);
        bytes.writeUInt32LE(crc32(bytes.subarray(8, 40)), 4);
      },
    ],
  ])("%s: the store does not open (%s)", async (_, code, text, damage) => {
    const { disk, mark } = await filled();
    await damage(disk, mark);
    const store = new SegmentStore({ dir: "/d", disk, segmentBytes: 1_000 });
    await expect(store.open(mark, topicOf)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(text),
    });
  });

  it("of a block is told when it is read, by topic and by all, and hurts nobody else", async () => {
    const { disk, stream, mark } = await filled();
    const segment = disk.file(path(2, "seg"));
    const victim = stream.all.find(({ payload }) => segment.bytes.includes(Buffer.from(payload)))!;
    flip(2, segment.bytes.indexOf(Buffer.from(victim.payload)))(disk, mark);
    const store = await opened(disk, mark);
    const corrupt = {
      code: "store_corrupt",
      message: expect.stringMatching(/000002\.seg: the block at byte \d+/),
    };
    await expect(readAll(store, { topics: { ids: [victim.topic.id] } })).rejects.toMatchObject(corrupt);
    await expect(readAll(store)).rejects.toMatchObject(corrupt);
    const other = victim.topic.id === 1 ? 2 : 1;
    expect((await readAll(store, { topics: { ids: [other] } })).messages).toHaveLength(
      stream.all.filter(({ topic }) => topic.id === other).length,
    );
  });

  it("of an index while it is in use is told when it is read", async () => {
    const { disk, mark } = await filled();
    const index = disk.file(path(2, "idx"));
    const store = await opened(disk, mark);
    index.bytes.writeUInt32LE(7, index.bytes.length - 36);
    await expect(readAll(store, { topics: { ids: [1, 2, 3, 4, 5] } })).rejects.toMatchObject({
      code: "store_corrupt",
      message: expect.stringContaining("000002.idx"),
    });
  });

  it("of the list of trims keeps the store shut: it cannot tell dropped from lost", async () => {
    const { disk, mark } = await filled();
    const store = await opened(disk, mark);
    await store.retain(policy({ bytesMax: 2_000 }));
    await store.close();
    const trims = disk.paths().find((name) => name.endsWith(".trims"))!;
    disk.file(trims).bytes[30]! ^= 1;
    await expect(opened(disk, mark)).rejects.toMatchObject({ code: "store_corrupt" });
  });
});
